"""``run --record``, then ``replay`` and ``report``, as a user runs them."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bridges.control.status import followers_of
from bridges.recording.reader import read
from controller import rundir
from controller.supervisor.states import Reason, State

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "data" / "golden.mcap"


def myoloop(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "controller.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def replay(*arguments: str) -> dict:
    done = myoloop("replay", *arguments, "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def recorded(make_run, tmp_path):
    """A daemon that records, and its file."""
    path = tmp_path / "run.mcap"
    follower = {"use": "recorder", "options": {"file": str(path)}}
    return make_run(followers=[follower]), path


def test_every_command_comes_out_of_the_recording_again(recorded):
    run, path = recorded
    run.work()
    run.feed(0.2, 1.0, lambda record: record["number"] > 60)
    run.ask("estop", engage=1.0)
    run.ask("reset")
    run.work()
    run.process.send_signal(signal.SIGUSR1)
    run.feed(0.0, 1.0, run.is_in(State.FAULT))
    report = run.end()
    assert report["followers"]["recorder"] == {"state": "READY", "reason": ""}

    tape = read(path)
    assert not tape.torn and tape.gaps == 0 and len(tape.ticks) == report["ticks"]
    assert (tape.ticks["took_ns"] > 0).all()
    again = replay(str(path))
    assert again["identical"] and again["first_difference"] is None
    assert again["ticks"] == report["ticks"] and again["changed"] == {}

    done = myoloop("report", str(path))
    page = path.with_suffix(".html").read_text()
    assert done.stdout.strip() == str(path.with_suffix(".html"))
    assert f"{report['ticks']} ticks at 40 Hz" in page and page.count("<svg") == 4
    assert "e-stop" in page and report["policy"]["sha256"] in page
    assert "http://" not in page.replace("http://www.w3.org", "")  # needs no network
    assert "https://" not in page


def test_a_killed_daemon_loses_less_than_100_ms(recorded):
    run, path = recorded
    run.work()
    run.feed(0.1, 1.0, lambda record: record["number"] > 50)
    last = int(run.newest()["number"])
    run.process.kill()
    run.process.wait()
    deadline = time.monotonic() + 20
    while not path.exists() or (tape := read(path)).torn:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert tape.ticks["number"][-1] >= last - 4
    assert replay(str(path))["identical"]


def test_a_killed_recorder_leaves_whole_chunks_and_no_tick_is_held_up(recorded):
    run, path = recorded
    run.work()
    run.feed(0.1, 1.0, lambda record: record["number"] > 50)
    children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
    (pid,) = [
        int(one) for one in children if "recording" in Path(f"/proc/{one}/cmdline").read_text()
    ]
    last = int(run.newest()["number"])
    os.kill(pid, signal.SIGKILL)
    run.feed(0.1, 1.0, lambda record: record["number"] > last + 20)
    assert run.newest()["state"] == State.ACTIVE
    report = run.end()
    assert report["followers"]["recorder"]["state"] == "ENDED"
    tape = read(path)
    assert tape.torn and last - 12 <= tape.ticks["number"][-1] <= last + 2
    assert replay(str(path))["identical"]


def test_a_full_disk_stops_the_recording_and_nothing_else(recorded):
    run, path = recorded
    run.work()
    children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
    (pid,) = [
        int(one) for one in children if "recording" in Path(f"/proc/{one}/cmdline").read_text()
    ]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (path.stat().st_size + 20_000,) * 2)
    folder = rundir.root() / run.name
    run.feed(0.1, 1.0, lambda _: followers_of(folder)["recorder"]["state"] == "FAULT")
    told = followers_of(folder)["recorder"]
    assert "run.mcap" in told["reason"] and "nothing more is recorded" in told["reason"]
    run.feed(0.1, 1.0, lambda _: followers_of(folder)["recorder"]["dropped"] > 5)
    assert run.newest()["state"] == State.ACTIVE
    assert run.end()["followers"]["recorder"]["state"] == "FAULT"
    assert len(read(path).ticks) > 10


def test_nothing_is_written_over(start, session_file, tmp_path):
    path = tmp_path / "old.mcap"
    path.write_bytes(b"a year of work")
    done = myoloop("run", str(session_file()), "--record", str(path))
    assert done.returncode == 2
    assert f"{path}: File exists" in done.stderr and path.read_bytes() == b"a year of work"
    done = myoloop("run", str(session_file()), "--record", str(tmp_path / "no" / "run.mcap"))
    assert done.returncode == 2 and "No such file or directory" in done.stderr


def test_the_golden_recording_gives_its_commands():
    """Within 1e-5 on any processor: float32 rounding of another kernel, no other behaviour."""
    again = replay(str(GOLDEN))
    assert again["ticks"] > 150 and not again["notes"]
    assert max(again["largest_by_state"].values(), default=0.0) <= 1e-5
    tape = read(GOLDEN)
    assert {State.DISARMED, State.ARMING, State.ACTIVE, State.RELAXING} <= set(tape.ticks["state"])
    assert tape.ticks["excitation"].any(axis=1).sum() > 100


def test_another_policy_is_shown_to_differ(write_policy):
    other = replay(str(GOLDEN), "--policy", str(write_policy()))
    assert not other["identical"] and other["first_field"] in ("wished", "excitation")
    assert other["policy"] != other["recorded_policy"]
    assert other["largest_by_state"]["ACTIVE"] > 0.01
    done = myoloop("replay", str(GOLDEN), "--policy", str(write_policy()))
    assert done.returncode == 0 and "ticks differ, the first is tick" in done.stdout


def test_a_missing_tick_ends_the_comparison():
    from bridges.replay import comparable

    ticks = read(GOLDEN).ticks
    kept, notes = comparable(np.delete(ticks, 50))
    assert len(kept) == 50 and "missing after 49" in notes[0]
    assert Reason(int(kept["violations"][-1])) is not None
