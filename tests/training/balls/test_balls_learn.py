"""The learner of Baoding by analytic gradients: begins, resumes, takes back, exports."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from controller import data
from controller.errors import ContractError, SettingsError
from controller.policy import check_fit, load
from controller.skills import baoding
from training.balls.learn import BallsTrainer
from training.balls.plan import BallsCurriculum
from training.export import export
from training.skills import load_plan

PPO = "policies/baoding.checkpoint.pt"
TINY = """
skill: baoding
learner: gradients
begin_with: policies/baoding.checkpoint.pt
hands: 6
evaluate_every: 1_000_000
evaluation_episodes: 4
model:
  {every: 3, pairs: 6, steps: 12, first_steps: 16, batches: 4, first_batches: 30, batch: 16,
   hidden: 16}
stages:
  - name: hold
    tasks: [{do: hold}]
    episode_s: 0.5
    ascent: {steps: 4}
    promote: {solved: 1.0}
"""


@pytest.fixture
def plan(tmp_path: Path) -> BallsCurriculum:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    found = load_plan(file)
    assert isinstance(found, BallsCurriculum)
    return found


@pytest.fixture
def trainer(plan: BallsCurriculum, tmp_path: Path) -> BallsTrainer:
    found = BallsTrainer(plan, tmp_path, threads=1)
    found.resume(data.find(PPO))
    found.progress.next_evaluation = 10**12
    return found


def updates(trainer: BallsTrainer, count: int) -> list[str]:
    return [report.problem for _, report in zip(range(count), trainer.updates(), strict=False)]


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_goes_on_from_ppo_and_moves_all_that_learns(trainer: BallsTrainer) -> None:
    before = [weights(part) for part in (trainer.actor, trainer.critic, trainer.model)]
    steps = trainer.progress.steps
    assert steps > 10_000_000
    assert updates(trainer, 4) == [""] * 4
    after = [weights(part) for part in (trainer.actor, trainer.critic, trainer.model)]
    for was, now in zip(before, after, strict=True):
        assert not same(was, now)
        assert all(torch.isfinite(value).all() for value in now.values())
    normaliser = [name for name in before[0] if "normalizer" in name]
    assert normaliser
    assert all(torch.equal(before[0][name], after[0][name]) for name in normaliser)
    assert trainer.progress.steps > steps


def test_it_resumes_with_all_that_it_remembers(
    trainer: BallsTrainer, plan: BallsCurriculum, tmp_path: Path
) -> None:
    updates(trainer, 2)
    trainer.save("checkpoint.pt")
    again = BallsTrainer(plan, tmp_path, threads=1)
    again.resume(tmp_path / "checkpoint.pt")
    assert again.progress == trainer.progress
    for name in ("actor", "average", "critic", "model"):
        assert same(weights(getattr(again, name)), weights(getattr(trainer, name)))
    first, second = again._climber.state_dict(), trainer._climber.state_dict()
    assert torch.equal(first["state"][0]["momentum_buffer"], second["state"][0]["momentum_buffer"])
    assert again._since_fit == trainer._since_fit
    assert updates(again, 1) == [""]


def test_an_objective_of_nan_is_taken_back(
    trainer: BallsTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates(trainer, 1)
    before = weights(trainer.actor)
    with monkeypatch.context() as patch:
        patch.setattr(
            "training.balls.practice.reward", lambda weights, state, targets: state[:, 0] * np.nan
        )
        told = updates(trainer, 1)[0]
    assert "TAKEN BACK: the objective" in told
    assert same(before, weights(trainer.actor))
    assert updates(trainer, 1) == [""]


def test_slopes_of_nan_are_named(trainer: BallsTrainer) -> None:
    updates(trainer, 1)
    before = weights(trainer.actor)
    with torch.no_grad():
        kept = trainer.model.scale.clone()
        trainer.model.scale.fill_(torch.inf)
    told = updates(trainer, 1)[0]
    assert "TAKEN BACK" in told
    assert same(before, weights(trainer.actor))
    trainer.model.scale.copy_(kept)
    assert updates(trainer, 1) == [""]


def test_the_file_is_a_policy_of_the_skill(trainer: BallsTrainer, tmp_path: Path) -> None:
    updates(trainer, 1)
    trainer.save("checkpoint.pt")
    assert export(tmp_path / "checkpoint.pt", tmp_path / "tiny.onnx") < 1e-4
    policy = load(tmp_path / "tiny.onnx")
    check_fit(policy, baoding, 40.0)
    assert "analytic policy gradients" in policy.contract.provenance["method"]


def test_a_checkpoint_of_another_size_is_refused(
    trainer: BallsTrainer, plan: BallsCurriculum, tmp_path: Path
) -> None:
    trainer.save("checkpoint.pt")
    model = msgspec.structs.replace(plan.model, hidden=8)
    other = BallsTrainer(msgspec.structs.replace(plan, model=model), tmp_path, threads=1)
    with pytest.raises(ContractError, match="does not fit this curriculum"):
        other.resume(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("episode_s: 0.5", "balls: 0.5", "balls: 0.5: the model knows P1's balls only"),
        ("ascent: {steps: 4}", "ascent: {step: 4}", "step"),
        ("learner: gradients", "learner: wishes", "learner"),
        ("begin_with: policies/baoding.checkpoint.pt", "cheap: 1", "begin_with|cheap"),
    ],
)
def test_what_can_not_be_is_named(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(TINY.replace(was, becomes))
    with pytest.raises(SettingsError, match=said):
        load_plan(file)


def test_the_shipped_curriculum_reads_as_one() -> None:
    plan = load_plan(data.find("configs/curriculum/baoding_gradients.yaml"))
    assert isinstance(plan, BallsCurriculum)
    assert data.find(plan.begin_with)
