import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from controller.errors import ContractError
from training.balls.learn import CRITIC_FIRST, WARM_UP, BallsTrainer
from training.balls.plan import BallsCurriculum
from training.graph import PolicyGraph
from training.learn import load_checkpoint


def updates(trainer: BallsTrainer, count: int) -> list[str]:
    """Problems of so many updates."""
    return [report.problem for _, report in zip(range(count), trainer.updates(), strict=False)]


def told_of_nan(learner: BallsTrainer, weights: torch.Tensor) -> str:
    """The problem of an update in which the gradient of these weights is lost."""
    handle = weights.register_hook(lambda gradient: gradient * torch.nan)
    (told,) = updates(learner, 1)
    handle.remove()
    return told


def again(learner: BallsTrainer, folder: Path) -> BallsTrainer:
    """Another one that resumed its checkpoint."""
    found = BallsTrainer(learner.curriculum, folder, threads=1)
    found.resume(learner.folder / "checkpoint.pt")
    return found


# --- learning --------------------------------------------------------------------------


def test_it_begins_with_what_ppo_learned(
    learner: BallsTrainer, trained: Path, same: Callable[..., bool]
) -> None:
    state = load_checkpoint(trained / "checkpoint.pt")
    assert same(dict(learner.actor.state_dict()), dict(state["actor_state_dict"]))
    assert same(dict(learner.average.state_dict()), dict(state["average_state_dict"]))
    known = state["critic_state_dict"]
    first = learner.critic.mlp[0].weight
    assert torch.equal(first[:, :-6], known["mlp.0.weight"])
    assert not first[:, -6:].any()  # what PPO's was not told counts for nothing yet
    assert torch.equal(learner.critic.mlp[2].weight, known["mlp.2.weight"])
    progress = learner.progress
    assert progress.steps == state["progress"]["steps"]
    assert (progress.stage, progress.stage_steps, progress.best) == (0, 0, -1.0)


def test_an_update_fits_the_model_and_moves_all_that_learns(learner: BallsTrainer) -> None:
    before = copy.deepcopy(learner._state())
    steps = learner.progress.steps
    reports = [report for _, report in zip(range(2), learner.updates(), strict=False)]
    assert [report.problem for report in reports] == ["", ""]
    # 12 steps of 4 pairs, the warm-up, the critic's and two stretches of 4 steps, of 8 hands each
    assert learner.progress.steps == steps + 8 * (12 + WARM_UP + (CRITIC_FIRST + 2) * 4)
    after = learner._state()
    for network in ("actor", "average", "critic", "model"):
        for name, value in after[f"{network}_state_dict"].items():
            assert torch.isfinite(value).all(), name
            learns = name.startswith(("mlp", "rnn"))
            if network not in ("model", "average"):  # what lags differs all over
                assert learns != torch.equal(value, before[f"{network}_state_dict"][name]), name
    assert {"model", "slopes of ball place"} <= reports[0].losses.keys()
    assert reports[1].losses.keys() == {"objective", "value", "value explained"}
    assert 0.0 <= reports[1].solved <= 1.0
    assert learner._since_fit == 2


def test_the_model_is_fitted_again_and_keeps_the_newest(learner: BallsTrainer) -> None:
    fits = [
        "model" in report.losses for _, report in zip(range(7), learner.updates(), strict=False)
    ]
    assert fits == [True, False, False, True, False, False, True]
    assert learner._pool is not None
    assert len(learner._pool.change) <= 60


def test_what_is_climbed_rises(learner: BallsTrainer) -> None:
    """The same stretch again, from the same state, after each of some updates of it."""
    assert updates(learner, 1) == [""]
    (practice,) = learner._crew.practices
    learner._retune()
    kept = copy.deepcopy(practice.world.hands.states())
    episodes, rng = practice.world.episodes, np.random.default_rng(0)
    goal, totals = episodes.goal, []
    practice.world._longest = 10**9
    for _ in range(12):
        practice.world.hands._batch.state[:] = kept
        practice.world.hands._batch.forward(np.arange(8))
        practice._memory[:] = [*practice._policy.rest(8), torch.zeros(1, 8, 39)]
        episodes.goal, episodes.rng = copy.deepcopy(goal), rng
        stretch = learner._crew.go(4, learner._slopes)
        assert not stretch.drops
        totals.append(stretch.total.item())
        assert learner._climb(stretch.total) == ""
    assert totals[-1] > totals[0]


def test_the_rate_follows_the_steps_of_the_stage(
    gradients: BallsCurriculum, trained: Path, tmp_path: Path
) -> None:
    ascent = msgspec.structs.replace(
        gradients.stages[0].ascent, rate=1e-3, fade_to=1e-5, fade_steps=4000
    )
    stage = msgspec.structs.replace(gradients.stages[0], ascent=ascent)
    plan = msgspec.structs.replace(gradients, stages=[stage])
    learner = BallsTrainer(plan, tmp_path, threads=1)
    learner.resume(trained / "checkpoint.pt")
    learner.progress.next_evaluation = 10**9
    assert updates(learner, 1) == [""]
    for _ in range(3):
        expected = ascent.rate_at(learner.progress.stage_steps)
        assert updates(learner, 1) == [""]
        assert learner._settings() == {"learning_rate": expected}
        assert 1e-5 < expected < 1e-3


def test_a_stretch_goes_where_mujoco_does(learner: BallsTrainer) -> None:
    """Slopes do not change the path."""
    assert updates(learner, 1) == [""]
    (practice,) = learner._crew.practices
    with_slopes = practice.go(3, learner._slopes)
    last = with_slopes.record.observation[-1]
    assert with_slopes.total.requires_grad
    assert torch.allclose(last[:, :23], practice.world.state()[:, :23], atol=1e-6)


# --- what is not finite ----------------------------------------------------------------


def test_a_gradient_of_nan_is_taken_back(learner: BallsTrainer, same: Callable[..., bool]) -> None:
    assert updates(learner, 1) == [""]
    before = copy.deepcopy(learner.actor.state_dict())
    told = told_of_nan(learner, learner.actor.mlp[0].weight)
    assert "TAKEN BACK: the gradient of the actor's 'mlp.0.weight' is not finite" in told
    assert learner.progress.discarded == 1
    assert same(dict(before), dict(learner.actor.state_dict()))
    assert updates(learner, 1) == [""]


def test_slopes_of_nan_are_taken_back_and_forgotten(
    learner: BallsTrainer, same: Callable[..., bool]
) -> None:
    assert updates(learner, 1) == [""]
    before = copy.deepcopy(learner._state())
    kept = learner.model.shift.clone()
    learner.model.shift.fill_(torch.nan)
    assert "TAKEN BACK: the objective is not finite" in updates(learner, 1)[0]
    learner.model.shift.copy_(kept)
    for key in ("actor_state_dict", "critic_state_dict", "climber_state_dict"):
        assert same(dict(before[key]), dict(learner._state()[key]))
    assert updates(learner, 1) == [""]


def test_a_critic_of_nan_is_taken_back(learner: BallsTrainer, same: Callable[..., bool]) -> None:
    assert updates(learner, 1) == [""]
    before = copy.deepcopy(learner.critic.state_dict())
    told = told_of_nan(learner, learner.critic.mlp[0].weight.requires_grad_(True))
    assert "TAKEN BACK: the critic is not finite" in told
    assert same(dict(before), dict(learner.critic.state_dict()))
    assert updates(learner, 1) == [""]


def test_what_goes_wrong_while_only_the_critic_learns_is_told(
    learner: BallsTrainer, same: Callable[..., bool]
) -> None:
    before = copy.deepcopy(learner.critic.state_dict())
    told = told_of_nan(learner, learner.critic.mlp[0].weight.requires_grad_(True))
    assert told.count("TAKEN BACK: the critic is not finite") == CRITIC_FIRST + 1
    assert same(dict(before), dict(learner.critic.state_dict()))


def test_only_the_critic_learns_at_first(
    learner: BallsTrainer, same: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    followed, actors = [], []
    follow = learner._follow_with_critic

    def noted(*args: Any) -> str:
        followed.append(1)
        actors.append(copy.deepcopy(dict(learner.actor.state_dict())))
        return follow(*args)

    monkeypatch.setattr(learner, "_follow_with_critic", noted)
    assert updates(learner, 1) == [""]
    assert len(followed) == CRITIC_FIRST + 1
    assert all(same(actors[0], one) for one in actors[:CRITIC_FIRST])
    assert updates(learner, 3) == [""] * 3  # through another fit
    assert len(followed) == CRITIC_FIRST + 4


def test_a_first_model_of_nan_is_taken_back_and_fitted_anew(
    learner: BallsTrainer, same: Callable[..., bool]
) -> None:
    before = copy.deepcopy(learner.actor.state_dict())
    told = told_of_nan(learner, learner.model.skip.weight.requires_grad_(True))
    assert "TAKEN BACK: the model is not finite" in told
    assert same(dict(before), dict(learner.actor.state_dict()))
    assert updates(learner, 1) == [""]
    assert learner._since_fit == 1


def test_a_hand_that_breaks_is_told_and_starts_anew(
    learner: BallsTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert updates(learner, 1) == [""]
    hands = learner._crew.practices[0].world.hands
    step, calls = hands.step, []

    def broken(excitation: np.ndarray) -> None:
        if not calls:
            hands._qvel[3] = np.nan
        calls.append(1)
        step(excitation)

    with monkeypatch.context() as patch:
        patch.setattr(hands, "step", broken)
        assert "1 HANDS BROKE: their velocity" in updates(learner, 1)[0]
    assert all(torch.isfinite(value).all() for value in learner.actor.parameters())
    assert updates(learner, 1) == [""]


# --- checkpoints -----------------------------------------------------------------------


def test_it_resumes_with_all_that_it_remembers(
    learner: BallsTrainer, tmp_path: Path, same: Callable[..., bool]
) -> None:
    updates(learner, 2)
    learner.save("checkpoint.pt")
    saved = load_checkpoint(learner.folder / "checkpoint.pt")
    resumed = again(learner, tmp_path)
    assert resumed.progress == learner.progress
    assert same(resumed._state(), {key: saved[key] for key in resumed._state()})
    assert saved["climber_state_dict"]["state"]
    assert saved["since_fit"] == 2


def test_resume_repeats_exactly(
    learner: BallsTrainer, tmp_path: Path, same: Callable[..., bool]
) -> None:
    """Also through a fit of the model, whose transitions are collected anew."""
    updates(learner, 2)
    learner.save("checkpoint.pt")
    found = []
    for _ in range(2):
        resumed = again(learner, tmp_path)
        resumed.progress.next_evaluation = 10**9
        assert updates(resumed, 2) == ["", ""]
        found.append(resumed._state())
    assert same(*found)


def test_one_that_was_told_less_goes_on_as_it_was(learner: BallsTrainer, tmp_path: Path) -> None:
    """A checkpoint from before balls were told, by critic and model."""
    updates(learner, 2)
    learner.save("checkpoint.pt")
    path = learner.folder / "checkpoint.pt"
    state = load_checkpoint(path)
    for whose, names in (
        ("model", ("mean", "std", "net.0.weight", "skip.weight")),
        ("critic", ("obs_normalizer._mean", "obs_normalizer._var", "obs_normalizer._std")),
        ("critic", ("mlp.0.weight",)),
    ):
        weights = state[f"{whose}_state_dict"]
        for name in names:
            weights[name] = weights[name][..., :-6].clone()
    state["crew"]["unit"] = state["crew"]["unit"][:-6].clone()
    torch.save(state, path)
    resumed = again(learner, tmp_path)
    assert resumed.progress == learner.progress
    assert not resumed.model.skip.weight[:, -6:].any()
    assert torch.equal(resumed.model.std[-6:], torch.ones(6))
    assert torch.equal(resumed.critic.mlp[0].weight[:, :-6], learner.critic.mlp[0].weight[:, :-6])
    assert not resumed._critic_climber.state_dict()["state"]
    resumed.progress.next_evaluation = 10**9
    assert updates(resumed, 2) == ["", ""]


def test_a_checkpoint_from_before_there_were_parts_goes_on(
    learner: BallsTrainer, tmp_path: Path
) -> None:
    updates(learner, 2)
    learner.save("checkpoint.pt")
    path = learner.folder / "checkpoint.pt"
    state = load_checkpoint(path)
    crew, random = state.pop("crew"), state["random"]
    unit = crew["unit"] * 2.0
    state |= {"unit": unit, "focus": [0.5] * 24}
    state["random"] = {"torch": random, "episodes": crew["episodes"][0]}
    torch.save(state, path)
    resumed = again(learner, tmp_path)
    assert torch.equal(resumed._crew.practices[0].unit, unit)
    assert resumed.progress == learner.progress
    resumed.progress.next_evaluation = 10**9
    assert updates(resumed, 2) == ["", ""]


def test_a_wider_policy_goes_on_as_the_narrower_one_was(
    learner: BallsTrainer, gradients: BallsCurriculum, tmp_path: Path
) -> None:
    updates(learner, 2)
    learner.save("checkpoint.pt")
    wider = BallsTrainer(msgspec.structs.replace(gradients, hidden=12), tmp_path, threads=1)
    wider.resume(learner.folder / "checkpoint.pt")
    seen = torch.randn(3, 5, 108)  # steps, hands
    for was, now in ((learner.actor, wider.actor), (learner.average, wider.average)):
        memories = [PolicyGraph(network).rest(5) for network in (was, now)]
        for step in seen:
            actions = []
            for network, memory in zip((was, now), memories, strict=True):
                action, *memory[:] = PolicyGraph(network).act(step, *memory)
                actions.append(action)
            assert torch.allclose(*actions, atol=1e-6)
    assert not wider._climber.state_dict()["state"]
    wider.progress.next_evaluation = 10**9
    assert updates(wider, 2) == ["", ""]
    new = wider.actor.mlp[2].weight[:, 8:]
    assert new.any(), "what is new learns"


def test_a_checkpoint_of_another_size_is_refused(
    learner: BallsTrainer, gradients: BallsCurriculum, tmp_path: Path, trained: Path
) -> None:
    learner.save("checkpoint.pt")
    narrower = msgspec.structs.replace(gradients.model, hidden=15)
    other = BallsTrainer(msgspec.structs.replace(gradients, model=narrower), tmp_path, threads=1)
    with pytest.raises(ContractError, match="does not fit this curriculum"):
        other.resume(learner.folder / "checkpoint.pt")
    other = BallsTrainer(msgspec.structs.replace(gradients, hidden=7), tmp_path, threads=1)
    with pytest.raises(ContractError, match="does not fit this curriculum"):
        other.resume(trained / "checkpoint.pt")


def test_a_promoted_learner_practises_the_next_stage(
    gradients: BallsCurriculum, trained: Path, tmp_path: Path
) -> None:
    easy = msgspec.structs.replace(gradients.stages[0].promote, solved=0.0, times=1)
    first = msgspec.structs.replace(gradients.stages[0], promote=easy)
    ascent = msgspec.structs.replace(first.ascent, rate=1e-4, steps=2)
    second = msgspec.structs.replace(gradients.stages[0], name="second", ascent=ascent)
    plan = msgspec.structs.replace(gradients, stages=[first, second])
    learner = BallsTrainer(plan, tmp_path, threads=1)
    learner.resume(trained / "checkpoint.pt")
    assert updates(learner, 1) == [""]
    assert learner.progress.stage == 1
    assert learner._crew.practices[0].world.stage.name == "second"
    assert learner._climber.param_groups[0]["lr"] == 1e-4
    assert updates(learner, 1) == [""]
