import numpy as np
import pytest
import torch

from bridges.pose_hand import PoseHand
from controller import data
from controller.policy import check_fit, load
from controller.skills import posture
from training.posture import geometry
from training.posture.aim import Aim
from training.posture.body import Body
from training.posture.geometry import monomials, terms
from training.posture.hands import PoseHands
from training.posture.law import load_law
from training.posture.reflex import MEMORY, Reflex
from training.posture.targets import joint_range


def test_the_slopes_of_the_monomials_are_their_derivatives() -> None:
    angle = np.random.default_rng(0).uniform(0.0, 0.2, (2, 23))
    _, slopes = monomials(angle)
    assert slopes.shape == (2, len(terms()), 23)
    for joint in (0, 5, 22):
        there, back = angle.copy(), angle.copy()
        there[:, joint] += 1e-6
        back[:, joint] -= 1e-6
        differences = (monomials(there)[0] - monomials(back)[0]) / 2e-6
        assert slopes[..., joint] == pytest.approx(differences, abs=1e-6)


@pytest.fixture(scope="module")
def fitted() -> geometry.Geometry:
    found = geometry.fit()
    assert found.error_m < 0.1 * found.spread_m
    return found


def test_the_fit_knows_the_moment_arms(fitted: geometry.Geometry) -> None:
    hands = PoseHands(4, "official", threads=1)
    angle = np.random.default_rng(1).uniform(*joint_range(), (4, 23))
    hands.place(np.arange(4), angle)
    _, _, arms, _, _ = hands.muscles()
    body = Body(hands, fitted)
    with torch.inference_mode():
        found = body(torch.from_numpy(angle.astype(np.float32)))[1].numpy()
    error = found - arms[:, :, hands.layout.joints]
    assert np.sqrt(np.square(error).mean()) < 0.2 * fitted.spread_m


def test_a_batch_is_what_each_of_its_hands_is(fitted: geometry.Geometry) -> None:
    rng = np.random.default_rng(0)
    body = Body(PoseHands(1, "official", threads=1), fitted)
    reflex = Reflex(body, load_law(), Aim(8))
    low, high = joint_range()
    parts = [rng.uniform(low, high, (3, 23)), rng.normal(0.0, 1.0, (3, 23))]
    parts += [
        rng.uniform(0.0, 1.0, (3, 39)),
        rng.uniform(low, high, (3, 23)),
        np.zeros((3, MEMORY)),
    ]
    batch = [torch.from_numpy(part.astype(np.float32)) for part in parts]
    with torch.inference_mode():
        excitation, memory = reflex(*batch)
        for one in range(3):
            alone = reflex(*(part[one : one + 1] for part in batch))
            assert torch.allclose(alone[0], excitation[one : one + 1], atol=1e-4)
            assert torch.allclose(alone[1], memory[one : one + 1], atol=1e-4)
    assert ((excitation >= 0.0) & (excitation <= 1.0)).all()


def test_an_untrained_aim_changes_nothing(fitted: geometry.Geometry) -> None:
    body = Body(PoseHands(1, "official", threads=1), fitted)
    low, high = (torch.tensor(limit, dtype=torch.float32)[None] for limit in joint_range())
    silence = torch.zeros(1, 39)
    parts = (low / 2, torch.zeros(1, 23), silence, high / 2, torch.zeros(1, MEMORY))
    with torch.inference_mode():
        bare, aimed = Reflex(body, load_law())(*parts), Reflex(body, load_law(), Aim(8))(*parts)
    assert torch.equal(bare[0], aimed[0])
    assert bare[0].max() > 0.0


def test_the_shipped_policy_opens_and_closes() -> None:
    policy = load(data.find("policies/posture.onnx"))
    check_fit(policy, posture, 50.0)
    observation = posture.observation(policy.terms)
    obs = np.zeros(observation.size, np.float32)
    hand = PoseHand(50.0)
    goal = posture.begin(hand.read())
    closed = np.eye(8)[0]
    for wish in (np.zeros(8), closed):
        for _ in range(50):
            goal = posture.advance(goal, wish, 0.02)
            observation.observe(hand.read(), goal, obs)
            excitation = policy.infer(obs)
            assert ((excitation >= 0.0) & (excitation <= 1.0)).all()
            hand.write(excitation)
        assert posture.solved(hand.read(), goal), wish
