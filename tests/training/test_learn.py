import errno
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from controller.errors import ContractError
from training import learn, ppo
from training.curriculum import Curriculum
from training.curve import read
from training.learn import CHECKPOINT_VERSION, Report, load_checkpoint
from training.ppo import Trainer
from training.score import Score

Tiny = Callable[..., Curriculum]
STEPS = 64  # of an update: 8 hands, 8 steps


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir()
    return path


@pytest.fixture
def trainer(tiny: Tiny, folder: Path) -> Trainer:
    return Trainer(tiny(), folder, threads=1)


def run(trainer: Trainer, updates: int) -> list[Report]:
    return [report for _, report in zip(range(updates), trainer.updates(), strict=False)]


def scored(monkeypatch: pytest.MonkeyPatch, *solved: float) -> None:
    """Evaluations give these scores, the last one for ever."""
    values = itertools.chain(solved, itertools.repeat(solved[-1]))

    def fake(*_: Any) -> list[Score]:
        return [Score("all", 8, next(values), 1.0, 10.0)]

    monkeypatch.setattr(ppo, "score", fake)


def weights(trainer: Trainer) -> dict[str, Any]:
    return ppo._weights(trainer._ppo)


def fading(trainer: Trainer) -> dict[str, Any]:
    """The weights that the next update starts from: its noise has faded a little further."""
    trainer.actor.distribution.tune(trainer._sigma, trainer.env.stage.noise.correlation)
    return weights(trainer)


# --- learning --------------------------------------------------------------------------


def test_two_updates_count_their_steps_and_change_the_weights(trainer: Trainer) -> None:
    before = weights(trainer)
    reports = run(trainer, 2)
    progress = trainer.progress
    assert (progress.updates, progress.steps, progress.stage_steps) == (2, 2 * STEPS, 2 * STEPS)
    assert (progress.stage, progress.discarded, progress.finished) == (0, 0, False)
    assert progress.seconds > 0.0
    after = weights(trainer)
    for network in ("actor_state_dict", "critic_state_dict"):
        for name, value in after[network].items():
            fixed = name == "distribution.std_param"
            assert fixed or not torch.equal(value, before[network][name]), name
            assert torch.isfinite(value).all()
    assert after["actor_state_dict"]["obs_normalizer.count"] == 2 * STEPS
    for report in reports:
        assert set(report.losses) == {"value", "surrogate", "entropy"}
        assert all(np.isfinite(value) for value in report.losses.values())
        assert 0.0 <= report.solved <= 1.0
        assert np.isfinite(report.error)
        assert report.steps_per_s > 0.0


def test_a_seed_repeats_and_another_does_not(
    tiny: Tiny, folder: Path, same: Callable[..., bool]
) -> None:
    found = []
    for seed in (3, 3, 4):
        trainer = Trainer(tiny(seed=seed), folder, threads=1)
        run(trainer, 2)
        found.append(weights(trainer))
    assert same(found[0], found[1])
    assert not same(found[0]["actor_state_dict"], found[2]["actor_state_dict"])


def test_the_untrained_actor_is_a_nearly_passive_hand(trainer: Trainer) -> None:
    with torch.inference_mode():
        action = trainer.actor(trainer.env.get_observations())
    assert torch.allclose(action, torch.tensor(-0.4), atol=0.15)


def test_an_update_sees_what_the_rollout_did(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first step of an update the policy is the one that acted.

    Memory, episode ends, normaliser and noise included: the divergence is rounding only,
    also after an evaluation, which uses the same network.
    """
    divergences: list[float] = []
    original = trainer.actor.get_kl_divergence

    def spy(old: Any, new: Any) -> torch.Tensor:
        found = original(old, new)
        divergences.append(float(found.max()))
        return found

    monkeypatch.setattr(trainer.actor, "get_kl_divergence", spy)
    trainer.env.episode_length_buf[:4] = 6  # some episodes end within the rollout
    for _ in range(3):
        divergences.clear()
        assert run(trainer, 1)[0].scores
        assert len(divergences) == 4  # 2 epochs of 2 minibatches
        assert abs(divergences[0]) < 1e-5
        assert max(divergences[1:]) > 1e-5


def test_an_evaluation_does_not_change_what_is_learned(
    tiny: Tiny, folder: Path, monkeypatch: pytest.MonkeyPatch, same: Callable[..., bool]
) -> None:
    found = []
    for every in (STEPS, 10**9):
        trainer = Trainer(tiny(evaluate_every=every), folder, threads=1)
        trainer.progress.next_evaluation = every
        run(trainer, 3)
        found.append(weights(trainer))
    assert same(*found)


def test_noise_fades_over_the_stage(trainer: Trainer) -> None:
    seen = []
    for _ in range(2):
        run(trainer, 1)
        seen.append(float(trainer.actor.distribution.std_param[0]))
    assert seen == pytest.approx([0.1, 0.1 - 0.05 * STEPS / 1000], abs=1e-6)
    assert trainer.actor.distribution.correlation == 0.5


def test_the_critic_keeps_a_rate_of_its_own(trainer: Trainer) -> None:
    run(trainer, 2)
    actor, critic = trainer._ppo.optimizer.param_groups
    assert actor["lr"] == trainer._ppo.learning_rate
    assert critic["lr"] == trainer.env.stage.learning.critic_rate
    of_actor = {id(one) for one in trainer.actor.parameters()}
    assert {id(one) for one in actor["params"]} == of_actor
    assert {id(one) for one in critic["params"]} == {
        id(one) for one in trainer._ppo.critic.parameters()
    }


# --- evaluation and promotion ----------------------------------------------------------


def test_every_evaluation_adds_a_line_to_the_curve(trainer: Trainer, folder: Path) -> None:
    trainer.progress.next_evaluation = 2 * STEPS
    reports = run(trainer, 3)
    assert [bool(report.scores) for report in reports] == [False, True, True]
    lines = read(folder / "curve.jsonl")
    assert [line["steps"] for line in lines] == [2 * STEPS, 3 * STEPS]
    for line in lines:
        assert line["stage_name"] == "stage 0"
        assert [row["task"] for row in line["scores"]] == ["hold", "rotate 20-30 s both", "all"]
        assert {"seconds", "sigma", "learning_rate", "explored_solved"} <= line.keys()


def test_a_checkpoint_is_written_after_every_evaluation(
    trainer: Trainer, folder: Path, same: Callable[..., bool]
) -> None:
    for _ in range(2):
        run(trainer, 1)
        state = load_checkpoint(folder / "checkpoint.pt")
        assert state["progress"]["steps"] == trainer.progress.steps
        assert same(state["actor_state_dict"], weights(trainer)["actor_state_dict"])
    assert sorted(path.name for path in folder.iterdir()) == [
        *("best.pt", "checkpoint.pt", "curve.jsonl")
    ]


def test_the_best_is_kept(trainer: Trainer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(monkeypatch, 0.5, 0.4, 0.6, 0.6)
    best = []
    for _ in range(4):
        run(trainer, 1)
        best.append(load_checkpoint(folder / "best.pt")["progress"]["steps"] // STEPS)
    assert best == [1, 1, 3, 3]
    assert trainer.progress.best == 0.6


def test_promotion_goes_through_the_stages_and_ends(tiny: Tiny, folder: Path) -> None:
    trainer = Trainer(tiny(stages=3, solved=0.0), folder, threads=1)
    reports = run(trainer, 10)
    assert [report.promoted for report in reports] == [True] * 3
    assert trainer.progress.finished
    assert trainer.progress.stage == 2
    names = [line["stage_name"] for line in read(folder / "curve.jsonl")]
    assert names == ["stage 0", "stage 1", "stage 2"]
    for index in range(3):
        passed = load_checkpoint(folder / f"passed-{index:02d}.pt")
        assert passed["progress"]["stage"] == index
    assert load_checkpoint(folder / "checkpoint.pt")["progress"]["finished"]
    assert run(trainer, 3) == []


def test_a_promoted_trainer_learns_the_next_stages_tasks(tiny: Tiny, folder: Path) -> None:
    plan = tiny(stages=2, solved=0.0)
    second = msgspec.structs.replace(
        plan.stages[1], learning=msgspec.structs.replace(plan.stages[1].learning, steps=4, kl=0.5)
    )
    plan = msgspec.structs.replace(plan, stages=[plan.stages[0], second])
    trainer = Trainer(plan, folder, threads=1)
    run(trainer, 1)
    assert trainer.env.stage == second
    assert trainer.progress.stage_steps == 0
    assert trainer._ppo.storage.num_transitions_per_env == 4
    assert trainer._ppo.desired_kl == 0.5
    run(trainer, 1)
    assert trainer.progress.steps == STEPS + 8 * 4


def test_promotion_needs_its_score_several_times_in_a_row(
    tiny: Tiny, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tiny(stages=2)
    promote = msgspec.structs.replace(plan.stages[0].promote, solved=0.5, times=2)
    stages = [msgspec.structs.replace(stage, promote=promote) for stage in plan.stages]
    trainer = Trainer(msgspec.structs.replace(plan, stages=stages), folder, threads=1)
    scored(monkeypatch, 0.5, 0.49, 0.6, 0.5, 0.7, 0.1)
    reports = run(trainer, 6)
    assert [report.promoted for report in reports] == [False, False, False, True, False, False]
    assert trainer.progress.stage == 1
    assert trainer.progress.streak == 0
    assert trainer.progress.best == 0.7  # of the stage: a new stage begins anew


# --- what is not finite ----------------------------------------------------------------


def test_an_update_of_nan_loss_is_taken_back(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, same: Callable[..., bool]
) -> None:
    run(trainer, 1)
    before = fading(trainer)
    original = trainer._ppo.update

    def poisoned() -> dict[str, float]:
        losses = original()
        with torch.no_grad():
            for parameter in trainer.actor.parameters():
                parameter.fill_(torch.nan)
        return {**losses, "value": float("nan")}

    with monkeypatch.context() as patch:
        patch.setattr(trainer._ppo, "update", poisoned)
        told = run(trainer, 1)[0].problem
    assert "TAKEN BACK: the loss 'value' is not finite" in told
    assert trainer.progress.discarded == 1
    assert same(weights(trainer), before)
    report = run(trainer, 1)[0]
    assert report.problem == ""
    assert trainer.progress.discarded == 1
    assert all(np.isfinite(value) for value in report.losses.values())
    assert not same(weights(trainer)["actor_state_dict"], before["actor_state_dict"])


@pytest.mark.parametrize("network", ["actor", "critic"])
def test_a_gradient_of_nan_is_taken_back(
    trainer: Trainer, network: str, same: Callable[..., bool]
) -> None:
    """Also one of the last minibatch, when the losses are finite."""
    run(trainer, 1)
    before = fading(trainer)
    parameter = next(getattr(trainer._ppo, network).mlp.parameters())
    calls = 0

    def poison(gradient: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return gradient * torch.nan if calls == 4 else gradient

    handle = parameter.register_hook(poison)
    report = run(trainer, 1)[0]
    handle.remove()
    assert calls == 4
    assert all(np.isfinite(value) for value in report.losses.values())
    assert f"the {network}'s " in report.problem
    assert trainer.progress.discarded == 1
    assert same(weights(trainer), before)


def test_a_normaliser_of_nan_is_taken_back(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, same: Callable[..., bool]
) -> None:
    before = weights(trainer)
    original = trainer._ppo.update

    def poisoned() -> dict[str, float]:
        losses = original()
        trainer._ppo.critic.obs_normalizer._mean.fill_(torch.nan)
        return losses

    monkeypatch.setattr(trainer._ppo, "update", poisoned)
    run(trainer, 1)
    assert trainer.progress.discarded == 1
    assert same(weights(trainer), before)


def test_after_a_discarded_update_memory_begins_anew(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the actor nor the storage may remember the rollout that was thrown away."""
    run(trainer, 2)
    with monkeypatch.context() as patch:
        original = trainer._ppo.update
        patch.setattr(trainer._ppo, "update", lambda: {**original(), "value": float("inf")})
        trainer._update()
    assert trainer.progress.discarded == 1
    divergences: list[float] = []
    divergence = trainer.actor.get_kl_divergence

    def spy(old: Any, new: Any) -> torch.Tensor:
        found = divergence(old, new)
        divergences.append(float(found.max()))
        return found

    monkeypatch.setattr(trainer.actor, "get_kl_divergence", spy)
    trainer._update()
    assert abs(divergences[0]) < 1e-5


def test_the_culprit_is_where_it_entered(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    run(trainer, 1)
    trainer.save("checkpoint.pt")
    original = trainer.env.step

    def poisoned(actions: torch.Tensor) -> Any:
        obs, *rest = original(actions)
        obs["policy"][1, 23] = torch.nan  # the first joint velocity
        return obs, *rest

    with monkeypatch.context() as patch:
        patch.setattr(trainer.env, "step", poisoned)
        told = trainer._update().problem
    assert "the observation term 'joint_vel' is not finite" in told
    assert f"the last good checkpoint is {trainer.folder / 'checkpoint.pt'}" in told
    assert trainer._update().problem == ""


def test_a_stage_that_stalls_is_named(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    run(trainer, 1)
    monkeypatch.setattr(learn, "STALLED", 64)
    trainer.progress.best = 0.99  # never bettered again
    told = run(trainer, 1)[0].problem
    assert "STALLED: stage 1 (stage 0) has been at 0.990 for 0.0 M steps; it asks for 1" in told


def test_a_hand_that_breaks_does_not_stop_the_learning(trainer: Trainer) -> None:
    run(trainer, 1)
    trainer.env.hands._qvel[2] = np.nan
    report = run(trainer, 1)[0]
    assert trainer.env.broken == 1
    assert report.problem.startswith("  1 HANDS BROKE: their velocity is not finite")
    assert trainer.progress.discarded == 0
    assert all(np.isfinite(value) for value in report.losses.values())


# --- checkpoints -----------------------------------------------------------------------


def test_resume_goes_on_where_the_checkpoint_was_written(
    tiny: Tiny,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    same: Callable[..., bool],
) -> None:
    scored(monkeypatch, 0.3, 0.9, 0.2)
    plan = tiny(stages=2, solved=0.8)
    first = Trainer(plan, folder, threads=1)
    run(first, 3)
    assert first.progress.stage == 1
    second = Trainer(plan, tmp_path, threads=1)
    second.resume(folder / "checkpoint.pt")
    assert second.progress == first.progress
    assert second.env.stage.name == "stage 1"
    assert same(weights(second), weights(first))  # networks, normalisers, optimiser
    assert second._ppo.learning_rate == first._ppo.learning_rate
    saved = load_checkpoint(folder / "checkpoint.pt")["random"]
    assert torch.equal(torch.get_rng_state(), saved["torch"])
    assert second.env.episodes.rng.bit_generator.state == saved["episodes"]
    report = run(second, 1)[0]
    assert report.problem == ""
    assert second.progress.steps == first.progress.steps + STEPS
    assert second.progress.stage_steps == first.progress.stage_steps + STEPS
    assert len(read(tmp_path / "curve.jsonl")) == 1


def test_resume_repeats_exactly(
    tiny: Tiny, folder: Path, tmp_path: Path, same: Callable[..., bool]
) -> None:
    run(Trainer(tiny(), folder, threads=1), 1)
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        trainer = Trainer(tiny(), tmp_path / name, threads=1)
        trainer.resume(folder / "checkpoint.pt")
        run(trainer, 2)
        found.append(weights(trainer))
    assert same(*found)


def test_a_finished_training_stays_finished(tiny: Tiny, folder: Path) -> None:
    run(Trainer(tiny(solved=0.0), folder, threads=1), 5)
    again = Trainer(tiny(solved=0.0), folder, threads=1)
    again.resume(folder / "checkpoint.pt")
    assert run(again, 1) == []


def test_a_finished_training_goes_on_when_the_curriculum_has_grown(
    tiny: Tiny, folder: Path
) -> None:
    run(Trainer(tiny(solved=0.0), folder, threads=1), 5)
    longer = Trainer(tiny(stages=2, solved=0.0), folder, threads=1)
    longer.resume(folder / "checkpoint.pt")
    assert longer.progress.stage == 1
    assert longer.progress.stage_steps == 0
    assert [report.promoted for report in run(longer, 5)] == [True]
    assert longer.progress.finished


def test_a_curriculum_that_has_shrunk_goes_on_at_its_last_stage(tiny: Tiny, folder: Path) -> None:
    run(Trainer(tiny(stages=3, solved=0.0), folder, threads=1), 2)
    shorter = Trainer(tiny(stages=2), folder, threads=1)
    shorter.resume(folder / "checkpoint.pt")
    assert shorter.env.stage.name == "stage 1"
    assert len(run(shorter, 1)) == 1


def test_a_checkpoint_of_other_networks_is_refused(trained: Path, tiny: Tiny, folder: Path) -> None:
    with pytest.raises(
        ContractError, match=r"checkpoint\.pt: does not fit this curriculum: .*size"
    ):
        Trainer(tiny(hidden=9), folder, threads=1).resume(trained / "checkpoint.pt")


def test_a_checkpoint_of_another_optimiser_is_refused(
    trained: Path, tiny: Tiny, folder: Path
) -> None:
    state = load_checkpoint(trained / "checkpoint.pt")
    state["optimizer_state_dict"]["param_groups"].pop()
    torch.save(state, folder / "old.pt")
    with pytest.raises(ContractError, match=r"old\.pt: does not fit this curriculum: .*groups"):
        Trainer(tiny(), folder, threads=1).resume(folder / "old.pt")


def test_a_checkpoint_of_another_version_is_refused(folder: Path) -> None:
    path = folder / "new.pt"
    torch.save({"version": CHECKPOINT_VERSION + 1}, path)
    message = (
        rf"new\.pt: checkpoint version {CHECKPOINT_VERSION + 1}, this is {CHECKPOINT_VERSION}$"
    )
    with pytest.raises(ContractError, match=message):
        load_checkpoint(path)


class Surprise:
    """Would run code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("surprise"),))


def test_what_is_no_checkpoint_is_refused_in_one_line(folder: Path) -> None:
    files = {name: folder / name for name in ("text", "empty", "list", "tensor", "code", "torn")}
    files["text"].write_text("not a checkpoint\n", encoding="utf-8")
    files["empty"].touch()
    torch.save([1, 2], files["list"])
    torch.save(torch.zeros(3), files["tensor"])
    torch.save({"version": CHECKPOINT_VERSION, "x": Surprise()}, files["code"])
    torch.save({"version": CHECKPOINT_VERSION, "x": torch.zeros(1000)}, files["torn"])
    files["torn"].write_bytes(files["torn"].read_bytes()[:2000])
    for path in (*files.values(), folder, folder / "missing"):
        with pytest.raises(ContractError) as refused:
            load_checkpoint(path)
        assert str(refused.value).startswith(f"{path}: ")
        assert "\n" not in str(refused.value)
    assert not Path("surprise").exists()


# --- a full disk -----------------------------------------------------------------------


def full(monkeypatch: pytest.MonkeyPatch, written: int = 100) -> None:
    """Checkpoints find no space left, after a beginning was written."""
    original = Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        original(path, content[:written])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)


def test_a_full_disk_is_told_and_learning_goes_on(
    trainer: Trainer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(trainer, 1)
    kept = {path.name: path.read_bytes() for path in folder.glob("*.pt")}
    with monkeypatch.context() as patch:
        full(patch)
        reports = run(trainer, 2)
    assert all(f"NOT SAVED: No space left on device ({folder})" in r.problem for r in reports)
    assert trainer.progress.updates == 3
    assert {path.name: path.read_bytes() for path in folder.glob("*.pt")} == kept
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert load_checkpoint(folder / "checkpoint.pt")["progress"]["updates"] == 1
    assert run(trainer, 1)[0].problem == ""
    assert load_checkpoint(folder / "checkpoint.pt")["progress"]["updates"] == 4


def test_the_best_is_saved_once_there_is_space(
    trainer: Trainer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch, 0.5)
    with monkeypatch.context() as patch:
        full(patch)
        run(trainer, 1)
    assert not (folder / "best.pt").exists()
    run(trainer, 1)
    assert load_checkpoint(folder / "best.pt")["progress"]["updates"] == 2


def test_a_promotion_waits_for_its_checkpoint(
    tiny: Tiny, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(tiny(stages=2, solved=0.0), folder, threads=1)
    with monkeypatch.context() as patch:
        full(patch)
        run(trainer, 1)
    assert trainer.progress.stage == 0
    run(trainer, 1)
    assert trainer.progress.stage == 1
    assert (folder / "passed-00.pt").exists()


def test_a_folder_that_went_away_is_told(trainer: Trainer, folder: Path) -> None:
    run(trainer, 1)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert "NOT SAVED: No such file or directory" in run(trainer, 1)[0].problem


def test_a_checkpoint_is_put_in_place_whole(
    trainer: Trainer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(trainer, 1)
    kept = (folder / "checkpoint.pt").read_bytes()

    def killed(part: Path, target: Path) -> None:
        assert load_checkpoint(part)["progress"]["updates"] == 2  # whole before it is moved
        assert target.name in ("best.pt", "checkpoint.pt")
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(learn.os, "replace", killed)
    assert "NOT SAVED: Input/output error" in run(trainer, 1)[0].problem
    assert (folder / "checkpoint.pt").read_bytes() == kept


def test_the_average_follows_the_actor_and_is_saved(trained: Path) -> None:
    state = load_checkpoint(trained / "checkpoint.pt")
    actor, average = state["actor_state_dict"], state["average_state_dict"]
    assert not torch.equal(actor["mlp.0.weight"], average["mlp.0.weight"])
    nearest = (actor["mlp.0.weight"] - average["mlp.0.weight"]).abs().max()
    assert nearest < 0.05
    assert torch.equal(actor["obs_normalizer._mean"], average["obs_normalizer._mean"])
