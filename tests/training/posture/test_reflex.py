from pathlib import Path

import numpy as np
import pytest
import torch

from bridges.pose_hand import PoseHand
from controller import data
from controller.policy import check_fit, load
from controller.skills import posture
from training.posture import geometry, publish
from training.posture.geometry import monomials, terms
from training.posture.hands import PoseHands
from training.posture.law import load_law
from training.posture.reflex import Reflex
from training.posture.targets import joint_range, named
from training.posture.teacher import Teacher


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
    reflex = Reflex(hands, fitted, load_law())
    with torch.inference_mode():
        found = reflex._geometry(torch.from_numpy(angle.astype(np.float32)))[1].numpy()
    error = found - arms[:, :, hands.layout.joints]
    assert np.sqrt(np.square(error).mean()) < 0.2 * fitted.spread_m


def test_a_batch_is_what_each_of_its_hands_is(fitted: geometry.Geometry) -> None:
    rng = np.random.default_rng(0)
    reflex = Reflex(PoseHands(1, "official", threads=1), fitted, load_law())
    low, high = joint_range()
    parts = [rng.uniform(low, high, (3, 23)), rng.normal(0.0, 1.0, (3, 23))]
    parts += [rng.uniform(0.0, 1.0, (3, 39)), rng.uniform(low, high, (3, 23)), np.zeros((3, 39))]
    batch = [torch.from_numpy(part.astype(np.float32)) for part in parts]
    with torch.inference_mode():
        excitation, found = reflex(*batch)
        for one in range(3):
            alone = reflex(*(part[one : one + 1] for part in batch))
            assert torch.allclose(alone[0], excitation[one : one + 1], atol=1e-4)
            assert torch.allclose(alone[1], found[one : one + 1], atol=1e-4)
    assert ((excitation >= 0.0) & (excitation <= 1.0)).all()


def test_the_file_does_what_the_teacher_does(fitted: geometry.Geometry, tmp_path: Path) -> None:
    publish.write(tmp_path / "reflex.onnx")
    policy, hands = load(tmp_path / "reflex.onnx"), PoseHands(1, "coarse", threads=1)
    check_fit(policy, posture, 50.0)
    teacher = Teacher(hands, Reflex(hands, fitted, load_law()))
    observation = posture.observation(policy.terms)
    obs = np.zeros((1, observation.size), np.float32)
    goal = posture.begin_at(named()[9:10])
    for _ in range(40):
        observation.observe(hands.feedback(), goal, obs)
        taught = teacher.excite(goal.target_rad)
        assert np.abs(policy.infer(obs[0]) - taught[0]).max() < 1e-3
        hands.step(taught)
    assert posture.distance_rad(hands.feedback(), goal)[0] < posture.SOLVED_RAD


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


def test_the_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "fit", lambda: (_ for _ in ()).throw(MemoryError("no room")))
    with pytest.raises(MemoryError):
        publish.write(tmp_path / "posture.onnx")
    assert list(tmp_path.iterdir()) == []
