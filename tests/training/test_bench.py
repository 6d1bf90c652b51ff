"""``myoloop bench training``, on a few hands."""

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from controller.errors import SettingsError
from training import bench, throughput
from training.ppo import Trainer
from training.skills import load_plan

FIRST_STAGE = """
skill: baoding
hands: 4
evaluation_episodes: 4
hidden: 8
critic: [8]
stages:
  - name: hold
    tasks: [{do: hold}]
    noise: {sigma: 0.1}
    learning: {steps: 4, epochs: 1, minibatches: 2}
    promote: {solved: 1.0}
"""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(throughput, "SEGMENT", 2)
    monkeypatch.setattr(throughput, "UPDATES", 1)
    monkeypatch.setattr(bench, "SCALING_HANDS", (2, 3))
    monkeypatch.setattr(bench, "SCALING_ROUNDS", 1)
    plan = tmp_path / "plan.yaml"
    plan.write_text(FIRST_STAGE, encoding="utf-8")
    return plan


def run(*more: str) -> str:
    app = typer.Typer()
    app.command()(bench.training)
    result = CliRunner().invoke(app, ["--hands", "3", "--threads", "2", *more])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_all_figures_are_of_one_run(quick: Path) -> None:
    figures = json.loads(run("--curriculum", str(quick), "--json"))
    rates = [figures[f"{name}_steps_per_s"] for name in ("rollout", "batch", "training")]
    assert all(rate > 0 for rate in rates)
    assert figures["peer_steps_per_s"] is None
    assert figures["batch_to_rollout"] == pytest.approx(rates[1] / rates[0], rel=0.05)
    assert [(row["hands"], row["threads"]) for row in figures["scaling"]] == [
        (2, 1),
        (3, 1),
        (2, 2),
        (3, 2),
    ]
    assert {"mujoco", "myosuite", "myo-sim"} <= figures["versions"].keys()


def test_a_person_reads_a_table(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    out = run("--curriculum", str(quick))
    assert "whole training loop" in out
    assert "3 hands, 2 threads" in out


def test_gradients_are_measured_with_their_fits(quick: Path, tmp_path: Path) -> None:
    """From the checkpoint that the curriculum begins with; the fit by its share."""
    folder = tmp_path / "ppo"
    folder.mkdir()
    Trainer(load_plan(quick), folder, threads=1).save("checkpoint.pt")
    plan = yaml.safe_load(FIRST_STAGE)
    plan |= {"learner": "gradients", "begin_with": str(folder / "checkpoint.pt")}
    plan["model"] = {"hidden": 8, "pairs": 2, "steps": 6, "batches": 2, "batch": 4, "pool": 20}
    plan["stages"][0] = {
        "name": "hold",
        "tasks": [{"do": "hold"}],
        "ascent": {"steps": 2},
        "promote": {"solved": 1.0},
    }
    path = tmp_path / "gradients.yaml"
    path.write_text(yaml.safe_dump(plan), encoding="utf-8")
    assert json.loads(run("--curriculum", str(path), "--json"))["training_steps_per_s"] > 0


def test_another_skill_is_refused() -> None:
    with pytest.raises(SettingsError, match="of the skill posture"):
        bench.training(curriculum=Path("configs/curriculum/posture.yaml"))


def test_rounds_take_turns() -> None:
    order: list[str] = []
    works = {name: lambda name=name: order.append(name) or 1 for name in "ab"}
    assert throughput.median_rates(works, rounds=2).keys() == {"a", "b"}
    assert "".join(order) == "ab" + "abab"
