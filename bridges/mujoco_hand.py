"""The MuJoCo hand as a plant: one control step of the official physics per tick."""

from importlib.metadata import version
from typing import Any, Final, Protocol

import msgspec
import mujoco
import numpy as np

from bridges.myohand import Layout, Start, load_model
from controller.errors import PlantError
from controller.messages import Array, Excitation, Feedback
from controller.names import JOINTS, MUSCLES
from controller.ports import PlantInfo
from controller.settings import convert

DIVERGED: Final = slice(  # of MuJoCo's warnings: position, velocity, acceleration, control
    int(mujoco.mjtWarning.mjWARN_BADQPOS), int(mujoco.mjtWarning.mjWARN_BADCTRL) + 1
)


class HandOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A simulated hand has nothing to set."""


def create(options: dict[str, Any], rate_hz: float, origin: str) -> "MujocoHand":
    """Make the plant ``myohand`` for a session.

    Raises:
        SettingsError: an option that it does not have.
        PlantError: the physics step does not divide the tick.
    """
    convert(options, HandOptions, origin)
    return MujocoHand(rate_hz)


def versions() -> dict[str, str]:
    """Versions that a score on this hand belongs to."""
    return {name: version(name) for name in ("mujoco", "myosuite", "myo-sim")}


class HandLayout(Protocol):
    """Where a hand's quantities live in its compiled model."""

    def feedback(
        self, time_s: Array, qpos: Array, qvel: Array, act: Array, xpos: Array, xmat: Array
    ) -> Feedback:
        """Pick the feedback out of MuJoCo's arrays."""
        ...


class SimulatedHand:
    """A hand in MuJoCo as a plant; paused until the first write after a reset.

    Args:
        kind: name of the plant.
        model: the official one, its names checked.
        layout: of the model.
        start_qpos: where a reset puts it, (model.nq,).
        rate_hz: of the ticks.

    Raises:
        PlantError: the physics step does not divide the tick.
    """

    def __init__(
        self,
        kind: str,
        model: mujoco.MjModel,
        layout: HandLayout,
        start_qpos: Array,
        rate_hz: float,
    ) -> None:
        self.model = model
        steps = 1.0 / rate_hz / model.opt.timestep
        self._substeps = round(steps)
        if self._substeps < 1 or abs(steps - self._substeps) > 1e-6:
            raise PlantError(
                f"plant {kind}: {rate_hz:g} Hz is {steps:.3f} physics steps of "
                f"{model.opt.timestep * 1e3:g} ms; it must be a whole number"
            )
        self.data = data = mujoco.MjData(model)
        # Each of these attributes makes a new view whenever it is asked for; one view will do.
        self._qpos, self._qvel, self._act = data.qpos, data.qvel, data.act
        self._xpos, self._xmat, self._ctrl = data.xpos, data.xmat, data.ctrl
        self._diverged = data.warning.number[DIVERGED]
        self._layout = layout
        self.start_qpos = start_qpos
        self.info = PlantInfo(kind, MUSCLES, JOINTS, rate_hz, versions())
        self.reset()

    def reset(self) -> None:
        """Put it to ``start_qpos``, at rest."""
        mujoco.mj_resetData(self.model, self.data)
        self._qpos[:] = self.start_qpos
        mujoco.mj_step1(self.model, self.data)

    def read(self) -> Feedback:
        """The newest feedback; copies, so that it stays as it was."""
        qpos = self._qpos.copy()
        if any(self._diverged.tolist()):
            qpos[:] = np.nan  # MuJoCo has put it back to a finite state: do not believe it
        return self._layout.feedback(
            np.array(self.data.time),
            qpos,
            self._qvel.copy(),
            self._act.copy(),
            self._xpos,
            self._xmat,
        )

    def write(self, excitation: Excitation) -> Excitation:
        """Apply excitations, (39,), for one tick; then refresh what is derived.

        The tick ends with ``mj_step1``, which computes all that positions and velocities say of
        the hand, and begins with ``mj_step2``, which does the rest of that very step: together
        whole steps to the same bit, none of it done twice.
        """
        self._ctrl[:] = excitation
        mujoco.mj_step2(self.model, self.data)
        if self._substeps > 1:
            mujoco.mj_step(self.model, self.data, self._substeps - 1)
        mujoco.mj_step1(self.model, self.data)
        return excitation

    def close(self) -> None:
        """Nothing to let go."""


class MujocoHand(SimulatedHand):
    """39 muscles, 23 joints, two balls: starts as the official episodes do, palm up."""

    def __init__(self, rate_hz: float) -> None:
        model = load_model()
        self.layout = Layout(model)
        super().__init__("myohand", model, self.layout, Start.of(model).qpos, rate_hz)
