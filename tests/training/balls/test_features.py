import numpy as np
import torch

from training.balls.features import SIZE, Features, contact, nearest
from training.balls.kinematics import Capsules
from training.balls.state import MADE, RADIUS, seen
from training.batch import Balls, Hands, Physics


def test_a_gap_is_between_surfaces() -> None:
    """A capsule along x, one ball above its middle and one beyond its end."""
    capsules = Capsules(torch.zeros(1, 1, 3), torch.tensor([[[0.04, 0.0, 0.0]]]))
    place = torch.tensor([[[0.02, 0.0, 0.05], [0.07, 0.0, 0.04]]])
    found = nearest(place, capsules, torch.tensor([[[0.03], [0.02]]]))
    assert torch.allclose(found.share, torch.tensor([[[0.5], [1.0]]]))
    assert torch.allclose(found.gap, torch.tensor([[[0.02], [0.03]]]), atol=1e-6)
    assert torch.allclose(found.normal[0, 0, 0], torch.tensor([0.0, 0.0, 1.0]))


def test_what_overlaps_touches_and_what_is_apart_does_not() -> None:
    touch, depth = contact(torch.tensor([-0.001, 0.004]), torch.tensor([-0.001, 0.004]))
    assert touch[0] > 0.9
    assert touch[1] < 0.1
    assert depth[0] > depth[1]


def test_features_tell_how_balls_are_made(told: Features) -> None:
    hands = Hands(2, Physics.named("coarse"), threads=1)
    friction = np.ones((2, 2, 3))
    hands.make_balls(Balls(np.full((2, 2), 0.043), np.array([[0.022] * 2, [0.024] * 2]), friction))
    state = seen(hands).requires_grad_()
    features = told(state, torch.zeros(2, 39)).features
    assert features.shape == (2, SIZE)
    assert torch.allclose(features[:, -6:-4], torch.tensor([[0.0, 0.0], [2 / 3, 2 / 3]]), atol=1e-4)
    assert not torch.allclose(features[0, 129:-6], features[1, 129:-6])  # nearer to each other
    features.sum().backward()
    assert state.grad is not None
    assert not state.grad[:, MADE].any()
    assert state.grad[:, : RADIUS.start].any()
