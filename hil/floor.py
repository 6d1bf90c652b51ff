"""What a tick can't cost less than: bare onnxruntime calls and bare physics, on the loop's core.

python -m hil.floor JOB, a process of its own at the loop's priority; prints Floor as JSON.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from controller.clock import Grid
from controller.errors import HostError
from controller.realtime import scheduled
from controller.session import RealTimeSettings

WARM_UP: Final = 50
TIME_OUT_S: Final = 120.0


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured where."""

    realtime: RealTimeSettings
    rate_hz: float
    every: int
    """Ticks for each step of the policy: the networks are called as often as the loop asks it."""
    reference: str
    """File of the reference network."""
    policy: str
    """The policy that the loop ran."""
    excitations: str
    """(n, 39), .npy: what the hand was sent; one bare physics step for each."""
    physics: bool
    """Whether the plant was the MuJoCo hand."""


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """Durations of single calls [us]."""

    reference: list[float]
    """Bound onnxruntime call, reference network."""
    policy: list[float]
    """The same of the policy that the loop ran."""
    physics: list[float]
    """``mj_step`` for one tick; empty without physics."""


def measure(job: Job) -> Floor:
    """Run it in a process of its own.

    Raises:
        HostError: it failed, with its own words.
    """
    done = subprocess.run(
        [sys.executable, "-m", "hil.floor", msgspec.json.encode(job).decode()],
        capture_output=True,
        timeout=TIME_OUT_S,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise HostError(f"the bare calls can't be measured: {said[-1]}")
    return msgspec.json.decode(done.stdout, type=Floor)


class BareNetwork:
    """An onnxruntime session with all inputs and outputs bound, and nothing round it."""

    def __init__(self, content: bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._binding = self._session.io_binding()
        self._buffers: list[NDArray[np.float32]] = []  # bound, not owned, by onnxruntime
        for node in self._session.get_inputs():
            self._binding.bind_ortvalue_input(node.name, self._buffer(node.shape))
        for node in self._session.get_outputs():
            self._binding.bind_ortvalue_output(node.name, self._buffer(node.shape))

    def _buffer(self, shape: list[int]) -> Any:
        self._buffers.append(np.random.default_rng(0).standard_normal(shape, np.float32))
        return ort.OrtValue.ortvalue_from_numpy(self._buffers[-1])

    def call(self) -> float:
        """One call; how long it took [us]."""
        began = time.perf_counter_ns()
        self._session.run_with_iobinding(self._binding)
        return (time.perf_counter_ns() - began) / 1e3


class BarePhysics:
    """The model of the MuJoCo hand, stepped and nothing else.

    Fed with what the loop sent from its start on, it goes through the loop's states bit by bit:
    how much a step costs depends on what touches what.
    """

    def __init__(self, rate_hz: float) -> None:
        import mujoco

        from bridges.mujoco_hand import MujocoHand
        from bridges.myohand import load_model

        self._step: Any = mujoco.mj_step
        self._model = load_model()
        self._data = mujoco.MjData(self._model)
        self._data.qpos[:] = MujocoHand(rate_hz).start_qpos
        self._substeps = round(1.0 / rate_hz / self._model.opt.timestep)

    def call(self, excitation: NDArray[np.float32]) -> float:
        """The physics of one tick; how long it took [us]."""
        self._data.ctrl[:] = excitation
        began = time.perf_counter_ns()
        self._step(self._model, self._data, self._substeps)
        return (time.perf_counter_ns() - began) / 1e3


def main() -> None:
    """On the loop's own grid, and as often, so that caches are as cold as the loop finds them."""
    job = msgspec.json.decode(sys.argv[1], type=Job)
    excitations = np.load(job.excitations)
    reference = BareNetwork(Path(job.reference).read_bytes())
    policy = BareNetwork(Path(job.policy).read_bytes())
    physics = BarePhysics(job.rate_hz) if job.physics else None
    for _ in range(WARM_UP):
        reference.call()
        policy.call()
    found = Floor(reference=[], policy=[], physics=[])
    grid = Grid(job.rate_hz)
    with scheduled(job.realtime):
        grid.start()
        for number, excitation in enumerate(excitations):
            grid.wait()
            if number % job.every == 0:
                found.reference.append(reference.call())
                found.policy.append(policy.call())
            if physics:
                found.physics.append(physics.call(excitation))
    print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main()
