from pathlib import Path

import pytest
import torch

from controller.errors import SettingsError
from controller.skills.posture import CONTROL_STEP_S, table
from training.posture.trials import BATCH, Trials
from training.posture.ways import ASKED, MEMORY, Way, Ways, load_ways, way_of

DETOUR = Way(by="digit_1", for_s=0.1)
STEPS = round(DETOUR.for_s / CONTROL_STEP_S)


@pytest.fixture
def ways() -> Ways:
    torch.manual_seed(1)
    return Ways([DETOUR, Way(by="power", for_s=0.1)])


def expect(ways: Ways, *costs: float) -> None:
    """Let each way cost so much from everywhere."""
    with torch.no_grad():
        ways.cost[-1].weight.zero_()
        ways.cost[-1].bias.copy_(torch.tensor(costs))


def aimed(ways: Ways, target: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, ...]:
    share = torch.zeros_like(target)
    with torch.inference_mode():
        return ways(target, share, share, memory)


def test_untried_it_goes_straight(ways: Ways) -> None:
    target, memory = torch.ones(3, 23), torch.zeros(3, MEMORY)
    for _ in range(3):
        aim, memory = aimed(ways, target, memory)
        assert torch.equal(aim, target)


def test_a_detour_that_is_worth_it_is_taken_for_its_time_once_a_leap(ways: Ways) -> None:
    expect(ways, 0.5, 0.3, 0.4)
    target, memory = torch.ones(1, 23), torch.zeros(1, MEMORY)
    by = torch.tensor(table().named("digit_1"), dtype=torch.float32)
    went = []
    for _ in range(3 * STEPS):
        aim, memory = aimed(ways, target, memory)
        went.append(torch.equal(aim[0], by))
        assert went[-1] or torch.equal(aim, target)
        target = target + 0.01  # moves, but does not leap
    assert went == [True] * STEPS + [False] * 2 * STEPS
    aim, memory = aimed(ways, target + 1.0, memory)
    assert torch.equal(aim[0], by)


def test_a_detour_has_to_save_something(ways: Ways) -> None:
    expect(ways, 0.5, 0.49, 0.6)
    assert ways.best(torch.zeros(1, ASKED)).item() == 0.0
    expect(ways, 0.5, 0.6, 0.1)
    assert ways.best(torch.zeros(1, ASKED)).item() == 2.0


def test_exploring_it_tries_every_way(ways: Ways) -> None:
    expect(ways, 0.5, 0.0, 0.6)
    ways.explore = 0.5
    _, memory = aimed(ways, torch.ones(300, 23), torch.zeros(300, MEMORY))
    counts = way_of(memory).long().flatten().bincount(minlength=3)
    assert counts[1] > counts[0] > 20
    assert counts[2] > 20


def test_what_a_way_costs_is_learned_by_where_it_leads(ways: Ways) -> None:
    """The first detour pays where the first target angle is above 0, else straight is best."""
    trials, rng = Trials(ways, 400), torch.Generator().manual_seed(3)
    everyone = torch.ones(400, dtype=torch.bool)
    for _ in range(25):
        asked = torch.rand(400, ASKED, generator=rng) * 2.0 - 1.0
        way = torch.randint(0, 3, (400,), generator=rng).float()
        trials.note(everyone[:, None], asked, way)
        pays = (way == 1.0) & (asked[:, 23] > 0.0)
        error = trials.learn(torch.where(pays, 0.2, 0.5 + 0.1 * (way > 0.0)), everyone)
    asked = torch.rand(400, ASKED, generator=rng) * 2.0 - 1.0
    clear = asked[:, 23].abs() > 0.2
    right = ways.best(asked)[:, 0] == (asked[:, 23] > 0.0).float()
    assert error < 0.01
    assert right[clear].float().mean() > 0.95


def test_few_trials_teach_nothing_and_what_does_not_count_is_not_entered(ways: Ways) -> None:
    trials = Trials(ways, 10)
    before = [value.clone() for value in ways.parameters()]
    leapt, counts = torch.ones(10, 1, dtype=torch.bool), torch.arange(10) < 2
    for _ in range(BATCH // 10):
        trials.note(leapt, torch.ones(10, ASKED), torch.zeros(10))
        assert trials.learn(torch.ones(10), counts) == 0.0
    assert all(torch.equal(*pair) for pair in zip(before, ways.parameters(), strict=True))


def test_hands_that_try_are_told_from_those_that_follow(ways: Ways) -> None:
    expect(ways, 0.5, 0.0, 0.6)
    trials = Trials(ways, 3)
    trials.note(
        torch.ones(3, 1, dtype=torch.bool), torch.zeros(3, ASKED), torch.tensor([0.0, 1, 2])
    )
    assert trials.on_policy.tolist() == [0.0, 1.0, 0.0]


def test_the_file_names_postures_and_a_wrong_key_is_named(tmp_path: Path) -> None:
    assert all(way.by in table().postures for way in load_ways())
    file = tmp_path / "ways.yaml"
    file.write_text("- {by: digit_1, during_s: 0.4}\n")
    with pytest.raises(SettingsError, match="during_s"):
        load_ways(file)
