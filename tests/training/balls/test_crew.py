from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.balls.crew import Crew
from training.balls.learn import BallsTrainer
from training.balls.plan import BallsCurriculum
from training.balls.practice import Practice, Stretch
from training.balls.world import World
from training.batch import Hands, Physics
from training.graph import PolicyGraph


@pytest.fixture
def of_two(learner: BallsTrainer) -> Crew:
    """Two parts, of 5 and of 3 hands, of a learner that has slopes."""
    next(iter(learner.updates()))
    parts = []
    for part, count in enumerate((5, 3)):
        hands = Hands(count, Physics.named("coarse"), threads=1)
        world = World(hands, learner._stage, np.random.default_rng(part))
        parts.append(Practice(world, PolicyGraph(learner.actor), learner.critic))
    return Crew(parts, learner._learning.values())


def test_the_gradient_is_that_of_all_hands(of_two: Crew, learner: BallsTrainer) -> None:
    """Parts alone, from the same state, lead to the same gradients by their shares."""
    weights = list(learner._learning.values())
    alone = [
        Practice(
            World(
                Hands(count, Physics.named("coarse"), threads=1),
                learner._stage,
                np.random.default_rng(part),
            ),
            PolicyGraph(learner.actor),
            learner.critic,
        )
        for part, count in enumerate((5, 3))
    ]
    for practice in alone:
        practice.unit = of_two.practices[0].unit
    together = of_two.go(4, learner._slopes)
    assert not together.total.requires_grad
    stretches = [practice.go(4, learner._slopes) for practice in alone]
    total = stretches[0].total * 5 / 8 + stretches[1].total * 3 / 8
    assert together.total.item() == pytest.approx(total.item(), rel=1e-5)
    for each, expected in zip(weights, torch.autograd.grad(-total, weights), strict=True):
        assert each.grad is not None
        assert torch.allclose(each.grad, expected, rtol=1e-3, atol=1e-6)


def test_without_slopes_nothing_is_learned_from(of_two: Crew, learner: BallsTrainer) -> None:
    for each in learner._learning.values():
        each.grad = None
    stretch = of_two.go(3, None)
    assert not stretch.total.requires_grad
    assert all(each.grad is None for each in learner._learning.values())
    assert [part.shape for part in stretch.record.observation] == [(8, 108)] * 4
    assert [part.shape for part in stretch.record.goes_on] == [(8,)] * 3


def test_threads_are_left_as_they_were(of_two: Crew) -> None:
    before = torch.get_num_threads()
    of_two.go(1, None)
    assert torch.get_num_threads() == before


def test_what_a_part_meets_is_told(of_two: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("no more memory")

    monkeypatch.setattr(of_two.practices[0], "go", failing)
    other = of_two.practices[1]
    go, ended = other.go, []

    def slow(*args: Any) -> Stretch:
        stretch = go(*args)
        ended.append(stretch)
        return stretch

    monkeypatch.setattr(other, "go", slow)
    threads = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="no more memory"):
        of_two.go(5, None)
    assert ended, "no part is still at work"
    assert torch.get_num_threads() == threads


def test_another_number_of_threads_goes_on(
    gradients: BallsCurriculum, learner: BallsTrainer, tmp_path: Path
) -> None:
    next(iter(learner.updates()))
    learner._crew.practices[0].world.episodes.focus.solved[0, 1, 7] = 0.875
    learner.save("checkpoint.pt")
    two = BallsTrainer(gradients, tmp_path, threads=2)
    two.resume(learner.folder / "checkpoint.pt")
    assert [each.world.hands.count for each in two._crew.practices] == [4, 4]
    for practice in two._crew.practices:
        assert practice.world.episodes.focus.solved[0, 1, 7] == 0.875
        assert torch.equal(practice.unit, learner._crew.practices[0].unit)
    two.progress.next_evaluation = 10**9
    assert next(iter(two.updates())).problem == ""


def test_two_threads_repeat_exactly(
    gradients: BallsCurriculum, trained: Path, tmp_path: Path, same: Callable[..., bool]
) -> None:
    """Through fits, warm-ups and climbs; and what was saved by part comes back by part."""
    found = []
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
        learner = BallsTrainer(gradients, tmp_path / name, threads=2)
        learner.resume(trained / "checkpoint.pt")
        learner.progress.next_evaluation = 10**9
        assert [each.problem for each, _ in zip(learner.updates(), range(4), strict=False)] == [
            ""
        ] * 4
        found.append(learner._state())
    assert same(*found)
    learner.save("checkpoint.pt")
    resumed = BallsTrainer(gradients, tmp_path / "again", threads=2)
    resumed.resume(tmp_path / "again" / "checkpoint.pt")
    focuses = [
        [each.world.episodes.focus.solved for each in one._crew.practices]
        for one in (learner, resumed)
    ]
    assert np.array_equal(*focuses)
