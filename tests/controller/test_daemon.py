"""``myoloop run`` with a plant and a source of the test's own, on a clock of the test's own."""

import hashlib
import json
import os
import signal
import socket
from dataclasses import replace

import numpy as np
import pytest
import yaml

from controller import clock, daemon, orders, registry, rundir
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
from controller.follower import FollowerHealth, FollowerInfo, FollowerState
from controller.messages import Intention
from controller.names import JOINTS, MUSCLES
from controller.orders import OrderWriter
from controller.ports import PlantInfo
from controller.session import load_session
from controller.skills import baoding
from controller.supervisor.states import Order, Reason, State

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
        return excitation

    def close(self):
        self.closed += 1


class Source:
    """Low for ten ticks, then engaged; ``at`` maps a tick to what is done or said there."""

    arm = staticmethod(lambda: None)

    def __init__(self):
        self.ticks, self.closed, self.at = -1, 0, {}
        self.said = None

    def read(self, now_s):
        self.ticks += 1
        if self.ticks == 1:
            self.arm()  # heard at the next tick
        told = self.at.get(self.ticks)
        if callable(told):
            told()
        elif told is not None:
            self.said = told
        if self.said is not None:
            return self.said
        return intend(0.5, engage=float(self.ticks >= 10))

    def close(self):
        self.closed += 1


class Follower:
    """Always well, unless the test says otherwise."""

    def __init__(self, name, options, required, context, origin):
        self.info = FollowerInfo(name, required, loses=options.get("loses", ()))
        self.asked = (name, required, origin)
        self.context = context
        self.state, self.woken, self.closed = FollowerState.READY, 0, 0

    def wake(self):
        self.woken += 1

    def health(self):
        return FollowerHealth(self.state, clock.time.monotonic_ns(), "unplugged")

    def close(self):
        self.closed += 1


def intend(value, engage=1.0, age_s=0.004):
    return Intention(np.array([value]), engage, np.float64(age_s), correction_s=0.0)


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
        self.followers, self.daemons, self.arm_at_start = [], [], True

    @property
    def plant(self):
        return self.plants[-1]

    def write(self, **changes):
        self.file.write_text(yaml.safe_dump({**self.session, **changes}), encoding="utf-8")
        return self.file

    def daemon(self, **changes):
        made = Daemon(load_session(self.write(**changes)), self.file)
        self.daemons.append(made)
        return made

    @property
    def folder(self):
        return rundir.root() / "session"

    def make_follower(self, name, options, required, context, origin):
        self.followers.append(Follower(name, options, required, context, origin))
        if name == "control":
            self.orders = OrderWriter(context.cell("orders"))
            if self.arm_at_start:
                self.source.arm = lambda: self.orders.give(Order.ARM)
        return self.followers[-1]

    def find(self, kind, name, origin):
        self.asked.append((kind, name, origin))
        found = {"skills": baoding, "plants": self.make_plant, "sources": self.make_source}
        return {**found, "followers": self.make_follower}[kind]

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
    monkeypatch.setattr(daemon, "AWAKE_NS", 0)  # this clock stands still while it is looked at
    monkeypatch.setattr(orders, "time", made.time)
    monkeypatch.setattr(rundir, "MEMORY", tmp_path)
    monkeypatch.setattr(daemon, "version", lambda name: f"version of {name}")
    yield made
    for one in made.daemons:
        one.close()


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
    assert set(report["gate"]) == {"slew", "stopping"}, "the first rise and the end"
    assert report["wake_lateness_us"]["max"] == 0.0
    assert report["intention_age_ms"]["max"] == 4.0
    assert report["task"]["drops"] == 0
    assert report["realtime_refused"] == []


def test_without_work_there_is_nothing_to_judge(stage):
    stage.source.said = intend(0.0)
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
            stage.time.now += 210_000_000

    stage.plant.work = work
    report = made.run(seconds=2.0)
    assert report["missed_deadlines"] == 7
    assert report["tick_us"]["max"] == pytest.approx(210_000)
    assert report["wake_lateness_us"]["max"] == pytest.approx(10_000)
    assert "deadlines" not in report["gate"]
    gaps = np.diff(walls) / 1e6
    assert sorted(gaps)[:2] == [15.0, 25.0], "back on the grid, no burst"
    assert gaps.max() == 210.0


def test_interventions_are_counted(stage):
    late = intend(0.5, age_s=0.2)
    stage.source.at = {40: late, 44: intend(1e6)}
    report = stage.daemon().run(seconds=3.0)
    assert report["gate"]["intention_hold"] == 4
    assert report["gate"]["intention_invalid"] > 0
    assert report["stale_ticks"] == 4


def test_a_source_that_falls_silent_relaxes_the_hand(stage):
    stage.source.at = {40: intend(0.5, age_s=np.inf)}
    report = stage.daemon().run(seconds=3.0)
    assert report["gate"]["intention_stale"] > 0
    written = 30 + 13
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


def test_a_signal_while_everything_is_let_go_does_not_cost_the_report(stage, tmp_path):
    stage.write()
    close = Plant.close

    def impatient(plant):
        os.kill(os.getpid(), signal.SIGTERM)
        close(plant)

    report = tmp_path / "report.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plant, "close", impatient)
        run(stage.file, seconds=1.0, report=report)
    assert json.loads(report.read_text())["ticks"] >= 40


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


def test_close_lets_everything_go(stage):
    made = stage.daemon(followers=[{"use": "hand"}])
    board = BoardReader(stage.folder / "board")
    made.close()
    assert (stage.plant.closed, stage.source.closed) == (1, 1)
    assert [follower.closed for follower in stage.followers] == [1, 1]
    assert board.closed
    assert [path.name for path in stage.folder.iterdir()] == ["lock"]
    stage.daemon().close()


# --- the board --------------------------------------------------------------------------


def test_every_tick_is_on_the_board(stage):
    stage.source.at = {30: intend(0.25, age_s=0.2)}
    made = stage.daemon()
    report = made.run(seconds=1.0)
    reader = BoardReader(stage.folder / "board")
    assert reader.newest == reader.settled == report["ticks"] - 1
    records = [reader.read(number) for number in range(report["ticks"])]
    assert [int(record["number"]) for record in records] == list(range(report["ticks"]))
    assert np.diff([int(record["time_ns"]) for record in records]).tolist() == [25_000_000] * (
        report["ticks"] - 1
    )
    states = [State(int(record["state"])) for record in records]
    assert states[:2] == [State.DISARMED] * 2
    assert states[2:10] == [State.ARMING] * 8
    assert [int(record["arming"]) for record in records[:4]] == [0, 0, 1, 1]
    assert states[10:30] == [State.ACTIVE] * 20
    assert states[30:39] == [State.HOLD] * 9
    working, held = records[20], records[35]
    assert working["channels"] == 1 and working["intention"][0] == 0.5
    assert (working["engage"], working["age_s"], held["age_s"]) == (1.0, 0.004, 0.2)
    assert held["reasons"] == Reason.INTENTION_HOLD and held["intention"][0] == 0.25
    np.testing.assert_array_equal(working["excitation"], stage.plant.sent[10])
    np.testing.assert_array_equal(working["sent"], stage.plant.sent[10])
    np.testing.assert_array_equal(working["palm_rot"], stage.feedback.palm_rot)
    assert working["goals"] == 6 and working["goal"][2] == pytest.approx(np.pi / 4)
    assert working["observations"] == 63 and working["observation"][62] > 0
    assert working["policy_state"] != records[21]["policy_state"]
    assert working["policy_sha256"].decode() == report["policy"]["sha256"]
    assert working["ttl_ns"] == 100_000_000 and working["correction_s"] == 0.0
    assert working["wished"].any() and not records[5]["wished"].any()
    assert working["objects"] == 2
    np.testing.assert_array_equal(working["object_pos"], stage.feedback.object_pos)
    away = np.linalg.norm(records[20]["target_pos"] - stage.feedback.object_pos, axis=-1)
    np.testing.assert_allclose(records[21]["error_m"], away, atol=1e-12)


# --- what stands round the loop ---------------------------------------------------------


def test_run_never_arms_itself(stage):
    stage.arm_at_start = False
    report = stage.daemon().run(seconds=2.0)
    assert report["armings"] == 0 and not stage.plant.sent
    assert report["state"] == "DISARMED"


def test_followers_are_asked_for_by_name_and_woken_each_tick(stage, capsys):
    followers = [
        {"use": "hand", "name": "left", "required": True, "options": {"loses": ["the wrist"]}},
        {"use": "recorder"},
    ]
    report = stage.daemon(followers=followers).run(seconds=0.5)
    assert [follower.asked for follower in stage.followers] == [
        ("control", True, f"{stage.file}: control"),
        ("left", True, f"{stage.file}: followers.left"),
        ("recorder", False, f"{stage.file}: followers.recorder"),
    ]
    assert {follower.woken for follower in stage.followers} == {report["ticks"]}
    assert "myoloop: left: the wrist" in capsys.readouterr().err
    context = stage.followers[0].context
    assert context.session == "session" and context.rate_hz == 40.0
    assert context.board == str(stage.folder / "board")
    assert context.about["policy"]["sha256"] == report["policy"]["sha256"]
    assert context.about["safety"]["sha256"] == report["safety_sha256"]


def test_a_required_follower_that_fails_is_a_fault(stage):
    made = stage.daemon(followers=[{"use": "hand", "required": True}, {"use": "recorder"}])

    def fail():
        stage.followers[1].state = FollowerState.FAULT

    stage.source.at = {30: fail}
    report = made.run(seconds=2.0)
    assert report["state"] == "FAULT" and report["gate"]["follower"] > 0
    assert "unplugged" in report["note"]
    assert not stage.plant.sent[-1].any()


def test_another_follower_may_fail(stage):
    made = stage.daemon(followers=[{"use": "hand", "required": True}, {"use": "recorder"}])

    def fail():
        stage.followers[2].state = FollowerState.ENDED

    stage.source.at = {30: fail}
    assert "follower" not in made.run(seconds=2.0)["gate"]


def test_a_follower_that_can_not_start_lets_the_others_go(stage, monkeypatch):
    def refuse(name, *_):
        if name == "hand":
            raise SettingsError("followers.hand.port: unknown key")
        return Stage.make_follower(stage, name, *_)

    monkeypatch.setattr(stage, "make_follower", refuse)
    with pytest.raises(SettingsError):
        stage.daemon(followers=[{"use": "hand"}])
    assert [follower.closed for follower in stage.followers] == [1]
    assert (stage.plant.closed, stage.source.closed) == (1, 0)


def test_sigusr1_is_an_estop(stage):
    before = signal.getsignal(signal.SIGUSR1)
    stage.source.at = {50: lambda: os.kill(os.getpid(), signal.SIGUSR1)}
    report = stage.daemon().run(seconds=2.0)
    assert report["state"] == "FAULT" and report["gate"]["estop"] == 1
    assert stage.plant.sent[40].any() and not stage.plant.sent[41:][0].any()
    assert signal.getsignal(signal.SIGUSR1) is before


def test_an_attended_session_needs_its_client(stage):
    stage.source.at = {1: lambda: stage.orders.attend(True), 40: lambda: stage.orders.attend(False)}
    report = stage.daemon(control={"attended": True}).run(seconds=2.0)
    assert report["armings"] == 1 and report["gate"]["attendant_lost"] > 0
    assert report["state"] == "FAULT"


def test_a_session_runs_once(stage):
    made = stage.daemon()
    with pytest.raises(HostError) as caught:
        Daemon(made.session, stage.file)
    assert str(caught.value).startswith(
        f"session 'session' is already run by process {os.getpid()} ({stage.file}, since "
    )
    assert rundir.running() == ["session"] and rundir.find() == stage.folder
    made.close()
    assert rundir.running() == []
    with pytest.raises(MyoloopError, match="no session runs here"):
        rundir.find()


def swap(stage, policy, sha256=None):
    content = hashlib.sha256(policy.read_bytes()).hexdigest()
    stage.orders.swap(f"{sha256 or content} {policy}")


def test_a_swap_waits_for_a_hand_that_is_relaxed_or_held(stage, write_policy, contract):
    made = stage.daemon()
    other = write_policy(name="other.onnx", metadata={**contract, "provenance": {"a": 1}})
    held = [intend(0.5, age_s=0.2)]
    stage.source.at = {30: lambda: swap(stage, other), 60: held[0]}
    report = made.run(seconds=2.0)
    assert report["policy"]["file"] == "other.onnx"
    reader = BoardReader(stage.folder / "board")
    policies = [int(reader.read(number)["policy"]) for number in range(reader.newest + 1)]
    assert policies[:60] == [0] * 60 and policies[-1] == 1


@pytest.mark.parametrize("change", ["rate", "skill", "gone", "hash", "garbage"])
def test_a_swap_to_a_bad_file_changes_nothing(stage, write_policy, contract, change, tmp_path):
    stage.arm_at_start = False
    made = stage.daemon(rate_hz=80.0)
    changes = {"rate": {"rate_hz": 80}, "skill": {"skill": "reach"}}.get(change, {})
    other = write_policy(name="other.onnx", metadata={**contract, **changes})
    if change == "garbage":
        other.write_bytes(b"garbage")

    def order():
        swap(stage, other, "0" * 64 if change == "hash" else None)
        if change == "gone":
            other.unlink()

    stage.source.at = {5: order}
    report = made.run(seconds=1.0)
    assert report["policy"]["file"] == "policy.onnx" and report["fault"] == ""
    assert made.loop.supervisor.note.startswith("swap refused: policy ")


def test_systemd_hears_of_readiness_and_of_life(stage, tmp_path, monkeypatch):
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    stage.daemon().run(seconds=1.2)
    with heard:
        words = [heard.recv(64) for _ in range(3)]
    assert words == [b"READY=1\nWATCHDOG=1", b"WATCHDOG=1", b"WATCHDOG=1"]


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
        ("followers", "control", f"{file}: control"),
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
        f"policy {tmp_path / 'policy.onnx'}: made for 40 Hz, the session's rate_hz is 50; "
        "it must be that or a whole multiple of it"
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


def test_no_policy(stage):
    message = refused(stage, SettingsError, policy="")
    assert message == f"{stage.file}: policy: the skill 'baoding' needs one"


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
    run(stage.write(), seconds=1.0, report=tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["ticks"] > 0
    assert capsys.readouterr().out == ""
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
        run(stage.write(), seconds=2.0, report=report)
    assert "connection lost" in json.loads(report.read_text())["fault"]
    assert not stage.plant.sent[-1].any(), "the last word is rest"
    assert (stage.plant.closed, stage.source.closed) == (1, 1)
    assert rundir.running() == []


def test_what_the_system_refuses_is_said_and_reported(stage, capsys, monkeypatch):
    def refuse(pid, policy, parameters):
        if policy != os.SCHED_OTHER:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    first = stage.daemon(realtime={"priority": 10})
    report = first.run(seconds=0.5)
    first.close()
    (line,) = report["realtime_refused"]
    assert line.startswith("realtime.priority: ")
    assert capsys.readouterr().err.endswith(f"myoloop: {line}\n")
    with pytest.raises(HostError, match=r"realtime\.required"):
        stage.daemon(realtime={"priority": 10, "required": True}).run(seconds=0.5)
    assert not stage.plant.sent


def test_stopping_at_rest_does_not_touch_the_task(stage):
    stage.source.said = intend(0.5)
    daemon = stage.daemon()
    resets = stage.plant.resets
    daemon.run(seconds=1.0)
    assert stage.plant.resets == resets
