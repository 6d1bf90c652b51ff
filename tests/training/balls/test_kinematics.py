import mujoco
import numpy as np
import pytest
import torch

from bridges.myohand import PALM_BODY, load_model
from controller.messages import Array
from training.balls.kinematics import CAPSULES, LINKS, SKIN, Kinematics
from training.posture.targets import joint_range

HANDS = 8


@pytest.fixture(scope="module")
def kinematics() -> Kinematics:
    return Kinematics()


@pytest.fixture(scope="module")
def angles() -> Array:
    return np.random.default_rng(0).uniform(*joint_range(), (HANDS, 23))


def posed(angle: Array) -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = load_model()
    data = mujoco.MjData(model)
    data.qpos[:23] = angle
    mujoco.mj_kinematics(model, data)
    return model, data


def geoms(model: mujoco.MjModel) -> list[int]:
    """Of the capsules in their order."""
    found = []
    for links in LINKS:
        for name in links:
            body = model.body(name).id
            own = np.flatnonzero((model.geom_bodyid == body) & (model.geom_contype != 0))
            is_tip = model.geom_type[own] != mujoco.mjtGeom.mjGEOM_CAPSULE
            found += own[np.argsort(is_tip)].tolist()
    return found + [model.geom(name).id for name in SKIN]


def test_palm_and_capsules_are_mujocos(kinematics: Kinematics, angles: Array) -> None:
    """Fingertips among them: each capsule's middle and direction, in any posture."""
    tensor = torch.from_numpy(angles.astype(np.float32))
    turn, place = (part.numpy() for part in kinematics.palm(tensor))
    capsules = kinematics.capsules(tensor)
    middle = ((capsules.begin + capsules.end) / 2).numpy()
    axis = (capsules.end - capsules.begin).numpy()
    for hand, angle in enumerate(angles):
        model, data = posed(angle)
        palm = model.body(PALM_BODY).id
        assert np.allclose(turn[hand], data.xmat[palm].reshape(3, 3), atol=1e-5)
        assert np.allclose(place[hand], data.xpos[palm], atol=1e-6)
        which = geoms(model)
        assert len(which) == CAPSULES
        world = middle[hand] @ turn[hand].T + place[hand]
        assert np.allclose(world, data.geom_xpos[which], atol=2e-6)
        for capsule, geom in enumerate(which):
            if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_CAPSULE:
                continue
            half = data.geom_xmat[geom].reshape(3, 3)[:, 2] * model.geom_size[geom, 1]
            assert np.allclose(turn[hand] @ axis[hand, capsule], 2 * half, atol=2e-6)
            assert kinematics.radius[capsule] == pytest.approx(model.geom_size[geom, 0], rel=1e-6)


def test_gradients_are_finite_differences(kinematics: Kinematics, angles: Array) -> None:
    angle = torch.from_numpy(angles[:1].astype(np.float32)).requires_grad_()
    kinematics.capsules(angle).end[0, :, 0].sum().backward()
    assert angle.grad is not None
    joint, nudge = 8, 1e-2
    ends = []
    for sign in (1.0, -1.0):
        moved = angle.detach().clone()
        moved[0, joint] += sign * nudge
        ends.append(float(kinematics.capsules(moved).end[0, :, 0].sum()))
    assert float(angle.grad[0, joint]) == pytest.approx((ends[0] - ends[1]) / 2 / nudge, rel=1e-2)
