"""The MuJoCo hand as a plant: one control step of the official physics per tick."""

from importlib.metadata import version
from typing import Any, Final

import msgspec
import mujoco
import numpy as np

from bridges.myohand import Layout, Start, load_model
from controller.errors import PlantError
from controller.messages import Array, Excitation, Feedback
from controller.names import JOINTS, MUSCLES
from controller.ports import PlantInfo
from controller.settings import convert

DIVERGED: Final = [
    int(warning)
    for warning in (
        mujoco.mjtWarning.mjWARN_BADQPOS,
        mujoco.mjtWarning.mjWARN_BADQVEL,
        mujoco.mjtWarning.mjWARN_BADQACC,
        mujoco.mjtWarning.mjWARN_BADCTRL,
    )
]


class MujocoHandOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The simulated hand has nothing to set."""


def create(options: dict[str, Any], rate_hz: float, origin: str) -> "MujocoHand":
    """Make the plant ``myohand`` for a session.

    Raises:
        SettingsError: an option that it does not have.
        PlantError: the physics step does not divide the tick.
    """
    convert(options, MujocoHandOptions, origin)
    return MujocoHand(rate_hz)


def versions() -> dict[str, str]:
    """Versions that a score on this hand belongs to."""
    return {name: version(name) for name in ("mujoco", "myosuite", "myo-sim")}


class MujocoHand:
    """39 muscles, 23 joints, two balls; paused until the first write after a reset."""

    def __init__(self, rate_hz: float) -> None:
        self._model = load_model()
        steps = 1.0 / rate_hz / self._model.opt.timestep
        self._substeps = round(steps)
        if self._substeps < 1 or abs(steps - self._substeps) > 1e-6:
            raise PlantError(
                f"plant myohand: {rate_hz:g} Hz is {steps:.3f} physics steps of "
                f"{self._model.opt.timestep * 1e3:g} ms; it must be a whole number"
            )
        self._data = mujoco.MjData(self._model)
        # Each of these attributes makes a new view whenever it is asked for; one view will do.
        self._qpos, self._qvel, self._act = self._data.qpos, self._data.qvel, self._data.act
        self._xpos, self._xmat, self._ctrl = self._data.xpos, self._data.xmat, self._data.ctrl
        self._warnings = self._data.warning.number
        self.layout = Layout(self._model)
        self.start_qpos: Array = Start.of(self._model).qpos
        self.info = PlantInfo("myohand", MUSCLES, JOINTS, rate_hz, versions())
        self.reset()

    def reset(self) -> None:
        """Open hand, palm up, balls at ``start_qpos``."""
        mujoco.mj_resetData(self._model, self._data)
        self._qpos[:] = self.start_qpos
        mujoco.mj_forward(self._model, self._data)

    def read(self) -> Feedback:
        """The newest feedback; copies, so that it stays as it was."""
        qpos = self._qpos.copy()
        if self._diverged():
            qpos[:] = np.nan  # MuJoCo has put it back to a finite state: do not believe it
        return self.layout.feedback(
            np.array(self._data.time),
            qpos,
            self._qvel.copy(),
            self._act.copy(),
            self._xpos,
            self._xmat,
        )

    def _diverged(self) -> bool:
        """Whether MuJoCo met a state that is not finite since the last reset."""
        return bool(self._warnings[DIVERGED].any())

    def write(self, excitation: Excitation) -> Excitation:
        """Apply excitations, (39,), for one tick; then refresh what is derived.

        What of the first physics step depends on positions and velocities alone was computed by
        the ``mj_forward`` before: ``mj_step2`` does the rest of that step, to the same bit.
        """
        self._ctrl[:] = excitation
        mujoco.mj_step2(self._model, self._data)
        if self._substeps > 1:
            mujoco.mj_step(self._model, self._data, self._substeps - 1)
        mujoco.mj_forward(self._model, self._data)
        return excitation

    def close(self) -> None:
        """Nothing to let go."""
