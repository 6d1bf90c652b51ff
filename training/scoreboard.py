"""Runs an evaluation with a progress bar and prints its figures."""

from typing import Any

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from controller.policy import load
from training.evaluate import Asked, episodes, summary


def run(asked: Asked, count: int, as_json: bool) -> None:
    """Evaluate and print, as a table or as JSON."""
    policy = load(asked.policy)
    console = Console(stderr=True)
    done = list(
        track(
            episodes(asked, count),
            total=count,
            description="episodes",
            console=console,
            disable=not console.is_terminal,
        )
    )
    figures = summary(asked, done, policy)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())
    else:
        _print(figures)


def _print(figures: dict[str, Any]) -> None:
    title = figures.get("env") or f"own task {figures['task']}"
    table = Table("task", "episodes", "score", "drops", "error p50 / p95", title=title)
    for name, row in {**figures["per_task"], "all": figures}.items():
        error = row["error_mm"]
        table.add_row(
            name,
            str(row["episodes"]),
            f"{row['score_mean']:.3f} ± {row['score_sem']:.3f}",
            f"{row['drop_rate']:.1%}",
            f"{error['p50']:.1f} / {error['p95']:.1f} mm",
        )
    console = Console()
    console.print(table)
    gate = ", ".join(f"{k} {n}" for k, n in figures["gate"].items()) or "none"
    console.print(
        f"first solved step {figures['first_solved_step']}, score from there on "
        f"{figures['score_since_first_solved']:.3f}; gate interventions: {gate}; "
        f"score with the gate open {figures['score_mean_gate_open']:.3f}"
    )
    console.print("  ".join(f"{name} {v}" for name, v in figures["versions"].items()))
