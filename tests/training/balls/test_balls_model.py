"""The model learns the slopes of a step; the critic's returns and the optimiser do their sums."""

import numpy as np
import pytest
import torch

from training.balls.collect import collect
from training.balls.critic import Record, returns
from training.balls.features import Features
from training.balls.fit import GROUPS, Pool, fit, pool_of
from training.balls.model import LEARNED, Model, learned, whole
from training.balls.muon import Muon, orthogonal
from training.balls.plan import BallsStage, ModelFit, SmoothReward
from training.balls.reward import reward
from training.balls.state import ACTIVE, PLACE, SIZE
from training.balls.world import World
from training.batch import Hands, Physics
from training.curriculum import Promotion, Task
from training.graph import PolicyGraph
from training.learn import load_checkpoint
from training.skills import plan_of

STAGE = BallsStage(name="hold", tasks=[Task(do="hold")], promote=Promotion(solved=0.9))
SETTINGS = ModelFit(hidden=32, first_batches=150, batches=30, batch=64, pool=300, left_out=0.1)


@pytest.fixture(scope="module")
def pool() -> tuple[Features, Pool]:
    from controller import data
    from training.graph import load_actor

    torch.manual_seed(0)
    state = load_checkpoint(data.find("policies/baoding.checkpoint.pt"))
    policy = PolicyGraph(load_actor(state, plan_of(state).hidden))
    world = World(Hands(16, Physics.named("coarse"), 1), STAGE, np.random.default_rng(0))
    told = Features(Physics.named("coarse").substeps)
    return told, pool_of(told, collect(policy, world, 30))


def test_pairs_begin_nearly_alike(pool: tuple[Features, Pool]) -> None:
    features = pool[1].features.float()
    assert len(features) > 100
    apart = (features[:, 0] - features[:, 1]).abs().mean()
    others = (features[1:, 0] - features[:-1, 0]).abs().mean()
    assert 0.0 < apart < others


def test_it_learns_and_tells_how_well(pool: tuple[Features, Pool]) -> None:
    torch.manual_seed(1)
    model = Model(SETTINGS.hidden)
    losses = [fit(model, pool[1], SETTINGS, first=first) for first in (True, False)]
    assert losses[1].loss < losses[0].loss
    assert set(losses[1].slopes) == set(GROUPS)
    assert losses[1].slopes["joint angle"] > 0.0
    state, excitation = torch.zeros(2, SIZE), torch.full((2, 39), 0.1, requires_grad=True)
    state[:, PLACE] = torch.tensor([0.0, 0.05, 0.06, 0.0, 0.08, 0.06])
    after = model(pool[0], state, excitation)
    assert after.shape == state.shape
    (slope,) = torch.autograd.grad(after[:, ACTIVE].sum(), excitation)
    assert (slope > 0.0).all()


def test_the_newest_pairs_are_kept(pool: tuple[Features, Pool]) -> None:
    known = pool[1]
    both = known.joined(Pool(*(part[:7] + 1.0 for part in known)), 20)
    assert len(both.change) == 20
    assert torch.equal(both.change[-7:], known.change[:7] + 1.0)


def test_parts_of_a_state_are_put_together_again() -> None:
    state = torch.randn(3, SIZE)
    assert learned(state).shape == (3, LEARNED)
    assert torch.equal(whole(learned(state), state[:, ACTIVE]), state)


def test_nearer_balls_are_worth_more_at_any_distance() -> None:
    state, targets = torch.zeros(6, SIZE), torch.zeros(6, 6)
    state[:, PLACE.start] = torch.tensor([0.0, 0.005, 0.012, 0.018, 0.03, 0.06])
    gains = reward(SmoothReward(), state, targets).tolist()
    assert gains == sorted(gains, reverse=True)
    assert len(set(gains)) == 6


def test_returns_stop_at_a_drop_and_go_on_by_value_at_the_end_of_time() -> None:
    record = Record(
        gain=[torch.ones(3)] * 2,
        kept=[torch.tensor([True, False, True]), torch.ones(3, dtype=torch.bool)],
        goes_on=[torch.tensor([True, False, False]), torch.ones(3, dtype=torch.bool)],
    )
    values = torch.tensor([[2.0] * 3, [3.0] * 3, [4.0] * 3])
    found = returns(values, record, gamma=0.5, lam=1.0)
    assert found[1].tolist() == [3.0, 3.0, 3.0]
    assert found[0].tolist() == [2.5, 1.0, 2.0]


def test_an_update_is_of_one_size_in_every_direction() -> None:
    torch.manual_seed(2)
    matrix = torch.randn(20, 8) @ torch.diag(torch.logspace(0, -2, 8))
    sizes = torch.linalg.svdvals(orthogonal(matrix))
    assert sizes.min() > 0.5
    assert sizes.max() < 1.3
    weights = torch.nn.Parameter(torch.zeros(5))
    climber = Muon([weights], lr=0.1)
    weights.grad = torch.tensor([0.0, 3.0, 0.0, 4.0, 0.0])
    climber.step()
    assert weights.tolist() == pytest.approx([0.0, -0.06, 0.0, -0.08, 0.0])
