"""What LSL readers get of each tick: events, numbers, stamps and the words beside them."""

import json
import time
from itertools import pairwise

import numpy as np
import pylsl
import pytest

from bridges.lsl_out import create
from bridges.lsl_out.events import Events
from bridges.lsl_out.process import sha256_of
from bridges.lsl_out.tables import tables
from bridges.lsl_session import use_session
from controller.board import RECORD, BoardWriter
from controller.errors import SettingsError
from controller.follower import FollowerContext, FollowerState
from controller.names import JOINT_RANGE_RAD, JOINTS, MUSCLES
from controller.skills.baoding import CHANNELS
from controller.supervisor.states import Reason, State

PATIENCE_S = 20.0
RATE_HZ = 40.0


def tick(number: int, **fields) -> np.ndarray:
    record = np.zeros((), RECORD)
    for name, value in {"number": number, "time_ns": 10**9 + number * 25_000_000, **fields}.items():
        record[name] = value
    return record[()]


def told(*records) -> list[dict]:
    events = Events()
    return [event for record in records for event in events.of(record)]


# --- events ------------------------------------------------------------------------


def test_a_run_tells_its_story():
    story = told(
        tick(0, policy_sha256=b"abc"),
        tick(1, state=State.ARMING, arming=1),
        tick(2, state=State.ACTIVE, arming=1, judged=1, solved=0),
        tick(3, state=State.ACTIVE, arming=1, judged=1, solved=1, objects=2, error_m=(0.004, 0.01)),
        tick(4, state=State.ACTIVE, arming=1, judged=1, solved=1, missed=2),
        tick(5, state=State.FAULT, arming=1, missed=2, reasons=Reason.ESTOP, note=b"e-stop"),
        tick(6, state=State.FAULT, arming=1, missed=2, reasons=Reason.ESTOP, note=b"e-stop"),
    )
    assert all(event["schema"] == 1 for event in story)
    assert [(event["tick"], event["event"]) for event in story] == [
        (0, "start"),
        (1, "armed"),
        (1, "state"),
        (2, "state"),
        (3, "solved"),
        (4, "missed"),
        (5, "estop"),
        (5, "state"),
    ]
    assert story[0] == {
        "schema": 1,
        "event": "start",
        "tick": 0,
        "state": "DISARMED",
        "policy_sha256": "abc",
    }
    assert story[4]["errors_mm"] == [4.0, 10.0]
    assert (story[5]["deadlines"], story[5]["total"]) == (2, 2)
    assert story[7] == {
        "schema": 1,
        "event": "state",
        "tick": 5,
        "state": "FAULT",
        "from": "ACTIVE",
        "reasons": ["estop"],
        "note": "e-stop",
    }


def test_an_estop_in_a_fault_of_another_cause_is_told():
    fault = tick(0, state=State.FAULT, reasons=Reason.DEADLINES)
    both = tick(1, state=State.FAULT, reasons=Reason.DEADLINES | Reason.ESTOP)
    assert [event["event"] for event in told(fault, both)] == ["start", "estop"]


def test_a_ball_that_falls_while_the_hand_rests_is_no_event_of_the_task():
    at_rest = [tick(0), tick(1, dropped=1), tick(2, dropped=1, solved=1)]
    assert [event["event"] for event in told(*at_rest)] == ["start"]
    working = [tick(0, judged=1), tick(1, judged=1, dropped=1), tick(2, judged=1, dropped=1)]
    assert [event["event"] for event in told(*working)] == ["start", "drop"]


def test_a_new_policy_is_told_by_its_hash():
    found = told(tick(0, policy=1), tick(1, policy=2, policy_sha256=b"new"))
    assert (found[1]["event"], found[1]["policy_sha256"]) == ("policy", "new")


# --- numbers -----------------------------------------------------------------------


def test_every_column_has_its_own_label_and_its_place():
    commands, hand, loop = tables(CHANNELS)
    record = tick(
        7,
        state=State.HOLD,
        lateness_ns=2_000_000,
        age_s=0.125,
        engage=1.0,
        objects=1,
        excitation=np.linspace(0, 1, len(MUSCLES)),
        joint_pos=np.arange(len(JOINTS)),
        object_pos=np.arange(6).reshape(2, 3) + 1,
    )
    record["intention"][0] = -0.5
    for table in (commands, hand, loop):
        labels = [column.label for column in table.columns]
        assert len(labels) == len(set(labels)) == len(table.pick(record))
        assert table.pick(record).dtype == np.float32
    seen = dict(zip([c.label for c in hand.columns], hand.pick(record).tolist(), strict=True))
    assert seen["md5_flexion"] == len(JOINTS) - 1
    assert seen["ball1_z"] == 3.0
    assert np.isnan([seen["ball2_x"], seen["error2"]]).all()  # there is no second ball
    assert commands.pick(record).tolist() == record["excitation"].tolist()
    assert loop.pick(record).tolist() == pytest.approx([-0.5, 1.0, 0.125, 0.002, State.HOLD])


def test_ranges_are_those_of_the_hand():
    commands, hand, _ = tables(CHANNELS)
    assert {(c.low, c.high, c.unit) for c in commands.columns} == {(0.0, 1.0, "normalized")}
    for column in hand.columns[: len(JOINTS)]:
        assert (column.low, column.high) == JOINT_RANGE_RAD[column.label]
        assert column.unit == "radians"


def test_a_hash_is_that_of_the_content():
    assert sha256_of({"a": 1, "b": {"c": 2}}) == sha256_of({"b": {"c": 2}, "a": 1})
    assert sha256_of({"a": 1}) != sha256_of({"a": 2})


# --- over the network --------------------------------------------------------------


@pytest.fixture
def context(tmp_path, source_id) -> FollowerContext:
    return FollowerContext(
        session=source_id,
        board=str(tmp_path / "board"),
        folder=str(tmp_path),
        rate_hz=RATE_HZ,
        about={
            "skill": "baoding",
            "settings": {"rate_hz": RATE_HZ},
            "policy": {"file": "baoding.onnx", "sha256": "a" * 64},
            "safety": {"sha256": "b" * 64},
            "versions": {"myoloop": "0.1.0"},
        },
    )


def inlets_of(name: str) -> dict[str, pylsl.StreamInlet]:
    deadline = time.monotonic() + PATIENCE_S
    found: dict[str, pylsl.StreamInfo] = {}
    while len(found) < 4:
        assert time.monotonic() < deadline, f"only {sorted(found)}"
        for info in pylsl.resolve_streams(0.5):
            if info.source_id().startswith(name):
                found[info.name().removeprefix(f"{name}-")] = info
    inlets = {part: pylsl.StreamInlet(info, recover=False) for part, info in found.items()}
    for inlet in inlets.values():
        inlet.open_stream(PATIENCE_S)
    return inlets


def test_a_real_inlet_gets_each_tick_with_its_own_stamp(tmp_path, context, lsl_session):
    use_session(lsl_session)
    board = BoardWriter(tmp_path / "board", slots=64)
    follower = create("lsl-out", {"session": lsl_session}, False, context, "test.yaml")
    try:
        inlets = inlets_of(context.session)
        assert follower.health().state is FollowerState.READY
        began_ns = time.monotonic_ns()
        times_ns = [began_ns + 25_000_000 * (number + (number > 5)) for number in range(10)]
        for number, time_ns in enumerate(times_ns):  # tick 6 is late by a whole period
            fields = {"time_ns": time_ns, "excitation": number / 10, "missed": number > 5}
            board.record[...] = tick(number, **fields)
            board.publish(number)
            board.settle(number)
            follower.wake()
        samples, stamps = [], []
        while len(stamps) < 10:
            sample, stamp = inlets["commands"].pull_sample(PATIENCE_S)
            samples.append(sample)
            stamps.append(stamp)
        # LSL's clock is the monotonic one on Linux, to the error of comparing them
        assert stamps == pytest.approx([time_ns / 1e9 for time_ns in times_ns], abs=1e-3)
        steps = [after - before for before, after in pairwise(stamps)]
        assert steps == pytest.approx([0.025] * 5 + [0.05] + [0.025] * 3, abs=1e-6)
        assert samples[9] == pytest.approx([0.9] * len(MUSCLES))
        assert inlets["hand"].pull_sample(PATIENCE_S)[1] == stamps[0]
        check_announcements(inlets)
        board.close()
        follower.wake()
        markers = [inlets["markers"].pull_sample(PATIENCE_S) for _ in range(3)]
        events = [json.loads(sample[0]) for sample, _ in markers]
        assert [event["event"] for event in events] == ["start", "missed", "end"]
        assert markers[1][1] == stamps[6]
    finally:
        follower.close()


def check_announcements(inlets: dict[str, pylsl.StreamInlet]) -> None:
    """The description, as XDF has it."""
    for part, inlet in inlets.items():
        info = inlet.info(PATIENCE_S)
        assert info.nominal_srate() == (0.0 if part == "markers" else RATE_HZ)
        desc = info.desc()
        assert desc.child_value("policy_sha256") == "a" * 64
        assert desc.child_value("config_sha256") == sha256_of({"rate_hz": RATE_HZ})
        assert desc.child("synchronization").child_value("can_drop_samples") == "true"
    channel = inlets["commands"].info().desc().child("channels").child("channel")
    parts = {name: channel.child_value(name) for name in ("label", "unit", "type", "range_max")}
    assert parts == {"label": "ECRL", "unit": "normalized", "type": "Control", "range_max": "1"}


@pytest.mark.parametrize("options", [{"session": "a b"}, {"session": ""}, {"sesion": "x"}])
def test_a_wrong_option_is_refused_before_the_process_starts(options, context):
    with pytest.raises(SettingsError, match="test.yaml"):
        create("lsl-out", options, False, context, "test.yaml")
