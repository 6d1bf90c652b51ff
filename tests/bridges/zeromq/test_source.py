"""An intention over ZeroMQ, on the test's own clock; the sockets are tested with the plant."""

import math
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from bridges.devices.passthrough_motors import motors
from bridges.zeromq.messages import IntentionMessage, encode
from bridges.zeromq.source import ZmqIntention, create
from controller.errors import SettingsError, StreamError
from controller.skills.skill import Channel
from controller.supervisor.judge import Judge
from controller.supervisor.limits import Limits
from controller.supervisor.states import Reason

CHANNELS = (Channel("rotation", -1.0, 1.0, ""), Channel("grip", 0.0, 1.0, ""))


class Line:
    address = "here"

    def __init__(self) -> None:
        self.waiting: bytes | None = None

    def newest(self) -> bytes | None:
        found, self.waiting = self.waiting, None
        return found


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def source(line) -> ZmqIntention:
    return ZmqIntention(line, CHANNELS)


def say(source, line, seq, now_s, **changes):
    message = IntentionMessage(
        session="decoder",
        seq=seq,
        t_mono_ns=seq * 10_000_000,
        valid=True,
        channels=("rotation", "grip"),
        values=[0.5, seq / 100],
        engage=1.0,
    )
    line.waiting = encode(msgspec.structs.replace(message, **changes))
    return source.read(now_s)


def test_the_newest_message_is_the_intention_and_grows_old(source, line):
    first = say(source, line, 1, 100.0)
    assert first.fresh and first.age_s == 0 and first.values.tolist() == [0.5, 0.01]
    assert math.isfinite(first.correction_s) and first.raw_stamp_s == 0.01
    assert say(source, line, 2, 100.01).values.tolist() == [0.5, 0.02]
    later = source.read(100.11)
    assert not later.fresh and later.age_s == pytest.approx(0.1) and later.fault == ""
    silent = source.read(100.41)
    assert silent.fault == "the decoder was silent for 0.4 s"
    backlog = say(source, line, 3, 100.51)
    assert backlog.fresh and backlog.age_s == pytest.approx(0.49, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 3}, "version"),
        ({"seq": 1}, "old"),
        ({"session": "another"}, "session"),
        ({"channels": ("grip", "rotation")}, "channels"),
        ({"values": [0.0]}, "shape"),
    ],
)
def test_what_is_not_our_decoders_is_counted_and_the_last_grows_old(source, line, changes, reason):
    say(source, line, 1, 100.0)
    for step in range(4):
        seq = changes.get("seq", 2 + step)
        wrong = {name: value for name, value in changes.items() if name != "seq"}
        found = say(source, line, seq, 100.1 + step / 10, **wrong)
    assert not found.fresh and found.age_s == pytest.approx(0.4)
    assert source.rejected == {reason: 4} and reason in found.fault


def test_a_decoder_that_started_again_is_heard_when_the_old_one_is_gone(source, line):
    say(source, line, 50, 100.0)
    found = say(source, line, 1, 100.6, session="again")
    assert found.fresh and found.age_s == 0


def test_a_wild_number_does_not_lock_the_decoder_out_for_good(source, line):
    say(source, line, 2**40, 100.0, t_mono_ns=0)
    assert not say(source, line, 2, 100.4).fresh
    assert say(source, line, 3, 100.6).fresh
    assert say(source, line, 4, 100.61).fresh


def test_what_is_wrong_with_the_person_is_the_supervisors_to_judge(source, line):
    judge = Judge(Limits(), CHANNELS)
    assert judge.intention(say(source, line, 1, 100.0)) == Reason(0)
    broken = say(source, line, 2, 100.01, values=[math.nan, 0.0])
    assert judge.intention(broken) == Reason.INTENTION_INVALID
    invalid = say(source, line, 3, 100.02, valid=False)
    assert judge.intention(invalid) == Reason.INTENTION_FAULT
    assert judge.intention(say(source, line, 4, 100.03, engage=0.0)) == Reason.DISENGAGED


def test_without_a_decoder_there_is_no_start(tmp_path):
    address = f"ipc://{tmp_path}/intention"
    with pytest.raises(StreamError, match=f"no decoder sends rotation, grip to {address}"):
        create({"bind": address, "wait_s": 0.1}, CHANNELS, "a.yaml: source.options")
    with pytest.raises(SettingsError, match="server_key"):
        create({"bind": "tcp://*:5613"}, CHANNELS, "a.yaml: source.options")


def test_the_example_is_a_decoder_of_six_motors(tmp_path):
    address = f"ipc://{tmp_path}/intention"
    example = Path(__file__).resolve().parents[3] / "examples" / "zmq_decoder.py"
    decoder = subprocess.Popen([sys.executable, example, address, "0"])
    try:
        source = create({"bind": address, "wait_s": 30}, motors.CHANNELS, "test")
        judge = Judge(Limits(), motors.CHANNELS)
        first = source.read(time.monotonic())
        assert judge.intention(first) == Reason(0) and source.rejected == {}
        source.close()
    finally:
        decoder.kill()
        decoder.wait()
