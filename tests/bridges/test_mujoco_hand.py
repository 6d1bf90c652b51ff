from pathlib import Path

import mujoco
import numpy as np
import pytest

from bridges import myohand
from bridges.mujoco_hand import DIVERGED, MujocoHand, create, versions
from bridges.myohand import Layout, Start, check_names, load_model
from controller.errors import ContractError, PlantError, SettingsError
from controller.names import JOINTS, MUSCLES
from controller.skills import baoding

RATE_HZ = 40.0


@pytest.fixture
def hand() -> MujocoHand:
    return MujocoHand(RATE_HZ)


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return load_model()


@pytest.fixture(scope="module")
def fresh_spec() -> mujoco.MjSpec:
    """The scene's specification, free to be changed."""
    return myohand._built()[1].copy()


def test_names_are_those_of_the_compiled_model(model: mujoco.MjModel) -> None:
    assert tuple(model.actuator(i).name for i in range(model.nu)) == MUSCLES
    free = [model.joint(i).name for i in range(model.njnt)][len(JOINTS) :]
    assert tuple(model.joint(i).name for i in range(len(JOINTS))) == JOINTS
    assert len(free) == 2  # nothing but the two balls' free joints is left
    assert (model.jnt_type[len(JOINTS) :] == mujoco.mjtJoint.mjJNT_FREE).all()
    assert (model.jnt_type[: len(JOINTS)] == mujoco.mjtJoint.mjJNT_HINGE).all()


def test_every_actuator_is_a_muscle_of_range_0_to_1(model: mujoco.MjModel) -> None:
    assert (model.actuator_dyntype == mujoco.mjtDyn.mjDYN_MUSCLE).all()
    assert np.array_equal(model.actuator_ctrlrange, [[0.0, 1.0]] * len(MUSCLES))
    assert model.na == len(MUSCLES)


def test_the_palm_body_carries_the_official_target_sites(model: mujoco.MjModel) -> None:
    for site in ("target1_site", "target2_site"):
        assert model.body(model.site(site).bodyid[0]).name == myohand.PALM_BODY


def test_the_balls_turn_in_the_plane_of_the_target_sites(model: mujoco.MjModel) -> None:
    for site in ("target1_site", "target2_site"):
        assert model.site(site).pos[2] == baoding.ORBIT_CENTRE_M[2]


def test_a_balls_body_is_where_the_official_task_measures_it(model: mujoco.MjModel) -> None:
    for ball in myohand.BALLS:
        site = model.site(f"{ball}_site")
        assert model.body(site.bodyid[0]).name == ball
        assert np.array_equal(site.pos, np.zeros(3))


def test_a_control_step_is_ten_physics_steps(model: mujoco.MjModel) -> None:
    assert model.opt.timestep * 10 == pytest.approx(baoding.CONTROL_STEP_S, rel=1e-12)


def test_the_layout_finds_the_balls_degrees_of_freedom(model: mujoco.MjModel) -> None:
    layout = Layout(model)
    for index, ball in enumerate(myohand.BALLS):
        joint = model.joint(model.body(ball).jntadr[0])
        assert layout.ball_qpos[index] == joint.qposadr[0]
        assert layout.ball_linear[index].tolist() == list(
            range(joint.dofadr[0], joint.dofadr[0] + 3)
        )
        assert (layout.ball_angular[index] == layout.ball_linear[index] + 3).all()
        assert model.geom_bodyid[layout.ball_geoms[index]] == layout.balls[index]


def test_a_loaded_model_is_a_copy(model: mujoco.MjModel) -> None:
    other = load_model()
    other.opt.timestep = 1.0
    assert model.opt.timestep != 1.0
    assert load_model().opt.timestep != 1.0


@pytest.mark.parametrize("kind", ["muscle", "joint"])
def test_a_renamed_part_is_refused_and_named(fresh_spec: mujoco.MjSpec, kind: str) -> None:
    spec = fresh_spec.copy()
    if kind == "muscle":
        found, name = spec.actuator("FDS3"), "FDS3"
    else:
        found, name = spec.joint("md4_flexion"), "md4_flexion"
    found.name = "renamed"
    order = (MUSCLES if kind == "muscle" else JOINTS).index(name)
    with pytest.raises(
        ContractError, match=f"^{kind} {order} of the model is 'renamed', not '{name}'$"
    ):
        check_names(spec.compile())


def test_a_missing_muscle_is_refused(fresh_spec: mujoco.MjSpec) -> None:
    spec = fresh_spec.copy()
    spec.delete(spec.actuator("OP"))
    with pytest.raises(ContractError, match="the model has 38 muscles, myoloop has 39"):
        check_names(spec.compile())


def test_a_model_without_the_hand_is_refused() -> None:
    muscles = "".join(f'<general name="{name}" joint="one"/>' for name in MUSCLES)
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><body><joint name="one"/><geom size="1"/></body></worldbody>'
        f"<actuator>{muscles}</actuator></mujoco>"
    )
    with pytest.raises(ContractError, match="the model has 1 joints, myoloop has 23"):
        check_names(model)


@pytest.mark.parametrize("rate_hz", [40.0, 200.0, 400.0, 20.0])
def test_a_rate_of_whole_physics_steps_is_taken(rate_hz: float) -> None:
    hand = MujocoHand(rate_hz)
    hand.write(np.zeros(39, np.float32))
    assert hand.read().time_s == pytest.approx(1.0 / rate_hz, rel=1e-9)
    assert hand.info.rate_hz == rate_hz


@pytest.mark.parametrize("rate_hz", [60.0, 41.0, 1000.0, 399.0])
def test_a_rate_that_does_not_divide_physics_is_refused(rate_hz: float) -> None:
    with pytest.raises(PlantError, match=f"{rate_hz:g} Hz is .* physics steps of 2.5 ms"):
        MujocoHand(rate_hz)


def test_an_unknown_option_is_refused_with_its_origin() -> None:
    with pytest.raises(SettingsError, match=r"^a\.yaml: plant\.options: wobble: unknown key"):
        create({"wobble": 1}, RATE_HZ, "a.yaml: plant.options")


def test_the_handshake() -> None:
    info = create({}, RATE_HZ, "here").info
    assert (info.kind, info.muscles, info.joints) == ("myohand", MUSCLES, JOINTS)
    assert info.versions == versions()
    assert set(info.versions) == {"mujoco", "myosuite", "myo-sim"}


def test_it_starts_with_an_open_hand_palm_up_and_resting_muscles(hand: MujocoHand) -> None:
    feedback = hand.read()
    assert feedback.joint_pos[0] == myohand.PALM_UP_RAD
    assert not feedback.joint_pos[1:].any()
    assert not feedback.joint_vel.any()
    assert not feedback.activation.any()
    assert not feedback.object_vel.any()
    assert (feedback.object_pos[:, 2] > baoding.DROP_HEIGHT_M).all()


def test_the_balls_lie_near_the_classic_start(hand: MujocoHand) -> None:
    goal = baoding.begin_at(baoding.START_ANGLE_CLASSIC_RAD)
    assert (baoding.errors_m(hand.read(), goal) < baoding.SOLVED_DISTANCE_M).all()


def test_it_is_paused_until_the_first_write(hand: MujocoHand) -> None:
    before = hand.read()
    after = hand.read()
    assert before.time_s == after.time_s == 0.0
    assert np.array_equal(before.joint_pos, after.joint_pos)


def test_reset_puts_the_task_back_to_its_start(hand: MujocoHand) -> None:
    start = hand.read()
    for _ in range(4):
        hand.write(np.full(39, 0.5, np.float32))
    hand.reset()
    again = hand.read()
    for name in ("time_s", "joint_pos", "joint_vel", "activation", "object_pos", "object_vel"):
        assert np.array_equal(getattr(start, name), getattr(again, name)), name


def test_one_write_is_one_control_step_of_plain_mujoco(hand: MujocoHand) -> None:
    model = load_model()
    data = mujoco.MjData(model)
    data.qpos[:] = Start.of(model).qpos
    rng = np.random.default_rng(0)
    for step in range(1, 6):
        excitation = rng.uniform(0.0, 1.0, 39).astype(np.float32)
        hand.write(excitation)
        data.ctrl[:] = excitation
        for _ in range(10):
            mujoco.mj_step(model, data)
        feedback = hand.read()
        assert feedback.time_s == pytest.approx(step * baoding.CONTROL_STEP_S, rel=1e-12)
        assert np.array_equal(feedback.joint_pos, data.qpos[:23])
        assert np.array_equal(feedback.joint_vel, data.qvel[:23])
        assert np.array_equal(feedback.activation, data.act)


def test_derived_quantities_belong_to_the_state_after_the_write(hand: MujocoHand) -> None:
    model = load_model()
    layout, data = Layout(model), mujoco.MjData(model)
    for _ in range(3):
        hand.write(np.full(39, 0.6, np.float32))
    data.qpos[:], data.qvel[:] = hand.data.qpos, hand.data.qvel
    mujoco.mj_kinematics(model, data)
    feedback = hand.read()
    assert np.array_equal(feedback.palm_pos, data.xpos[layout.palm])
    assert np.array_equal(feedback.palm_rot.ravel(), data.xmat[layout.palm])
    assert np.array_equal(feedback.object_pos, data.xpos[layout.balls])
    for index, address in enumerate(layout.ball_qpos):
        assert np.allclose(feedback.object_pos[index], data.qpos[address : address + 3], atol=1e-12)


def test_ball_velocity_is_linear_and_in_the_world(hand: MujocoHand) -> None:
    for _ in range(4):  # long enough to fall, too short to land
        hand.write(np.zeros(39, np.float32))
    before = hand.read()
    hand.write(np.zeros(39, np.float32))
    after = hand.read()
    mean = (after.object_pos - before.object_pos) / baoding.CONTROL_STEP_S
    between = (after.object_vel + before.object_vel) / 2
    assert np.allclose(mean, between, atol=0.05)


def test_feedback_stays_as_it_was_when_the_hand_moves_on(hand: MujocoHand) -> None:
    feedback = hand.read()
    names = ("time_s", "joint_pos", "joint_vel", "activation", "palm_pos", "palm_rot")
    names += ("object_pos", "object_vel")
    kept = {name: np.array(getattr(feedback, name)) for name in names}
    for _ in range(3):
        hand.write(np.full(39, 0.4, np.float32))
    for name in names:
        assert np.array_equal(getattr(feedback, name), kept[name]), name


def test_the_scene_is_found_without_a_display_or_a_writable_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.chdir(tmp_path)
    MujocoHand(RATE_HZ).write(np.zeros(39, np.float32))
    assert list(tmp_path.iterdir()) == []


def test_the_official_map_from_action_to_excitation() -> None:
    from myosuite.terms.base_action import sigmoid_muscle_activation

    action = np.linspace(-1, 1, 41)
    ours = myohand.to_excitation(action)
    assert np.allclose(ours, sigmoid_muscle_activation(action, np), atol=1e-15)
    assert np.array_equal(myohand.to_excitation(np.array([-7.0, 7.0])), ours[[0, -1]])


def test_the_warnings_that_are_looked_at_are_those_of_a_state_that_is_not_finite() -> None:
    seen = [mujoco.mjtWarning(number).name for number in range(*DIVERGED.indices(100))]
    assert seen == [f"mjWARN_BAD{what}" for what in ("QPOS", "QVEL", "QACC", "CTRL")]


@pytest.mark.parametrize("rate_hz", [40.0, 200.0, 400.0])
def test_no_physics_is_done_twice_and_none_is_missing(rate_hz: float) -> None:
    """Split steps go the way of whole ones, to the bit, warm starts of the solver included."""
    hand, rng = MujocoHand(rate_hz), np.random.default_rng(0)
    data = mujoco.MjData(hand.model)
    data.qpos[:] = hand.start_qpos
    for _ in range(round(rate_hz)):  # a second: the balls land and roll
        data.ctrl[:] = rng.uniform(0.0, 0.5, 39).astype(np.float32)
        hand.write(data.ctrl.astype(np.float32))
        mujoco.mj_step(hand.model, data, round(400.0 / rate_hz))
    assert np.array_equal(hand.data.qpos, data.qpos)
    assert np.array_equal(hand.data.qvel, data.qvel)


def test_a_diverged_hand_is_not_believed_until_it_is_reset() -> None:
    """MuJoCo puts a diverged state back to a finite one: the gate must not take it for real."""
    hand = MujocoHand(40.0)
    hand.write(np.full(39, np.nan, np.float32))
    assert not np.isfinite(hand.read().joint_pos).any()
    hand.reset()
    assert np.isfinite(hand.read().joint_pos).all()
