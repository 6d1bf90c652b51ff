"""``myoloop run`` with a plant and a source of the test's own, on a clock of the test's own."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import yaml
from controller.gate import State

from controller import clock, daemon, registry
from controller.board import BoardReader
from controller.daemon import Daemon, check_writable, run
from controller.errors import (
    ContractError,
    HostError,
    MyoloopError,
    PlantError,
    SettingsError,
    StreamError,
)
from controller.messages import Intention
from controller.names import JOINTS, MUSCLES
from controller.ports import PlantInfo
from controller.session import load_session
from controller.skills import baoding

NS = 1_000_000_000
TIMES = {"p50", "p99", "p999", "max"}


class Time:
    """Stands in for the module ``time``: passes only while somebody sleeps or works."""

    def __init__(self):
        self.now = 1_000 * NS

    def monotonic_ns(self):
        return self.now

    def sleep(self, seconds):
        self.now += round(seconds * NS)


class Plant:
    """Remembers what it was sent; ``work`` is run on each write."""

    def __init__(self, feedback, rate_hz):
        self.info = PlantInfo("fake", MUSCLES, JOINTS, rate_hz, {"mujoco": "9.9"})
        self.feedback = feedback
        self.sent, self.resets, self.closed = [], 0, 0
        self.work = lambda: None

    def reset(self):
        self.resets += 1

    def read(self):
        return self.feedback

    def write(self, excitation):
        self.sent.append(excitation.copy())
        self.work()

    def close(self):
        self.closed += 1


class Source:
    """Low for ten ticks, then engaged; ``at`` maps a tick to what is done or said there."""

    def __init__(self):
        self.ticks, self.closed, self.at = -1, 0, {}
        self.said = None

    def read(self, now_s):
        self.ticks += 1
        told = self.at.get(self.ticks)
        if callable(told):
            told()
        elif told is not None:
            self.said = told
        if self.said is not None:
            return self.said
        return Intention(np.array([0.5]), float(self.ticks >= 10), np.float64(0.004))

    def close(self):
        self.closed += 1


class Stage:
    """A session file and everything that it names."""

    def __init__(self, folder, feedback):
        self.file = folder / "session.yaml"
        self.source, self.asked = Source(), []
        self.feedback, self.plants, self.time = feedback, [], Time()
        self.session = {
            "skill": "baoding",
            "policy": "policy.onnx",
            "plant": {"use": "hand", "options": {"a": 1}},
            "source": {"use": "mind", "options": {"b": 2}},
        }
        self.change_info = {}

    @property
    def plant(self):
        return self.plants[-1]

    def write(self, **changes):
        self.file.write_text(yaml.safe_dump({**self.session, **changes}), encoding="utf-8")
        return self.file

    def daemon(self, board=None, **changes):
        return Daemon(load_session(self.write(**changes)), self.file, board)

    def find(self, kind, name, origin):
        self.asked.append((kind, name, origin))
        found = {"skills": baoding, "plants": self.make_plant, "sources": self.make_source}
        return found[kind]

    def make_plant(self, options, rate_hz, origin):
        self.asked.append((options, rate_hz, origin))
        self.plants.append(Plant(self.feedback, rate_hz))
        self.plant.info = replace(self.plant.info, **self.change_info)
        return self.plant

    def make_source(self, options, channels, origin):
        self.asked.append((options, channels, origin))
        return self.source


@pytest.fixture
def stage(tmp_path, monkeypatch, make_feedback, write_policy):
    write_policy()
    made = Stage(tmp_path, make_feedback())
    monkeypatch.setattr(registry, "find", made.find)
    monkeypatch.setattr(clock, "time", made.time)
    monkeypatch.setattr(daemon, "time", made.time)
    monkeypatch.setattr(daemon, "version", lambda name: f"version of {name}")
    return made


def relaxed_at_the_end(plant):
    """The last ticks ramp down to nothing, no step larger than the ramp's."""
    sent = np.array(plant.sent)
    assert sent[:-1].any() and not sent[-1].any()
    falls = np.diff(sent[-11:], axis=0)
    return (falls <= 0).all() and falls.min() >= -0.1 - 1e-6


# --- the report -------------------------------------------------------------------------


def test_the_report_has_everything(stage):
    report = stage.daemon().run(seconds=3.0)
    assert {
        *("rate_hz", "seconds", "ticks", "missed_deadlines", "wake_lateness_us", "tick_us"),
        *("intention_age_ms", "stale_ticks", "gate", "task", "policy", "versions"),
    } <= set(report)
    assert report["rate_hz"] == 40.0
    for name in ("wake_lateness_us", "tick_us", "intention_age_ms"):
        assert set(report[name]) == TIMES
    assert {"solved_fraction", "drops", "error_mm"} <= set(report["task"])
    assert set(report["task"]["error_mm"]) == {"p50", "p95"}
    assert len(report["policy"]["sha256"]) == 64
    assert report["policy"]["contract_version"] == 1
    assert report["versions"]["myoloop"] == "version of myoloop"
    assert report["versions"]["mujoco"] == "9.9"


def test_the_numbers_of_an_undisturbed_run(stage):
    report = stage.daemon().run(seconds=3.0)
    assert 120 < report["ticks"] <= 131, "three seconds and the ramp"
    assert report["seconds"] == pytest.approx(report["ticks"] / 40.0)
    assert report["missed_deadlines"] == 0 and report["stale_ticks"] == 0
    assert set(report["gate"]) == {"slew", "disengaged"}, "the first rise and the end"
    assert report["wake_lateness_us"]["max"] == 0.0
    assert report["intention_age_ms"]["max"] == 4.0
    assert report["task"]["drops"] == 0
    assert report["realtime_refused"] == []


def test_without_work_there_is_nothing_to_judge(stage):
    stage.source.said = Intention(np.array([0.0]), 1.0, 0.0)
    report = stage.daemon().run(seconds=1.0)
    assert report["task"]["solved_fraction"] is None
    assert report["intention_age_ms"] == dict.fromkeys(TIMES)
    assert not stage.plant.sent


def test_a_stall_is_counted_and_not_made_up_for(stage):
    made = stage.daemon()
    walls = []

    def work():
        walls.append(stage.time.now)
        if len(walls) == 20:
            stage.time.now += 260_000_000

    stage.plant.work = work
    report = made.run(seconds=2.0)
    assert report["missed_deadlines"] == 9
    assert report["tick_us"]["max"] == pytest.approx(260_000)
    assert report["wake_lateness_us"]["max"] == pytest.approx(10_000)
    gaps = np.diff(walls) / 1e6
    assert sorted(gaps)[:2] == [15.0, 25.0], "back on the grid, no burst"
    assert gaps.max() == 260.0


def test_interventions_are_counted(stage):
    late = Intention(np.array([0.5]), 1.0, 0.2)
    stage.source.at = {40: late, 44: Intention(np.array([1e6]), 1.0, 0.0)}
    report = stage.daemon().run(seconds=3.0)
    assert report["gate"]["intention_stale_hold"] == 4
    assert report["gate"]["intention_invalid"] > 0
    assert report["stale_ticks"] == 4


def test_a_source_that_falls_silent_relaxes_the_hand(stage):
    stage.source.at = {40: Intention(np.array([0.5]), 1.0, np.inf)}
    report = stage.daemon().run(seconds=3.0)
    assert report["gate"]["intention_stale_relax"] > 0
    written = 30 + 11
    assert len(stage.plant.sent) >= written
    assert not np.array(stage.plant.sent[written:]).any()


# --- the end ----------------------------------------------------------------------------


def test_seconds_end_with_a_relaxed_hand(stage):
    stage.daemon().run(seconds=1.0)
    assert relaxed_at_the_end(stage.plant)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_with_a_relaxed_hand(stage, number):
    before = signal.getsignal(number)
    stage.source.at = {50: lambda: os.kill(os.getpid(), number)}
    report = stage.daemon().run()
    assert relaxed_at_the_end(stage.plant)
    assert 51 < report["ticks"] <= 63
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_cut_the_ramp_short(stage):
    stage.source.at = {
        50: lambda: os.kill(os.getpid(), signal.SIGTERM),
        52: lambda: os.kill(os.getpid(), signal.SIGINT),
    }
    stage.daemon().run()
    assert relaxed_at_the_end(stage.plant)


def test_a_signal_again_later_breaks_off_what_hangs(stage, monkeypatch):
    daemon = stage.daemon()

    def ask_and_hang():
        os.kill(os.getpid(), signal.SIGTERM)
        stage.time.now += 2 * NS
        os.kill(os.getpid(), signal.SIGINT)

    stage.source.at = {50: ask_and_hang}
    with pytest.raises(KeyboardInterrupt):
        daemon.run()


def test_versions_of_another_plant_are_said(stage, capsys):
    stage.daemon()
    assert "made with mujoco 4.0.0, this is 9.9" in capsys.readouterr().err


def test_a_late_handshake_that_fails_lets_go_of_the_plant(stage, monkeypatch):
    def refuse(*_):
        raise StreamError("no stream")

    monkeypatch.setattr(stage, "make_source", refuse)
    with pytest.raises(StreamError):
        stage.daemon()
    assert stage.plant.closed == 1


def test_a_signal_at_rest_ends_at_once_and_moves_nothing(stage):
    stage.source.at = {5: lambda: os.kill(os.getpid(), signal.SIGTERM)}
    report = stage.daemon().run(seconds=60.0)
    assert report["ticks"] <= 8 and not stage.plant.sent


def test_the_end_does_not_wait_for_a_dead_source(stage):
    stage.source.at = {
        50: Intention(np.array([np.nan]), np.nan, np.nan),
        90: lambda: os.kill(os.getpid(), signal.SIGTERM),
    }
    report = stage.daemon().run(seconds=60.0)
    assert report["ticks"] <= 93


def test_close_lets_plant_source_and_board_go(stage, tmp_path):
    made = stage.daemon(tmp_path / "board")
    made.close()
    assert (stage.plant.closed, stage.source.closed) == (1, 1)
    assert BoardReader(tmp_path / "board").closed


# --- the board --------------------------------------------------------------------------


def test_every_tick_is_on_the_board(stage, tmp_path):
    stage.source.at = {30: Intention(np.array([0.25]), 1.0, 0.2)}
    made = stage.daemon(tmp_path / "board")
    report = made.run(seconds=1.0)
    reader = BoardReader(tmp_path / "board")
    assert reader.newest == report["ticks"] - 1
    records = [reader.read(number) for number in range(report["ticks"])]
    assert [int(record["number"]) for record in records] == list(range(report["ticks"]))
    assert np.diff([int(record["time_ns"]) for record in records]).tolist() == [25_000_000] * (
        report["ticks"] - 1
    )
    states = [State(int(record["state"])) for record in records]
    assert states[:10] == [State.READY] * 10
    assert states[10:30] == [State.ACTIVE] * 20
    assert states[30:39] == [State.HOLDING] * 9
    working, held = records[20], records[35]
    assert working["channels"] == 1 and working["intention"][0] == 0.5
    assert (working["engage"], working["age_s"], held["age_s"]) == (1.0, 0.004, 0.2)
    assert held["reasons"] == 32 and held["intention"][0] == 0.25
    np.testing.assert_array_equal(working["excitation"], stage.plant.sent[10])
    assert working["wished"].any() and not records[5]["wished"].any()
    assert working["objects"] == 2
    np.testing.assert_array_equal(working["object_pos"], stage.feedback.object_pos)
    away = np.linalg.norm(records[20]["target_pos"] - stage.feedback.object_pos, axis=-1)
    np.testing.assert_allclose(records[21]["error_m"], away, atol=1e-12)


def test_without_a_board_nothing_is_written(stage, tmp_path):
    stage.daemon().run(seconds=0.5)
    assert {p.name for p in tmp_path.iterdir()} == {"policy.onnx", "session.yaml"}


# --- refusals before the start ----------------------------------------------------------


def refused(stage, error=ContractError, **changes):
    with pytest.raises(error) as caught:
        stage.daemon(**changes)
    assert "\n" not in str(caught.value)
    assert not any(plant.sent for plant in stage.plants)
    return str(caught.value)


def test_adapters_are_asked_for_by_name_with_their_options(stage):
    stage.daemon()
    file = stage.file
    assert stage.asked == [
        ("skills", "baoding", f"{file}: skill"),
        ("plants", "hand", f"{file}: plant.use"),
        ({"a": 1}, 40.0, f"{file}: plant.options"),
        ("sources", "mind", f"{file}: source.use"),
        ({"b": 2}, baoding.CHANNELS, f"{file}: source.options"),
    ]


def test_policy_of_another_skill(stage, write_policy, contract, tmp_path):
    write_policy(metadata={**contract, "skill": "reach"})
    assert refused(stage) == (
        f"policy {tmp_path / 'policy.onnx'}: made for the skill 'reach', the session's is 'baoding'"
    )


def test_policy_of_another_skill_with_terms_of_its_own(stage, write_policy, contract):
    write_policy(metadata={**contract, "skill": "reach", "terms": [["elbow", 63]]})
    assert "made for the skill 'reach'" in refused(stage)


def test_policy_of_another_rate(stage, tmp_path):
    assert refused(stage, rate_hz=50.0) == (
        f"policy {tmp_path / 'policy.onnx'}: made for 40 Hz, the session's rate_hz is 50"
    )


def test_policy_with_an_unknown_term(stage, write_policy, contract, tmp_path):
    write_policy(metadata={**contract, "terms": [["hand_pos", 23], ["elbow", 40]]})
    message = refused(stage)
    assert message.startswith(f"policy {tmp_path / 'policy.onnx'}: observation term 'elbow'")


def test_policy_whose_sizes_only_add_up(stage, write_policy, contract, tmp_path):
    terms = [["hand_pos", 22], ["act", 40], ["phase_rate", 1]]
    write_policy(metadata={**contract, "terms": terms})
    assert refused(stage) == (
        f"policy {tmp_path / 'policy.onnx'}: term 'hand_pos' has the size 22, the skill's has 23"
    )


def test_policy_that_observes_too_little(stage, write_policy, contract, tmp_path):
    write_policy(metadata={**contract, "terms": [["hand_pos", 1]]}, obs=(1, 1))
    assert refused(stage) == (
        f"policy {tmp_path / 'policy.onnx'}: term 'hand_pos' has the size 1, the skill's has 23"
    )


def test_missing_policy(stage, tmp_path):
    message = refused(stage, SettingsError, policy="none.onnx")
    assert message.startswith("none.onnx: not found") and str(tmp_path) in message


def test_broken_policy_is_refused_before_the_plant_is_asked_for(stage, write_policy):
    write_policy(metadata=None)
    refused(stage)
    assert stage.plants == []


@pytest.mark.parametrize(
    "info, message",
    [
        (
            {"muscles": (MUSCLES[1], MUSCLES[0], *MUSCLES[2:])},
            "plant fake: muscle 0 is 'ECRB', not 'ECRL'",
        ),
        ({"muscles": MUSCLES[:-1]}, "plant fake: 38 muscles, not 39"),
        ({"joints": (*JOINTS[:-1], "thumb")}, "plant fake: joint 22 is 'thumb', not 'md5_flexion'"),
        ({"joints": (*JOINTS, "thumb")}, "plant fake: 24 joints, not 23"),
        ({"rate_hz": 100.0}, "plant fake: runs at 100 Hz, the session's rate_hz is 40"),
    ],
)
def test_plant_that_does_not_fit(stage, info, message):
    stage.change_info = info
    assert refused(stage) == message


# --- the command ------------------------------------------------------------------------


def test_command_writes_the_report(stage, tmp_path, capsys):
    run(stage.write(), seconds=1.0, report=tmp_path / "report.json", board=tmp_path / "board")
    assert json.loads((tmp_path / "report.json").read_text())["ticks"] > 0
    assert capsys.readouterr().out == ""
    assert BoardReader(tmp_path / "board").closed
    assert (stage.plant.closed, stage.source.closed) == (1, 1)


def test_command_prints_the_report(stage, capsys):
    run(stage.write(), seconds=1.0)
    assert json.loads(capsys.readouterr().out)["rate_hz"] == 40.0


def test_unwritable_report_is_refused_before_anything_starts(stage, tmp_path):
    report = tmp_path / "nowhere" / "report.json"
    with pytest.raises(HostError) as caught:
        run(stage.write(), seconds=1.0, report=report)
    expected = f"report {report}: can't be written: No such file or directory"
    assert str(caught.value) == expected
    assert stage.asked == []


def test_a_folder_is_no_report(stage, tmp_path):
    with pytest.raises(HostError, match="can't be written: Is a directory"):
        check_writable(tmp_path)


def test_checking_a_report_leaves_what_is_there(tmp_path):
    check_writable(None)
    check_writable(tmp_path / "new.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.json").write_text("kept")
    check_writable(tmp_path / "old.json")
    assert (tmp_path / "old.json").read_text() == "kept"


def test_a_plant_that_dies_lets_everything_go(stage, tmp_path, monkeypatch):
    class Dead(MyoloopError):
        pass

    def die():
        raise Dead("plant hand: connection lost")

    make = stage.make_plant

    def make_dying(*arguments):
        plant = make(*arguments)
        plant.work = die
        return plant

    monkeypatch.setattr(stage, "make_plant", make_dying)
    report = tmp_path / "report.json"
    with pytest.raises(PlantError, match="the hand was relaxed: tick 10: Dead: .*connection lost"):
        run(stage.write(), seconds=2.0, board=tmp_path / "board", report=report)
    assert "connection lost" in json.loads(report.read_text())["fault"]
    assert not stage.plant.sent[-1].any(), "the last word is rest"
    assert (stage.plant.closed, stage.source.closed) == (1, 1)
    assert BoardReader(tmp_path / "board").closed, "viewers must not wait for ever"


def test_what_the_system_refuses_is_said_and_reported(stage, capsys, monkeypatch):
    def refuse(pid, policy, parameters):
        if policy != os.SCHED_OTHER:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    report = stage.daemon(realtime={"priority": 10}).run(seconds=0.5)
    (line,) = report["realtime_refused"]
    assert line.startswith("realtime.priority: ")
    assert capsys.readouterr().err.endswith(f"myoloop: {line}\n")
    with pytest.raises(HostError, match=r"realtime\.required"):
        stage.daemon(realtime={"priority": 10, "required": True}).run(seconds=0.5)
    assert not stage.plant.sent


def test_stopping_at_rest_does_not_touch_the_task(stage):
    """An engaged source at rest must not become ready, and the task be put back, by the stop."""
    stage.source.said = Intention(np.array([0.5]), 1.0, np.float64(0.004))
    daemon = stage.daemon()
    resets = stage.plant.resets
    daemon.run(seconds=1.0)
    assert stage.plant.resets == resets
