import mujoco
import numpy as np
import pytest

from bridges.pose_hand import PoseHand, check_pose_names, create, load_pose_model
from controller.errors import ContractError, PlantError, SettingsError
from controller.names import JOINT_RANGE_RAD, JOINTS


@pytest.fixture(scope="module")
def hand() -> PoseHand:
    return PoseHand(50.0)


def test_joints_are_in_the_shared_order(hand: PoseHand) -> None:
    angles = np.array([np.mean(JOINT_RANGE_RAD[name]) + 0.01 * i for i, name in enumerate(JOINTS)])
    hand.start_at(angles)
    hand.reset()
    assert hand.read().joint_pos == pytest.approx(angles)
    for name, angle in zip(JOINTS, angles, strict=True):
        assert hand.data.joint(f"{name}_r").qpos[0] == pytest.approx(angle)
    hand.start_at(np.zeros(23))


def test_joint_ranges_are_those_of_the_shared_names(hand: PoseHand) -> None:
    for name in JOINTS:
        assert hand.model.joint(f"{name}_r").range == pytest.approx(JOINT_RANGE_RAD[name], abs=1e-3)


def test_a_tick_is_20_ms_and_muscles_move_joints(hand: PoseHand) -> None:
    hand.reset()
    excitation = np.zeros(39, np.float32)
    excitation[10] = 0.5  # FDS3 bends the middle finger
    for _ in range(25):
        assert (hand.write(excitation) == excitation).all()
    seen = hand.read()
    assert seen.time_s == pytest.approx(0.5)
    assert seen.joint_pos[JOINTS.index("pm3_flexion")] > 0.5
    assert seen.activation[10] == pytest.approx(0.5, abs=0.05)
    assert seen.object_pos.shape == (0, 3)
    hand.reset()
    assert (hand.read().joint_pos == 0.0).all()


def test_a_rate_that_the_physics_does_not_divide_is_refused() -> None:
    with pytest.raises(PlantError, match="pose-hand: 40.3 Hz"):
        create({}, 40.3, "session.yaml: plant.options")
    with pytest.raises(SettingsError, match="palm: unknown key"):
        create({"palm": "up"}, 50.0, "session.yaml: plant.options")


def test_another_model_is_refused() -> None:
    model = load_pose_model()
    assert model.opt.timestep == 0.002
    other = mujoco.MjModel.from_xml_string("<mujoco><worldbody/></mujoco>")
    with pytest.raises(ContractError, match="muscle 0 of the model is 'missing', not 'ECRL_r'"):
        check_pose_names(other)
