import torch
from rsl_rl.models import RNNModel
from torch import nn

from training.balls.features import SIZE as FEATURES
from training.balls.model import Model
from training.balls.widen import widened
from training.curriculum import Noise
from training.ppo import make_actor


def actor(hidden: int) -> RNNModel:
    return make_actor({"policy": torch.zeros(1, 108)}, hidden, Noise(sigma=0.1)).eval()


def test_more_inputs_count_for_nothing_yet() -> None:
    old, new = nn.Linear(3, 2), nn.Linear(5, 2)
    new.load_state_dict(widened(old.state_dict(), new))
    seen = torch.randn(4, 5)
    assert torch.allclose(new(seen), old(seen[:, :3]))


def test_what_is_new_has_weights_of_its_own_and_moves_nothing_that_was_known() -> None:
    torch.manual_seed(0)
    old, new = actor(6), actor(10)
    fresh = {name: values.clone() for name, values in new.state_dict().items()}
    wide = widened(old.state_dict(), new)
    ih, hh = wide["rnn.rnn.weight_ih_l0"].view(4, 10, 108), wide["rnn.rnn.weight_hh_l0"]
    assert torch.equal(ih[:, :6].reshape(24, 108), old.state_dict()["rnn.rnn.weight_ih_l0"])
    assert torch.equal(ih[:, 6:], fresh["rnn.rnn.weight_ih_l0"].view(4, 10, 108)[:, 6:])
    assert not hh.view(4, 10, 10)[:, :6, 6:].any()
    assert hh.view(4, 10, 10)[:, 6:].all()
    assert not wide["mlp.2.weight"][:, 6:].any()


def test_a_narrower_network_or_another_shape_is_left_to_be_refused() -> None:
    old = nn.Linear(3, 4)
    for other in (nn.Linear(3, 2), nn.Linear(2, 5), nn.Conv1d(3, 4, 1)):
        found = widened(old.state_dict(), other)
        assert torch.equal(found["weight"], old.weight)


def test_a_wider_model_tells_the_same() -> None:
    old, new = Model(16), Model(20)
    old.mean.normal_()
    old.scale.fill_(2.0)
    new.load_state_dict(widened(old.state_dict(), new))
    features = torch.randn(5, FEATURES)
    assert torch.allclose(old.change(features), new.change(features), atol=1e-5)
    assert torch.equal(old.scale, new.scale)
