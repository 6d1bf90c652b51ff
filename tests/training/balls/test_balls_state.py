"""State, kinematics and muscles in torch are those of MuJoCo and of the skill."""

import mujoco
import numpy as np
import pytest
import torch

from bridges.myohand import PALM_BODY, load_model
from controller.skills import baoding
from training.balls.kinematics import CAPSULES, Kinematics
from training.balls.muscles import activate
from training.balls.state import ACTIVE, SIZE, asked, observe, seen
from training.batch import Hands, Physics
from training.curriculum import Starts, Task
from training.episodes import Episodes

COARSE = Physics.named("coarse")


@pytest.fixture(scope="module")
def hands() -> Hands:
    return Hands(6, COARSE, threads=1)


@pytest.fixture
def episodes(hands: Hands) -> Episodes:
    tasks = [Task(do="rotate", period_s=(5.0, 9.0))]
    found = Episodes(hands, tasks, Starts(on_targets=0.5), np.random.default_rng(0))
    found.reset(np.arange(hands.count))
    return found


def shake(hands: Hands, episodes: Episodes, seed: int, steps: int = 8) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        hands.step(rng.uniform(0.0, 0.5, (hands.count, 39)))
        episodes.advance()


def test_the_observation_is_the_skills(hands: Hands, episodes: Episodes) -> None:
    shake(hands, episodes, 1)
    observation = baoding.observation(baoding.OWN_TERMS)
    wanted = np.zeros((hands.count, observation.size), np.float32)
    observation.observe(hands.feedback(), episodes.goal, wanted)
    state = seen(hands)
    assert state.shape == (hands.count, SIZE)
    assert observe(state, asked(episodes)).numpy() == pytest.approx(wanted, abs=1e-5)


def test_palm_and_capsules_are_where_mujoco_has_them() -> None:
    model, kinematics = load_model(), Kinematics()
    data = mujoco.MjData(model)
    low, high = model.jnt_range[:23].T
    angle = np.random.default_rng(2).uniform(low, high)
    data.qpos[:23] = angle
    mujoco.mj_kinematics(model, data)
    told = torch.from_numpy(angle.astype(np.float32))[None]
    turn, place = kinematics.palm(told)
    palm = model.body(PALM_BODY).id
    real_turn, real_place = data.xmat[palm].reshape(3, 3), data.xpos[palm]
    assert turn[0].numpy() == pytest.approx(real_turn, abs=1e-5)
    assert place[0].numpy() == pytest.approx(real_place, abs=1e-5)
    capsules = kinematics.capsules(told)
    assert capsules.begin.shape == (1, CAPSULES, 3)
    for number, body in (
        (1, "proximal_thumb"),
        (2, "distal_thumb"),
        (4, "proxph2"),
        (18, "distph5"),
    ):
        of_body = model.geom_bodyid == model.body(body).id
        is_capsule = model.geom_type == mujoco.mjtGeom.mjGEOM_CAPSULE
        geom = int(np.flatnonzero(of_body & is_capsule & (model.geom_contype != 0))[0])
        middle = (capsules.begin[0, number] + capsules.end[0, number]).numpy() / 2
        real = (data.geom_xpos[geom] - real_place) @ real_turn
        assert middle == pytest.approx(real, abs=1e-5), body
        length = (capsules.end[0, number] - capsules.begin[0, number]).norm().item()
        assert length == pytest.approx(2 * model.geom_size[geom, 1], abs=1e-5)
        assert kinematics.radius[number].item() == pytest.approx(model.geom_size[geom, 0])


def test_activations_are_integrated_as_the_physics_does(hands: Hands, episodes: Episodes) -> None:
    shake(hands, episodes, 3)
    excitation = np.random.default_rng(4).uniform(0.0, 1.0, (hands.count, 39))
    before = seen(hands)[:, ACTIVE]
    hands.step(excitation)
    told = torch.from_numpy(excitation.astype(np.float32))
    after, mean = activate(before, told, COARSE.substeps)
    assert after.numpy() == pytest.approx(seen(hands)[:, ACTIVE].numpy(), abs=2e-3)
    low, high = torch.minimum(before, after), torch.maximum(before, after)
    assert ((mean >= low - 1e-6) & (mean <= high + 1e-6)).all()
