"""Many hands without objects, stepped at once on native threads (``mujoco.batch``)."""

from typing import Final

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from bridges.pose_hand import PoseLayout, load_pose_model
from controller.messages import Array, Feedback
from controller.names import JOINTS, MUSCLES
from controller.skills.posture import CONTROL_STEP_S
from training.batch import broken

OFFICIAL_SUBSTEPS: Final = 10
COARSE_SUBSTEPS: Final = 3


class PoseHands:
    """A batch of hands; a control step of 20 ms is 10 Euler or, coarse, 3 implicit steps."""

    def __init__(self, count: int, physics: str, threads: int = 0) -> None:
        model = load_pose_model()
        self._substeps = OFFICIAL_SUBSTEPS
        if physics == "coarse":
            self._substeps = COARSE_SUBSTEPS
            model.opt.integrator = int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST)
        model.opt.timestep = CONTROL_STEP_S / self._substeps
        self.count, self.model = count, model
        self.layout = PoseLayout(model)
        self.range_rad: Array = model.jnt_range[self.layout.joints].T  # (2, 23)
        self.what_broke = ""
        self._batch = Batch(model, count, threads, persistent=True)
        self._qpos, self._qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self._act, self._ctrl = self._batch.bind("act"), self._batch.bind("ctrl")
        self._xpos, self._xmat = self._batch.bind("xpos"), self._batch.bind("xmat")
        self._bias = self._batch.bind("qfrc_bias")
        self._length = self._batch.bind("actuator_length")
        self._speed = self._batch.bind("actuator_velocity")
        self._moment = self._batch.bind("actuator_moment")
        self.place(np.arange(count), np.zeros((count, len(JOINTS))))
        self._find_moments()

    def _find_moments(self) -> None:
        """Where MuJoCo's sparse moment arms go in a matrix; the same for every hand."""
        counts = self._batch.bind("moment_rownnz")[0]
        starts = self._batch.bind("moment_rowadr")[0]
        columns = self._batch.bind("moment_colind")[0]
        self._rows = np.repeat(np.arange(len(MUSCLES)), counts)
        self._places = np.concatenate(
            [np.arange(start, start + n) for start, n in zip(starts, counts, strict=True)]
        )
        self._columns = columns[self._places]

    def step(self, excitation: Array) -> None:
        """One control step of 20 ms under these excitations, (count, 39)."""
        self._ctrl[:] = excitation
        self._batch.step(nstep=self._substeps, stage=mujoco.mjtStage.mjSTAGE_VEL)

    def place(self, ids: NDArray[np.intp], joint_rad: Array) -> None:
        """Put hands at rest into a posture [rad], (n, 23), within their joints' limits."""
        self._batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE)
        angles = np.clip(joint_rad, *self.range_rad)
        self._qpos[np.ix_(ids, self.layout.joints)] = angles
        self._batch.forward(ids, stage=mujoco.mjtStage.mjSTAGE_VEL)

    def feedback(self) -> Feedback:
        """The feedback of all hands, copied so that it stays as it was."""
        return self.layout.feedback(
            self._batch.bind("time").copy(),
            self._qpos,
            self._qvel,
            self._act,
            self._xpos,
            self._xmat,
        )

    def muscles(self) -> tuple[Array, Array, Array, Array, Array]:
        """What of the muscles a policy is not told.

        Returns:
            Lengths [m] and speeds [m/s] (n, 39), moment arms [m] (n, 39, 23), the joints' own
            load (gravity, centrifugal) [N m] (n, 23), all joints in the model's order, and
            their angles [rad] (n, 23).
        """
        arms = np.zeros((self.count, len(MUSCLES), len(JOINTS)))
        arms[:, self._rows, self._columns] = self._moment[:, self._places]
        return self._length, self._speed, arms, self._bias, self._qpos

    def broken(self) -> NDArray[np.bool_]:
        """Hands whose physics became non-finite or was reset by MuJoCo since the last call."""
        lost, self.what_broke = broken(self._batch, self._qpos)
        return lost
