"""``myoloop bench training``, on a few hands."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from training import bench, throughput

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


def test_rounds_take_turns() -> None:
    order: list[str] = []
    works = {name: lambda name=name: order.append(name) or 1 for name in "ab"}
    assert throughput.median_rates(works, rounds=2).keys() == {"a", "b"}
    assert "".join(order) == "ab" + "abab"
