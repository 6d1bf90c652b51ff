import msgspec
import pytest
import torch

from training.balls.features import SIZE as FEATURES
from training.balls.features import Features
from training.balls.fit import GROUPS, Pool, Transitions, fit, pool_of
from training.balls.model import Model
from training.balls.plan import ModelFit
from training.balls.state import SIZE

QUICK = ModelFit(hidden=32, first_batches=150, batches=20, batch=64, left_out=0.2)


@pytest.fixture(scope="module")
def pool(told: Features, transitions: Transitions) -> Pool:
    return pool_of(told, transitions)


def test_twins_part_but_not_far(transitions: Transitions) -> None:
    state = transitions.state
    assert len(state) > 100
    assert state.shape[1:] == (2, SIZE)
    apart = (state[:, 0] - state[:, 1]).norm(dim=1)
    strangers = (state[:, 0] - state[:, 1].roll(1, 0)).norm(dim=1)
    assert 0.0 < apart.median() < 0.5 * strangers.median()
    assert all(torch.isfinite(part).all() for part in transitions)
    assert transitions.excitation.min() >= 0.0
    assert transitions.excitation.max() <= 1.0


def test_features_are_finite_and_have_slopes(told: Features, transitions: Transitions) -> None:
    state = transitions.state[:16, 0].clone().requires_grad_()
    excitation = transitions.excitation[:16, 0].clone().requires_grad_()
    features, base, active = told(state, excitation)
    assert features.shape == (16, FEATURES)
    (features.sum() + base.sum() + active.sum()).backward()
    for given in (state, excitation):
        assert given.grad is not None
        assert torch.isfinite(given.grad).all()
        assert given.grad.any()


def test_the_model_learns(pool: Pool) -> None:
    torch.manual_seed(0)
    model = Model(32)
    before = fit(model, pool, msgspec.structs.replace(QUICK, first_batches=1), first=True)
    after = fit(model, pool, QUICK, first=True)
    assert after.loss < 0.85 * before.loss
    assert after.slopes.keys() == GROUPS.keys()
    assert after.slopes["ball place"] > before.slopes["ball place"]


def test_the_units_stay_after_the_first_fit(pool: Pool) -> None:
    torch.manual_seed(0)
    model = Model(32)
    fit(model, pool, QUICK, first=True)
    kept = {name: value.clone() for name, value in model.named_buffers()}
    fit(model, Pool(*(2.0 * part for part in pool)), QUICK, first=False)
    assert all(torch.equal(kept[name], value) for name, value in model.named_buffers())
