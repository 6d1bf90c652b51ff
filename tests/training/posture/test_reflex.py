from pathlib import Path

import numpy as np
import pytest
import torch

from bridges.pose_hand import PoseHand
from controller import data
from controller.policy import check_fit, load
from controller.skills import posture
from training.posture import geometry, reflex
from training.posture.geometry import monomials, terms
from training.posture.hands import PoseHands
from training.posture.reflex import Reflex
from training.posture.targets import named
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


def test_the_graph_does_what_the_teacher_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "HANDS", 128)
    monkeypatch.setattr(geometry, "ROUNDS", 3)
    fitted = geometry.fit()
    assert fitted.error_m < 0.2 * fitted.spread_m
    hands = PoseHands(1, "coarse", threads=1)
    graph, teacher = Reflex(fitted, hands), Teacher(hands)
    observation = posture.observation(posture.OWN_TERMS)
    obs, state = np.zeros((1, observation.size), np.float32), torch.zeros(1, 39)
    goal = posture.begin_at(named()[9:10])
    for _ in range(40):
        observation.observe(hands.feedback(), goal, obs)
        with torch.inference_mode():
            excitation, state = graph(torch.from_numpy(obs), state)
        taught = teacher.excite(goal.target_rad)
        hands.step(excitation.numpy().astype(np.float64))
    assert np.abs(excitation.numpy() - taught).mean() < 0.05
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
    monkeypatch.setattr(reflex, "fit", lambda: (_ for _ in ()).throw(MemoryError("no room")))
    with pytest.raises(MemoryError):
        reflex.write(tmp_path / "posture.onnx")
    assert list(tmp_path.iterdir()) == []
