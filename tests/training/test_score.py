from collections.abc import Callable

import msgspec
import numpy as np
import pytest
import torch
from rsl_rl.models import RNNModel
from tensordict import TensorDict

from controller.names import MUSCLES
from controller.skills import baoding
from training import score as scoring
from training.batch import Hands, Physics
from training.curriculum import Curriculum, Stage, Starts, Task
from training.explore import CorrelatedGaussian
from training.score import Score, describe, score

Tiny = Callable[..., Curriculum]
COUNT = 8


@pytest.fixture(scope="module")
def eight() -> Hands:
    return Hands(COUNT, Physics.named("coarse"), threads=1)


@pytest.fixture
def stage(tiny: Tiny) -> Stage:
    return tiny().stages[0]


@pytest.fixture
def actor() -> RNNModel:
    torch.manual_seed(0)
    size = baoding.observation(baoding.OWN_TERMS).size
    one = RNNModel(
        TensorDict({"policy": torch.zeros(1, size)}, batch_size=[1]),
        {"actor": ["policy"]},
        "actor",
        len(MUSCLES),
        hidden_dims=[8],
        obs_normalization=True,
        distribution_cfg={"class_name": CorrelatedGaussian, "sigma": 0.1, "correlation": 0.0},
        rnn_hidden_dim=8,
    )
    with torch.no_grad():
        one.mlp[-1].weight.mul_(0.5)
        one.mlp[-1].bias.fill_(-0.5)
    return one


def tracked(
    monkeypatch: pytest.MonkeyPatch, solved: list[bool], drop_at: int, hand: int = 0
) -> None:
    """Steps of every hand are solved as told; one hand drops at a step, and rises again."""
    step = -1

    def fake(hands: Hands, goal: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nonlocal step
        step += 1
        lowest = np.full(hands.count, 1.4)
        lowest[hand] = 1.2 if step == drop_at else 1.4
        distance = np.full((hands.count, 2), 0.004 if step < drop_at else 0.009)
        return distance, np.full(hands.count, solved[step]), lowest

    monkeypatch.setattr(scoring, "tracking", fake)


def test_it_repeats_exactly(actor: RNNModel, eight: Hands, stage: Stage) -> None:
    first = score(actor, eight, stage, stage.tasks)
    for _ in range(3):  # whatever happened to the hands in between
        eight.step(np.random.default_rng(0).uniform(0, 1, (COUNT, 39)))
    torch.manual_seed(99)
    assert score(actor, eight, stage, stage.tasks) == first
    assert score(actor, eight, stage, stage.tasks, seed=1) != first


def test_it_is_deterministic_whatever_the_noise(
    actor: RNNModel, eight: Hands, stage: Stage
) -> None:
    first = score(actor, eight, stage, stage.tasks)
    actor.distribution.tune(1.0, 0.9)
    actor.train()
    assert score(actor, eight, stage, stage.tasks) == first


def test_it_draws_no_random_number_of_the_training(
    actor: RNNModel, eight: Hands, stage: Stage
) -> None:
    state = torch.get_rng_state()
    score(actor, eight, stage, stage.tasks)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_actors_memory_is_as_before(actor: RNNModel, eight: Hands, stage: Stage) -> None:
    size = actor.obs_dim
    obs = TensorDict({"policy": torch.randn(3, size)}, batch_size=[3])
    with torch.inference_mode():
        actor(obs)
        kept = tuple(part.clone() for part in actor.get_hidden_state())
        score(actor, eight, stage, stage.tasks)
        found = actor.get_hidden_state()
    assert all(torch.equal(a, b) for a, b in zip(kept, found, strict=True))
    assert found[0].shape == (1, 3, 8)


def test_it_starts_every_episode_without_memory(
    actor: RNNModel, eight: Hands, stage: Stage
) -> None:
    first = score(actor, eight, stage, stage.tasks)
    obs = TensorDict({"policy": torch.full((COUNT, actor.obs_dim), 5.0)}, batch_size=[COUNT])
    with torch.inference_mode():
        actor(obs)
    assert score(actor, eight, stage, stage.tasks) == first


def test_weights_and_normaliser_are_untouched(actor: RNNModel, eight: Hands, stage: Stage) -> None:
    before = {name: value.clone() for name, value in actor.state_dict().items()}
    score(actor, eight, stage, stage.tasks)
    assert all(torch.equal(value, before[name]) for name, value in actor.state_dict().items())


def test_steps_missing_after_a_drop_count_as_unsolved(
    actor: RNNModel, eight: Hands, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = round(stage.episode_s / baoding.CONTROL_STEP_S)
    tracked(monkeypatch, [True] * steps, drop_at=4, hand=2)
    everything = score(actor, eight, stage, stage.tasks)[-1]
    assert everything.solved == pytest.approx((7 + 4 / steps) / 8)
    assert everything.survival == pytest.approx(7 / 8)
    assert everything.episodes == COUNT


def test_unsolved_steps_count_over_the_whole_length(
    actor: RNNModel, eight: Hands, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = round(stage.episode_s / baoding.CONTROL_STEP_S)
    tracked(monkeypatch, [True, True] + [False] * (steps - 2), drop_at=10**6)
    everything = score(actor, eight, stage, stage.tasks)[-1]
    assert everything.solved == pytest.approx(2 / steps)
    assert everything.survival == 1.0
    assert everything.error == pytest.approx(4.0)


def test_errors_after_a_drop_are_left_out(
    actor: RNNModel, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Hands(1, Physics.named("coarse"), threads=1)
    tracked(monkeypatch, [False] * 10, drop_at=2)
    assert score(actor, one, stage, stage.tasks)[-1].error == pytest.approx(4.0)


def test_a_drop_at_the_first_step_has_no_error(
    actor: RNNModel, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Hands(1, Physics.named("coarse"), threads=1)
    tracked(monkeypatch, [True] * 10, drop_at=0)
    row = score(actor, one, stage, stage.tasks)[-1]
    assert (row.solved, row.survival, row.error) == (0.0, 0.0, float("inf"))


def test_a_broken_hand_counts_as_a_drop(
    actor: RNNModel, eight: Hands, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, calls = eight.step, 0

    def poisoned(excitation: np.ndarray) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            eight._qvel[5, 0] = np.nan
        step(excitation)

    monkeypatch.setattr(eight, "step", poisoned)
    healthy = msgspec.structs.replace(stage, starts=Starts(on_targets=1.0))
    everything = score(actor, eight, healthy, stage.tasks)[-1]
    assert everything.survival == pytest.approx(7 / 8)
    assert np.isfinite(everything.error)


def test_a_passive_hand_is_no_success_from_the_official_start(
    actor: RNNModel, eight: Hands, stage: Stage
) -> None:
    """The real thing: a hand at rest drops the balls within a second."""
    with torch.no_grad():
        actor.mlp[-1].weight.zero_()
        actor.mlp[-1].bias.fill_(-1.0)
    official = msgspec.structs.replace(
        stage, episode_s=1.25, starts=Starts(on_targets=0.0, classic=1.0)
    )
    row = score(actor, eight, official, [Task(do="hold")])[-1]
    assert row.survival == 0.0
    assert 0.0 < row.solved < 0.5


def test_tasks_are_spread_over_the_episodes_by_their_shares(
    actor: RNNModel, eight: Hands, stage: Stage
) -> None:
    mix = [Task(do="hold", share=0.25), Task(do="rotate", share=0.75)]
    rows = score(actor, eight, stage, mix)
    assert [(row.task, row.episodes) for row in rows] == [
        ("hold", 2),
        ("rotate 20-40 s both", 6),
        ("all", 8),
    ]
    of = [(row.solved, row.survival) for row in rows]
    mean = np.average(of[:2], axis=0, weights=[2, 6])
    assert np.allclose(mean, of[2])


def test_a_task_without_an_episode_has_no_row(actor: RNNModel, eight: Hands, stage: Stage) -> None:
    rows = score(actor, eight, stage, [Task(do="hold", share=99.0), Task(do="jump")])
    assert [row.task for row in rows] == ["hold", "all"]


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (Task(do="hold"), "hold"),
        (Task(do="jump"), "jump"),
        (Task(do="rotate", period_s=(5.5, 20.0), direction="cw"), "rotate 5.5-20 s cw"),
        (Task(do="profile"), "profile 20-40 s both"),
    ],
)
def test_short_names(task: Task, name: str) -> None:
    assert describe(task) == name


def test_a_row_is_json() -> None:
    row = Score("hold", 8, 0.5, 1.0, float("inf"))
    assert msgspec.json.decode(msgspec.json.encode(row))["error"] is None
