import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bridges.devices.hand_mapping import SPEED_DEG_S, Smoother, joints_of, motors_deg
from bridges.myohand import load_model
from controller.names import JOINT_RANGE_RAD, JOINTS
from controller.skills import posture

LOW, HIGH = np.array([JOINT_RANGE_RAD[joint] for joint in JOINTS]).T
FLAT = np.zeros(23)
PALM = ("IFtip", "MFtip", "RFtip", "LFtip", "THtip")


def pose(**angles: float) -> np.ndarray:
    found = FLAT.copy()
    for joint, angle in angles.items():
        found[JOINTS.index(joint)] = angle
    return found


@pytest.fixture(scope="module")
def sites():
    """Positions of fingertips and palm of the simulated hand [m]."""
    model = load_model()
    data = mujoco.MjData(model)

    def find(joint_pos):
        mujoco.mj_resetData(model, data)
        for joint, angle in zip(JOINTS, joint_pos, strict=True):
            data.qpos[model.joint(joint).qposadr[0]] = angle
        mujoco.mj_forward(model, data)
        return {name: data.site(name).xpos.copy() for name in (*PALM, "S_grasp")}

    return find


def test_an_open_and_a_closed_hand():
    opened = motors_deg(pose(cmc_abduction=HIGH[JOINTS.index("cmc_abduction")]))
    np.testing.assert_allclose(opened, 0.0, atol=1e-9)
    fingers = {f"{j}{f}_flexion": 1.5708 for j in ("mcp", "pm", "md") for f in (2, 3, 4, 5)}
    closed = motors_deg(pose(**fingers, mp_flexion=-0.7854, ip_flexion=-1.309, cmc_abduction=-0.5))
    np.testing.assert_allclose(closed, (100, 100, 100, 100, 100, -100), atol=1e-6)


@pytest.mark.parametrize("motor, tip, finger", [(0, "IFtip", 2), (1, "MFtip", 3), (3, "LFtip", 5)])
def test_a_closing_finger_comes_to_the_palm(sites, motor, tip, finger):
    bent = pose(**{f"{joint}{finger}_flexion": 1.2 for joint in ("mcp", "pm", "md")})
    open_hand, closed = sites(FLAT), sites(bent)
    palm = open_hand["S_grasp"]
    assert np.linalg.norm(closed[tip] - palm) < np.linalg.norm(open_hand[tip] - palm)
    assert motors_deg(bent)[motor] > motors_deg(FLAT)[motor] + 50


@pytest.mark.parametrize("joint", ["mp_flexion", "ip_flexion"])
def test_a_closing_thumb_comes_to_the_little_finger(sites, joint):
    bent = pose(**{joint: LOW[JOINTS.index(joint)]})
    reach = [np.linalg.norm(sites(p)["THtip"] - sites(FLAT)["LFtip"]) for p in (FLAT, bent)]
    assert reach[1] < reach[0]
    assert motors_deg(bent)[4] > motors_deg(FLAT)[4] + 20


def test_an_opposing_thumb_comes_to_the_little_finger(sites):
    beside, opposed = (pose(cmc_abduction=angle) for angle in (0.78, -0.5))
    reach = [np.linalg.norm(sites(p)["THtip"] - sites(FLAT)["LFtip"]) for p in (beside, opposed)]
    assert reach[1] < reach[0]
    assert motors_deg(opposed)[5] == pytest.approx(-100) and motors_deg(beside)[5] == 0.0


def test_in_a_pinch_the_tips_of_thumb_and_index_meet(sites):
    asked = [float(channel.label == "pinch") for channel in posture.CHANNELS]
    at = sites(posture.wanted(np.array(asked)))
    assert np.linalg.norm(at["THtip"] - at["IFtip"]) < 0.01


@given(hnp.arrays(float, 23, elements=st.floats(-10, 10)))
def test_whatever_the_twin_does_the_motors_stay_in_their_range(joint_pos):
    found = motors_deg(joint_pos)
    assert (found[:5] >= 0).all() and (found[:5] <= 100).all() and -100 <= found[5] <= 0


@given(st.lists(hnp.arrays(float, 6, elements=st.floats(-100, 100)), min_size=1, max_size=30))
def test_no_motor_is_asked_to_be_faster_than_it_is(targets):
    smoother, before = Smoother(np.zeros(6)), np.zeros(6)
    for target in targets:
        now = smoother.step(target, 0.01)
        assert (np.abs(now - before) <= SPEED_DEG_S * 0.01 + 1e-9).all()
        before = now


def test_a_set_point_is_reached_and_trembling_is_not_followed():
    smoother = Smoother(np.zeros(6))
    for _ in range(100):
        smoother.step(np.full(6, 50.0), 0.01)
    reached = smoother.sent.copy()
    np.testing.assert_allclose(reached, 50.0, atol=0.6)
    for step in range(100):
        smoother.step(reached + (0.3 if step % 2 else -0.3), 0.01)
    np.testing.assert_array_equal(smoother.sent, reached)


@given(hnp.arrays(float, 6, elements=st.floats(0.0, 100.0)))
def test_joints_made_of_motors_give_these_motors_and_lie_in_their_range(motors):
    motors = motors * (1, 1, 1, 1, 1, -1)
    joints = joints_of(motors)
    np.testing.assert_allclose(motors_deg(joints), motors, atol=1e-9)
    assert ((joints >= LOW - 1e-9) & (joints <= HIGH + 1e-9)).all()
