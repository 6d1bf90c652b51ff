"""LSL for tests: real streams over loopback, in a session that no other run can see."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml

from bridges.control.client import Client
from bridges.control.messages import Reply, Verb
from bridges.lsl import create
from bridges.lsl_api import local_clock_s
from bridges.lsl_inlet import LslIntention
from bridges.lsl_outlet import IntentionOutlet
from controller import rundir
from controller.board import BoardReader
from controller.errors import HostError
from controller.messages import Intention
from controller.skills.baoding import CHANNELS
from controller.supervisor.states import State

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
START_S = 30.0  # of a daemon, on a machine that is busy

SENDER = """
import json, sys, time
from bridges.lsl_api import local_clock_s
from bridges.lsl_outlet import IntentionOutlet
from controller.skills.skill import Channel
options = json.loads(sys.argv[1])
channels = [Channel(label, -1.0, 1.0, "") for label in options.pop("labels")]
value, clock_s = options.pop("value"), options.pop("clock_s")
outlet = IntentionOutlet(channels, **options)
while True:
    outlet.push((value,) * len(channels), 1.0, local_clock_s() + clock_s)
    time.sleep(0.01)
"""


@pytest.fixture(scope="session")
def lsl_session() -> str:
    """One for the pytest process: liblsl takes its configuration once."""
    return f"myoloop-test-{uuid.uuid4()}"


@pytest.fixture
def source_id() -> str:
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def environment() -> dict[str, str]:
    """Of child processes."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def make_outlet(lsl_session: str, source_id: str) -> Iterator[Callable[..., IntentionOutlet]]:
    """Outlets of this process; they send only what the test pushes."""
    made: list[IntentionOutlet] = []

    def make(channels=CHANNELS, **options) -> IntentionOutlet:
        made.append(
            IntentionOutlet(channels, **{"source_id": source_id, "session": lsl_session, **options})
        )
        return made[-1]

    yield make
    for outlet in made:
        outlet.close()


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen]]:
    """Child processes that do not outlive the test, stopped ones included."""
    started: list[subprocess.Popen] = []

    def run(*command: str, **extra) -> subprocess.Popen:
        started.append(
            subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                **{"env": environment, "stdout": subprocess.PIPE, **extra},
                stderr=subprocess.STDOUT,
            )
        )
        return started[-1]

    yield run
    for process in started:
        kill(process)
        process.stdout.close()


@pytest.fixture
def start_sender(start, lsl_session: str, source_id: str) -> Callable[..., subprocess.Popen]:
    """An outlet in a process of its own, which sends one value 100 times a second.

    Its stamps can be off by ``clock_s``.
    """

    def run(value: float = 0.25, labels=("rotation",), clock_s: float = 0.0) -> subprocess.Popen:
        options = {"source_id": source_id, "session": lsl_session, "labels": labels}
        return start("-c", SENDER, json.dumps({**options, "value": value, "clock_s": clock_s}))

    return run


@pytest.fixture
def open_source(
    make_outlet, start_sender, lsl_session: str, source_id: str
) -> Iterator[Callable[..., LslIntention]]:
    """Sources of the matching stream; closed before the outlets are."""
    made: list[LslIntention] = []

    def run(**options) -> LslIntention:
        given = {"session": lsl_session, "source_id": source_id, **options}
        made.append(create(given, CHANNELS, "test.yaml: source.options"))
        return made[-1]

    yield run
    for source in made:
        source.close()


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


def read_until(source: LslIntention, wanted: Callable[[Intention], bool]) -> Intention:
    """Read at about 200 Hz until the intention is as wanted."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        intention = source.read(time.monotonic())
        if wanted(intention):
            return intention
        time.sleep(0.005)
    raise AssertionError(f"not within {PATIENCE_S} s; the last was {intention}")


@pytest.fixture(name="read_until")
def _read_until():
    return read_until


@pytest.fixture(name="kill")
def _kill():
    return kill


class Run:
    """A daemon under test, fed by the outlet of this process."""

    def __init__(self, process, outlet, name: str, report: Path) -> None:
        self.process, self.name = process, name
        self._outlet, self._report = outlet, report
        self._board = rundir.root() / name / "board"

    def feed(self, rotation: float, engage: float, until: Callable[[np.void], bool], ahead_s=0.0):
        """Send 100 samples a second until a tick of the board is as wanted."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self._outlet.push((rotation,), engage, local_clock_s() + ahead_s)
            record = self.newest()
            if record is not None and until(record):
                return record
            time.sleep(0.01)
        state = (
            "none" if record is None else f"{record['number']} {record['state']} {record['note']}"
        )
        raise AssertionError(f"not within {START_S} s; the last tick was {state}")

    def newest(self):
        with suppress(HostError):  # not there yet, or no more
            reader = BoardReader(self._board)
            return reader.read(reader.newest)
        return None

    def ask(self, verb: Verb, text: str = "", engage: float = 0.0, key: str = "") -> Reply:
        """Over the control port, while the stream goes on."""
        self.feed(0.0, engage, lambda record: record["fresh"])
        replies: list[Reply | None] = []

        def answered(_record) -> bool:
            replies.append(client.answer())
            return replies[-1] is not None

        with Client.of(self.name, key) as client:
            client.send(verb, text)
            self.feed(0.0, engage, answered)
        return replies[-1]

    def work(self) -> None:
        """Armed, then the dead-man high, until the hand works."""
        deadline = time.monotonic() + START_S
        while not (reply := self.ask("arm")).ok:
            assert time.monotonic() < deadline, reply.message
        self.feed(0.0, 1.0, self.is_in(State.ACTIVE))

    def end(self) -> dict:
        """Ask it to stop; its report."""
        self.process.send_signal(signal.SIGTERM)
        printed, _ = self.process.communicate(timeout=START_S)
        assert self.process.returncode == 0, printed
        return json.loads(self._report.read_text())

    @staticmethod
    def is_in(state: State) -> Callable[[np.void], bool]:
        return lambda record: record["state"] == state

    @staticmethod
    def at_rest(record: np.void) -> bool:
        return record["state"] == State.DISARMED and not record["excitation"].any()


@pytest.fixture
def session_file(tmp_path: Path, lsl_session: str, source_id: str) -> Callable[..., Path]:
    def write(**changes) -> Path:
        plain = yaml.safe_load((ROOT / "configs/baoding.yaml").read_text())
        plain["policy"] = str(ROOT / "policies/baoding.onnx")
        plain["safety"] = str(ROOT / "configs/safety.yaml")
        plain["name"] = source_id
        plain["source"]["options"] = {"source_id": source_id, "session": lsl_session}
        path = tmp_path / "session.yaml"
        path.write_text(yaml.safe_dump({**plain, **changes}))
        return path

    return write


@pytest.fixture
def make_run(
    start, make_outlet, session_file, source_id: str, tmp_path: Path
) -> Callable[..., Run]:
    """Starts a daemon; keywords change its session."""

    def make(**changes) -> Run:
        report = tmp_path / "report.json"
        outlet = make_outlet()
        options = ["--report", str(report)]
        process = start("-m", "controller.cli", "run", str(session_file(**changes)), *options)
        return Run(process, outlet, source_id, report)

    return make


@pytest.fixture
def run(make_run) -> Run:
    return make_run()
