import mujoco
import numpy as np
import pytest
import torch

from bridges.pose_hand import load_pose_model
from training.posture.muscles import Muscles


def test_the_muscle_model_is_mujocos() -> None:
    model, rng = load_pose_model(), np.random.default_rng(0)
    ranges = model.actuator_lengthrange
    length = ranges[:, 0] + rng.uniform(-0.1, 1.3, (20, 39)) * np.diff(ranges, axis=1)[:, 0]
    speed = rng.uniform(-0.5, 0.5, (20, 39))
    gain, passive = (part.numpy() for part in Muscles(model)(_tensor(length), _tensor(speed)))
    for row in range(20):
        for one in range(39):
            about = (ranges[one], model.actuator_acc0[one])
            assert gain[row, one] == pytest.approx(
                mujoco.mju_muscleGain(
                    length[row, one], speed[row, one], *about, model.actuator_gainprm[one, :9]
                ),
                rel=1e-3,
                abs=1e-2,
            )
            assert passive[row, one] == pytest.approx(
                mujoco.mju_muscleBias(length[row, one], *about, model.actuator_biasprm[one, :9]),
                rel=1e-3,
                abs=1e-2,
            )


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
