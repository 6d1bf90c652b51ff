"""LSL for tests: real streams over loopback, in a session that no other run can see."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridges.lsl import create
from bridges.lsl_inlet import LslIntention
from bridges.lsl_outlet import IntentionOutlet
from controller.messages import Intention
from controller.skills.baoding import CHANNELS

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0

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
