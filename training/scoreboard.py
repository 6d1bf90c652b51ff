"""Runs an evaluation with a progress bar and prints its figures."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from controller.policy import load
from training.evaluate import Asked, episodes, summary

E = TypeVar("E")


def run(asked: Asked, count: int, as_json: bool) -> None:
    """Evaluate and print, as a table or as JSON."""
    policy = load(asked.policy)
    publish(summary(asked, watched(episodes(asked, count), count), policy), as_json, _print)


def watched(running: Iterator[E], count: int) -> list[E]:
    """All episodes, with a progress bar while they run."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    return list(track(running, "episodes", total=count, console=console, disable=hidden))


def publish(figures: dict[str, Any], as_json: bool, show: Callable[[dict[str, Any]], None]) -> None:
    """Print figures, as JSON or as ``show`` shows them."""
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())
    else:
        show(figures)


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
