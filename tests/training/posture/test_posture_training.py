from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from controller import data
from controller.errors import ContractError, SettingsError
from controller.policy import check_fit, load
from controller.skills import posture
from controller.supervisor.gate import Gate
from controller.supervisor.limits import Limits
from training.export import export
from training.learn import load_checkpoint
from training.posture.episodes import PostureEpisodes
from training.posture.graph import graph_of
from training.posture.hands import PoseHands
from training.posture.learn import PostureTrainer, cost, importance
from training.posture.pilot import Pilot, bare
from training.posture.plan import Descent, PostureCost, PostureCurriculum, PostureStarts
from training.posture.targets import intentions, named, official_range, reachable
from training.skills import load_plan

TINY = """
skill: posture
hands: 10
hidden: 8
evaluate_every: 30
evaluation_episodes: 10
stages:
  - name: all
    tasks:
      - {do: hold, to: digits, settle_s: 0.04}
      - {do: change, to: postures, segment_s: [0.06, 0.1], settle_s: 0.04}
      - {do: follow}
      - {do: hold, to: reachable, settle_s: 0.04}
      - {do: hold, to: official, settle_s: 0.04}
    starts: {focus: 0.5}
    descent: {stretch_s: 0.06}
    episode_s: 0.2
    promote: {solved: 1.0}
"""


@pytest.fixture(scope="module")
def hands() -> PoseHands:
    return PoseHands(15, "coarse", threads=1)


@pytest.fixture
def plan(tmp_path: Path) -> PostureCurriculum:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    found = load_plan(file)
    assert isinstance(found, PostureCurriculum)
    return found


@pytest.fixture
def trainer(plan: PostureCurriculum, tmp_path: Path) -> PostureTrainer:
    return PostureTrainer(plan, tmp_path, threads=1)


def updates(trainer: PostureTrainer, count: int) -> list[str]:
    """Problems of so many updates."""
    return [report.problem for _, report in zip(range(count), trainer.updates(), strict=False)]


def test_the_bare_reflex_brings_named_postures_inside_the_official_limit(hands: PoseHands) -> None:
    pilot, targets = bare(hands), named()[: hands.count]
    hands.place(np.arange(hands.count), np.zeros((hands.count, 23)))
    for _ in range(75):
        excitation = pilot.excite(targets)
        assert ((excitation >= 0.0) & (excitation <= 1.0)).all()
        hands.step(excitation)
    solved = posture.solved(hands.feedback(), posture.begin_at(targets))
    assert solved.mean() > 0.9


def test_farther_and_harder_costs_more() -> None:
    away = torch.tensor([0.0, 0.3, 0.6, 0.8, 2.0])
    costs = cost(PostureCost(), away, torch.zeros(5, 39)).tolist()
    assert costs == sorted(costs)
    assert costs[0] < 0.02
    assert cost(PostureCost(), away, torch.ones(5, 39))[0] > costs[0]


def test_a_step_counts_once_the_hand_may_have_settled(
    hands: PoseHands, plan: PostureCurriculum
) -> None:
    stage = plan.stages[0]
    tasks = [msgspec.structs.replace(task, settle_s=0.05) for task in stage.tasks]
    episodes = PostureEpisodes(hands, tasks, stage.starts, np.random.default_rng(0))
    ids = np.arange(hands.count)
    episodes.reset(ids, task=ids % 3 // 2 * 2)  # holds and, every third, follows
    found = []
    for _ in range(3):
        episodes.advance()
        found.append(importance(episodes).tolist())
    assert found[0] == pytest.approx([0.0, 0.0, 1.0] * 5)
    assert found[2] == pytest.approx([1.0] * 15)


def test_targets_stay_within_reach() -> None:
    rng = np.random.default_rng(0)
    low, high = official_range()
    assert (low <= high).all()
    values = intentions(200, rng)
    assert (values[:, -1] == 0.0).all()
    assert values[:, 0].min() == 0.0
    assert np.isfinite(posture.wanted(values)).all()
    assert reachable().shape[1] == 23


def test_tasks_draw_hold_change_and_follow(hands: PoseHands, plan: PostureCurriculum) -> None:
    stage = plan.stages[0]
    episodes = PostureEpisodes(hands, stage.tasks, stage.starts, np.random.default_rng(0))
    ids = np.arange(hands.count)
    episodes.reset(ids, task=ids % 5)
    leaps = np.zeros(hands.count)
    episodes.advance()
    before = episodes.goal.wanted_rad
    for _ in range(8):
        episodes.advance()
        leaps += (episodes.goal.wanted_rad != before).any(axis=1)
        before = episodes.goal.wanted_rad
    assert (leaps[ids % 5 == 0] == 0).all()
    assert leaps[ids % 5 == 1].sum() >= 4  # the same posture may be drawn again
    assert (leaps[ids % 5 == 2] >= 7).all()
    assert episodes.moving.tolist() == (ids % 5 == 2).tolist()


def test_it_learns(plan: PostureCurriculum, tmp_path: Path) -> None:
    """The same half second again and again costs less and less."""
    stage = msgspec.structs.replace(
        plan.stages[0],
        tasks=[msgspec.structs.replace(plan.stages[0].tasks[0], settle_s=0.3)],
        starts=PostureStarts(neutral=1.0, joint_noise_rad=0.0),
        descent=Descent(rate=0.02, stretch_s=0.5),
    )
    plan = msgspec.structs.replace(plan, stages=[stage], hidden=32, evaluate_every=10**9)
    trainer = PostureTrainer(plan, tmp_path, threads=1)
    trainer.progress.next_evaluation = 10**9
    costs = []
    for _, report in zip(range(15), trainer.updates(), strict=False):
        assert report.problem == ""
        costs.append(report.losses["cost"])
        trainer._episodes.rng = np.random.default_rng(0)
    assert costs[-1] < 0.9 * costs[1]


def test_at_a_rate_of_0_only_the_ways_are_learned(
    plan: PostureCurriculum, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.posture.trials.BATCH", 20)
    stage = msgspec.structs.replace(plan.stages[0], descent=Descent(rate=0.0, stretch_s=0.06))
    trainer = PostureTrainer(msgspec.structs.replace(plan, stages=[stage]), tmp_path, threads=1)
    before = {name: value.clone() for name, value in trainer.aim.named_parameters()}
    assert updates(trainer, 4) == [""] * 4
    changed = {
        name for name, value in trainer.aim.named_parameters() if (value != before[name]).any()
    }
    assert changed == {name for name in before if name.startswith("ways.")}


def test_it_resumes_with_all_that_it_remembers(
    trainer: PostureTrainer, plan: PostureCurriculum, tmp_path: Path
) -> None:
    assert updates(trainer, 3) == [""] * 3
    again = PostureTrainer(plan, tmp_path, threads=1)
    again.resume(tmp_path / "checkpoint.pt")
    assert again.progress == trainer.progress
    assert again.aim.layers[-1].weight.abs().max() > 0.0
    for one, other in ((again.aim, trainer.aim), (again.average, trainer.average)):
        for mine, yours in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(mine, yours)
    assert torch.equal(again.aim.ways.cost[0].weight, trainer.aim.ways.cost[0].weight)
    first, second = again._optimiser.state_dict(), trainer._optimiser.state_dict()
    assert torch.equal(first["state"][0]["momentum_buffer"], second["state"][0]["momentum_buffer"])
    assert again._episodes.rng.random() == trainer._episodes.rng.random()


def test_a_checkpoint_of_another_size_is_refused(
    trainer: PostureTrainer, plan: PostureCurriculum, tmp_path: Path
) -> None:
    updates(trainer, 1)
    other = PostureTrainer(msgspec.structs.replace(plan, hidden=16), tmp_path, threads=1)
    with pytest.raises(ContractError, match="does not fit this curriculum"):
        other.resume(tmp_path / "checkpoint.pt")


def test_a_gradient_of_nan_is_taken_back(trainer: PostureTrainer) -> None:
    before = [value.clone() for value in trainer.aim.parameters()]
    handle = trainer.aim.layers[0].weight.register_hook(lambda gradient: gradient * torch.nan)
    told = updates(trainer, 1)[0]
    handle.remove()
    assert "UPDATE 1 TAKEN BACK: the gradient of the network's 'layers.0.weight'" in told
    assert "ways" not in told  # they learn by themselves
    assert trainer.progress.discarded == 1
    for one, other in zip(trainer.aim.parameters(), before, strict=True):
        assert torch.equal(one, other)
    assert updates(trainer, 1) == [""]


def test_a_hand_that_breaks_is_told_and_starts_anew(
    trainer: PostureTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = trainer._episodes.hands
    step = hands.step

    def broken(excitation: np.ndarray) -> None:
        hands._qvel[3] = np.nan
        step(excitation)

    with monkeypatch.context() as patch:
        patch.setattr(hands, "step", broken)
        assert "1 HANDS BROKE" in updates(trainer, 1)[0]
    assert all(torch.isfinite(value).all() for value in trainer.aim.parameters())
    assert updates(trainer, 1) == [""]


def test_hands_that_learn_are_sent_what_the_gate_lets_pass(
    trainer: PostureTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands, sent = trainer._episodes.hands, [np.zeros((10, 39))]
    with torch.no_grad():
        trainer.aim.layers[-1].bias.fill_(3.0)  # it wants much at once

    def step(excitation: np.ndarray) -> None:
        sent.append(excitation)
        PoseHands.step(hands, excitation)

    monkeypatch.setattr(hands, "step", step)
    assert updates(trainer, 2) == ["", ""]
    farthest = Limits().slew_per_s * posture.CONTROL_STEP_S
    moves = np.abs(np.diff(sent[:4], axis=0))  # those of the first update
    assert len(sent) == 7
    assert moves.max() == pytest.approx(farthest, abs=1e-6)


def test_the_file_does_what_was_learned(trainer: PostureTrainer, tmp_path: Path) -> None:
    with torch.no_grad():
        trainer.average.layers[-1].weight.normal_(0.0, 0.3)
        trainer.average.ways.cost[-1].bias.copy_(torch.tensor([0.5, 0.0, 0.6, 0.6]))
    trainer.save("checkpoint.pt")
    assert export(tmp_path / "checkpoint.pt", tmp_path / "tiny.onnx") < 1e-4
    policy, one = load(tmp_path / "tiny.onnx"), PoseHands(1, "coarse", threads=1)
    check_fit(policy, posture, 50.0)
    assert policy.terms == posture.OWN_TERMS
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    pilot, plain = Pilot(one, graph_of(state, trainer.curriculum).reflex), bare(one)
    observation = posture.observation(policy.terms)
    obs = np.zeros((1, observation.size), np.float32)
    goal, differs = posture.begin_at(named()[9:10]), 0.0
    gate = Gate(Limits(), posture.CONTROL_STEP_S)
    for _ in range(40):
        observation.observe(one.feedback(), goal, obs)
        learned = pilot.excite(goal.target_rad)
        differs = max(differs, np.abs(learned - plain.excite(goal.target_rad)).max())
        gate.weigh(policy.infer(obs[0]))
        gate.take()
        assert np.abs(gate.sent - learned[0]).max() < 1e-3
        one.step(learned)
    assert differs > 0.05


def test_the_shipped_curriculum_reads_as_one() -> None:
    plan = load_plan(data.find("configs/curriculum/posture.yaml"))
    assert isinstance(plan, PostureCurriculum)
    assert [stage.tasks[0].do for stage in plan.stages] == ["hold", *["change"] * 4]


def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(TINY.replace("do: follow", "do: juggle"))
    with pytest.raises(SettingsError, match="juggle"):
        load_plan(file)
    file.write_text(TINY.replace("skill: posture", "skill: juggling"))
    with pytest.raises(SettingsError, match="skill"):
        load_plan(file)
