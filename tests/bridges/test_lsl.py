"""The LSL source against real streams over loopback."""

import gc
import math
import re
import signal
import socket
import textwrap
import time
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pylsl
import pytest

from bridges import lsl_api
from bridges.lsl import create
from bridges.lsl_api import Stream, streams
from bridges.lsl_match import Wanted, mismatches
from bridges.lsl_outlet import IntentionOutlet
from controller.errors import SettingsError, StreamError
from controller.skills.baoding import CHANNELS
from controller.skills.skill import Channel

SHORT = {"wait_s": 1.0}
OTHER = Channel("speed", -1.0, 1.0, "")


def fresh(intention) -> bool:
    return intention.fresh


@pytest.fixture(scope="module")
def connected(lsl_session):
    """One outlet and its source for all tests that only push: connecting takes 2 s."""
    name = f"shared-{uuid.uuid4()}"
    outlet = IntentionOutlet(CHANNELS, name, lsl_session)
    source = create({"source_id": name, "session": lsl_session}, CHANNELS, "test.yaml")
    yield outlet, source
    source.close()
    outlet.close()


@pytest.fixture
def stream(connected, read_until):
    """The same, with a good sample just read: 0.5, engaged."""
    outlet, source = connected
    time.sleep(0.02)  # the test before may have sent a stamp of the near future
    outlet.push([0.5], 1.0)
    assert read_until(source, fresh).fault == ""
    return outlet, source


# --- matching at the start ---------------------------------------------------------


def test_before_the_first_sample_nothing_is_known(make_outlet, open_source):
    make_outlet()
    intention = open_source().read(time.monotonic())
    assert intention.values.tolist() == [0.0]
    assert (intention.engage, intention.age_s, intention.fault) == (0.0, math.inf, "")
    assert math.isnan(intention.raw_stamp_s)
    assert not intention.fresh


def test_a_matching_stream_is_read(stream, read_until):
    outlet, source = stream
    stamp = pylsl.local_clock()
    outlet.push([0.25], 0.75, stamp)
    intention = read_until(source, fresh)
    assert intention.values.tolist() == [0.25]
    assert (intention.engage, intention.fault) == (0.75, "")
    assert intention.raw_stamp_s == stamp
    assert 0.0 <= intention.age_s < 5.0


def test_memory_that_does_not_fit_the_stream_is_refused(make_outlet, source_id):
    make_outlet()
    (found,) = (s for s in lsl_api.streams(1.0) if s.source_id == source_id)
    inlet = lsl_api.Inlet(found)
    for rows in (np.empty((9, 2)), np.empty((9, 3), "f4"), np.empty((2, 9), "f4").T):
        with pytest.raises(ValueError, match="rows of .* for a stream of"):
            inlet.pull(rows)


def test_a_sample_is_fresh_once(stream):
    _, source = stream
    again = source.read(time.monotonic())
    assert not again.fresh
    assert again.values.tolist() == [0.5]


def test_a_sample_that_was_read_is_not_overwritten_by_the_next(stream, read_until):
    outlet, source = stream
    first = source.read(time.monotonic())
    outlet.push([-0.5], 1.0)
    read_until(source, fresh)
    assert first.values.tolist() == [0.5]


def test_after_a_backlog_one_read_gives_the_newest(stream):
    outlet, source = stream
    for value in np.linspace(-1.0, 1.0, 300):
        outlet.push([value], 1.0)
    time.sleep(1.0)  # all of it arrives, three times what liblsl keeps
    assert source.read(time.monotonic()).values.tolist() == [1.0]
    assert not source.read(time.monotonic()).fresh


def test_no_stream_is_an_error_that_says_what_is_wanted(start, source_id):
    alone = f"""
    from bridges.lsl import create
    from controller.skills.baoding import CHANNELS
    options = {{"source_id": "{source_id}", "session": "{source_id}", "wait_s": 0.5}}
    create(options, CHANNELS, "test.yaml: source.options")
    """
    output = start("-c", textwrap.dedent(alone)).communicate(timeout=30)[0].decode()
    assert "StreamError: test.yaml: source.options: no stream matches within 0.5 s" in output
    assert f"source_id '{source_id}', channels rotation/engage (2 x float32), 100 Hz" in output
    assert f"saw: nothing in the session '{source_id}'" in output


def test_each_stream_that_differs_is_refused_and_its_field_named(make_outlet, open_source):
    make_outlet((OTHER,))
    make_outlet((*CHANNELS, OTHER))
    make_outlet(rate_hz=50.0)
    make_outlet(name="another")
    make_outlet(source_id="another")
    with pytest.raises(StreamError, match="no stream matches") as caught:
        open_source(**SHORT)
    for said in (
        ": labels speed/engage instead of rotation/engage",
        ": channel count 3 instead of 2, labels rotation/speed/engage instead of rotation/engage",
        ": rate 50 Hz instead of 100 Hz",
        ": name 'another' instead of 'myoloop-intention'",
        ": source_id 'another' instead of 'test-",
        f"channels rotation/engage (2 x float32), 50 Hz, host {socket.gethostname()}: rate",
    ):
        assert said in str(caught.value)


def test_each_foreign_sender_that_differs_is_refused(open_source, make_outlet, source_id):
    make_outlet(source_id="other-" + source_id)  # puts the process into the tests' session
    kinds = [("EEG", "float32"), ("Control", "double64"), ("Control", "float32")]
    outlets = [
        pylsl.StreamOutlet(pylsl.StreamInfo("myoloop-intention", kind, 2, 100, form, source_id))
        for kind, form in kinds
    ]
    with pytest.raises(StreamError, match="no stream matches") as caught:
        open_source(**SHORT)
    outlets.clear()
    for said in (
        ": type 'EEG' instead of 'Control', labels",
        ": format 'double64' instead of 'float32', labels",
        ": labels without labels instead of rotation/engage",
    ):
        assert said in str(caught.value)


def test_of_two_streams_of_one_name_the_source_id_decides(
    make_outlet, open_source, source_id, read_until
):
    wrong, right = make_outlet(source_id=f"other-{source_id}"), make_outlet()
    source = open_source()
    wrong.push([0.1], 1.0)
    right.push([0.9], 1.0)
    assert read_until(source, fresh).values == pytest.approx([0.9])


def test_a_stream_ends_with_close_or_its_process_never_because_nobody_holds_it(
    lsl_session, source_id
):
    """liblsl crashes now and then when it takes one down that somebody connects to."""

    closed = IntentionOutlet(CHANNELS, f"closed-{source_id}", lsl_session)
    IntentionOutlet(CHANNELS, f"dropped-{source_id}", lsl_session)
    gc.collect()
    closed.close()
    found = {stream.source_id for stream in streams(0.5)}
    assert f"dropped-{source_id}" in found
    assert f"closed-{source_id}" not in found


def test_two_streams_with_one_source_id_are_refused(make_outlet, open_source):
    make_outlet(), make_outlet()
    with pytest.raises(StreamError, match="2 streams match, only one may") as caught:
        open_source()
    assert str(caught.value).count(": matches") == 2


def test_a_stream_that_comes_from_another_host_than_before_does_not_match():
    wanted = Wanted("n", "Control", "id", "s", ("rotation", "engage"), 100.0, host="lab1")
    stream = Stream(
        *("n", "Control", "id", "s", ("rotation", "engage"), 2, "float32", 100.0, "lab1", "uid"),
        units=None,
        handle=None,
    )
    assert mismatches(stream, wanted) == []
    assert mismatches(replace(stream, host="lab2"), wanted) == ["host 'lab2' instead of 'lab1'"]


# --- options and session -----------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "source_id"),
        ({"source_id": ""}, "source_id"),
        ({"source_id": "a", "wait_s": 0.1}, "wait_s"),
        ({"source_id": "a", "waits": 1}, "waits: unknown key; allowed: source_id, name"),
    ],
)
def test_wrong_options_are_refused_by_name(options, said):
    with pytest.raises(SettingsError, match=f"test.yaml: .*{said}"):
        create(options, CHANNELS, "test.yaml")


def test_a_second_session_in_a_process_is_refused(make_outlet, source_id, lsl_session):
    make_outlet()
    with pytest.raises(StreamError, match=f"already in the session '{lsl_session}'"):
        create({"source_id": source_id, "session": "second"}, CHANNELS, "test.yaml")


@pytest.mark.parametrize("session", ["a'b", "a b", "a\nb", "ü\n"])
def test_a_session_that_would_break_the_query_is_refused(session):
    with pytest.raises(StreamError, match="only letters, digits"):
        IntentionOutlet(CHANNELS, "id", session)


def test_a_session_that_comes_too_late_is_noticed(start):
    late = """
    import pylsl
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("x", "x", 1, 0, "float32", "x"))
    from bridges.lsl_outlet import IntentionOutlet
    IntentionOutlet((), "id", "late")
    """
    process = start("-c", textwrap.dedent(late))
    output = process.communicate(timeout=30)[0].decode()
    assert "StreamError: LSL session 'late': liblsl was already in use" in output


def test_the_users_own_lsl_configuration_stays_in_force(start, environment, tmp_path):
    log, config = tmp_path / "lsl.log", tmp_path / "lsl_api.cfg"
    config.write_text(f"; mine\n[lab]\nSessionID = mine\n[log]\nlevel = 0\nfile = {log}\n")
    use = "from bridges.lsl_outlet import IntentionOutlet; IntentionOutlet((), 'id', 'ours')"
    process = start("-c", use, env={**environment, "LSLAPICFG": str(config)})
    output = process.communicate(timeout=30)[0].decode()
    assert process.returncode == 0, output  # in the session 'ours': it checks that itself
    assert log.exists()


# --- age and stamps ----------------------------------------------------------------


def test_the_age_grows_while_the_stream_is_silent(stream):
    _, source = stream
    now = time.monotonic()
    assert source.read(now + 0.5).age_s >= 0.5
    late = source.read(now + 100.0)
    assert late.age_s >= 100.0
    assert (late.values.tolist(), late.fault, late.fresh) == ([0.5], "", False)


def test_an_old_stamp_counts_although_the_sample_just_arrived(make_outlet, open_source, read_until):
    outlet, source = make_outlet(), open_source()
    outlet.push([0.5], 1.0, pylsl.local_clock() - 30.0)
    intention = read_until(source, fresh)
    assert 30.0 <= intention.age_s < 40.0
    assert intention.fault == ""


def test_the_arrival_counts_although_the_stamp_is_younger(stream, read_until):
    outlet, source = stream
    outlet.push([0.5], 1.0, pylsl.local_clock() + 0.008)  # within what a clock may be wrong
    assert read_until(source, fresh).age_s >= 0.0


def test_a_stamp_in_the_future_is_a_fault_until_a_good_sample(stream, read_until):
    outlet, source = stream
    good = source.read(time.monotonic())
    outlet.push([0.9], 1.0, pylsl.local_clock() + 60.0)
    bad = read_until(source, lambda i: i.fault != "")
    assert re.fullmatch(r"stamp [56]\d\.\d{3} s in the future", bad.fault)
    assert not bad.fresh
    assert bad.values.tolist() == [0.5]
    assert bad.raw_stamp_s == good.raw_stamp_s
    later = source.read(time.monotonic() + 1.0)
    assert later.fault == bad.fault
    assert later.age_s >= 1.0
    outlet.push([0.7], 1.0)
    assert read_until(source, fresh).fault == ""


def test_a_stamp_that_is_no_number_is_a_fault(stream, read_until):
    outlet, source = stream
    outlet.push([0.5], 1.0, math.nan)
    assert not read_until(source, lambda i: i.fault != "").fresh


def test_a_stamp_that_goes_back_is_not_fresh(stream, read_until):
    outlet, source = stream
    now = source.read(time.monotonic()).raw_stamp_s
    for stamp in (now - 0.05, now):
        outlet.push([0.9], 1.0, stamp)
        time.sleep(0.2)
        intention = source.read(time.monotonic())
        assert (intention.fresh, intention.values.tolist()) == (False, [0.5])
    outlet.push([0.7], 1.0)
    assert read_until(source, fresh).values == pytest.approx([0.7])


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e6])
def test_values_are_passed_on_as_they_are(stream, read_until, value):
    outlet, source = stream
    outlet.push([value], value)
    intention = read_until(source, fresh)
    np.testing.assert_equal([*intention.values, intention.engage], [value, value])
    assert intention.fault == ""


# --- interruptions -----------------------------------------------------------------


def test_reading_returns_while_the_sender_stands_still_and_goes_on_with_it(
    start_sender, open_source, read_until
):
    sender = start_sender()
    source = open_source()
    sender.send_signal(signal.SIGSTOP)  # before the first read: liblsl would fetch things in it
    still = read_until(source, lambda i: i.age_s > 0.3)
    assert still.fault == ""
    for _ in range(100):
        assert not source.read(time.monotonic()).fresh
    sender.send_signal(signal.SIGCONT)
    assert read_until(source, lambda i: i.fresh and i.age_s < 0.3).fault == ""


def test_a_restarted_sender_is_found_again(start_sender, open_source, read_until, kill):
    sender = start_sender(value=0.25)
    source = open_source()
    read_until(source, fresh)
    kill(sender)
    assert "lost" in read_until(source, lambda i: i.fault != "").fault
    start_sender(value=0.75, clock_s=-60.0)  # its clock may have been set back meanwhile
    back = read_until(source, fresh)
    assert back.values == pytest.approx([0.75])
    assert back.fault == ""
    assert back.age_s >= 60.0


def test_a_sender_that_comes_back_different_stays_a_fault(
    start_sender, open_source, read_until, kill
):
    source_was = start_sender()
    source = open_source()
    read_until(source, fresh)
    kill(source_was)
    wrong = start_sender(labels=("speed",), value=0.75)  # liblsl itself would take it
    said = "labels speed/engage instead of rotation/engage"
    assert read_until(source, lambda i: said in i.fault).values.tolist() == [0.25]
    kill(wrong)
    start_sender(value=0.5)
    assert read_until(source, fresh).values.tolist() == [0.5]


def test_a_successor_is_found_although_the_old_connection_never_closed(
    start_sender, open_source, read_until, monkeypatch
):
    monkeypatch.setattr("bridges.lsl_link.CHECK_S", 1.0)  # only to wait less
    first = start_sender(value=0.25)
    source = open_source()
    read_until(source, fresh)
    first.send_signal(signal.SIGSTOP)  # as if its machine had vanished
    read_until(source, lambda i: i.age_s > 0.3)
    start_sender(value=0.75)
    assert read_until(source, fresh).values == pytest.approx([0.75])


# --- the documented example --------------------------------------------------------


def test_the_documented_sender_drives_the_source(
    start, environment, tmp_path, open_source, lsl_session, read_until
):
    text = (Path(__file__).parents[2] / "docs/intention.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    hurried = example.replace("% 60 > 20", "% 60 > 1").replace("% 60 > 22", "% 60 > 2")
    assert hurried != example
    config = tmp_path / "lsl_api.cfg"
    config.write_text(f"[lab]\nSessionID = {lsl_session}\n[log]\nlevel = -3\n")
    start("-c", hurried, env={**environment, "LSLAPICFG": str(config)})
    source = open_source(source_id="myoloop-intention-1")
    assert read_until(source, fresh).engage == 0.0
    assert read_until(source, lambda i: i.engage == 1.0).values.tolist() == [0.0]
    assert read_until(source, lambda i: i.values[0] > 0).values == pytest.approx([0.2])
