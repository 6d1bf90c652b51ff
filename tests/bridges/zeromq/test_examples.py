"""The peers in examples/, as another lab would start from them."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bridges.zeromq.plant import ZmqPlant, create

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PATIENCE_S = 10.0


def python_peer(_folder: Path) -> list[str]:
    return [sys.executable, str(EXAMPLES / "zmq_peer.py")]


def c_peer(folder: Path) -> list[str]:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: sudo apt-get install -y gcc")
    header = subprocess.run(
        [compiler, "-E", "-"], input=b"#include <zmq.h>", capture_output=True, check=False
    )
    if header.returncode:
        pytest.skip("no zmq.h: sudo apt-get install -y libzmq3-dev")
    program = folder / "zmq_peer"
    built = subprocess.run(
        [compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-o", program]
        + [EXAMPLES / "zmq_peer.c", "-lzmq", "-lm"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return [str(program)]


@pytest.fixture(params=[python_peer, c_peer])
def plant(request, tmp_path) -> Iterator[ZmqPlant]:
    ends = {name: f"ipc://{tmp_path}/{name}" for name in ("commands", "feedback")}
    peer = subprocess.Popen([*request.param(tmp_path), *ends.values()])
    plant = None
    try:
        plant = create({**ends, "wait_s": 30}, 40.0, "test")
        yield plant
    finally:
        if plant is not None:
            plant.close()
        assert peer.poll() is None  # nothing made it fall over
        peer.terminate()
        peer.wait()


def tick_until(plant: ZmqPlant, excitation, wanted: Callable[[np.ndarray], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        feedback = plant.read()
        if feedback.age_s < 0.1 and wanted(feedback.activation):
            return
        if excitation is not None:
            plant.write(excitation)
        time.sleep(0.01)
    raise AssertionError(f"not within {PATIENCE_S} s: {feedback}, rejected {plant.rejected}")


def test_a_peer_follows_stops_and_survives_garbage(plant):
    wish = np.linspace(0, 1, 39).astype(np.float32)
    plant.reset()
    tick_until(plant, wish, lambda activation: (activation.astype(np.float32) == wish).all())
    for garbage in (b"command\0", b"command\0\x9f", b"command\0" + bytes(range(256)), b"x"):
        plant._out.send(garbage)
    tick_until(plant, 0.5 * wish, lambda activation: np.allclose(activation, 0.5 * wish))
    tick_until(plant, None, lambda activation: activation.max() < 0.01)  # rest
    assert plant.rejected == {}
