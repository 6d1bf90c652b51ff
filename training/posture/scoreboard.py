"""Runs a posture evaluation with a progress bar and prints its figures."""

from typing import Any

from rich.console import Console
from rich.table import Table

from controller.policy import load
from training.posture.evaluate import PostureAsked, summary, trials
from training.scoreboard import publish, watched


def run(asked: PostureAsked, count: int, as_json: bool) -> None:
    """Evaluate and print, as a table or as JSON."""
    policy = load(asked.policy)
    publish(summary(asked, watched(trials(asked, count), count), policy), as_json, _print)


def _print(figures: dict[str, Any]) -> None:
    title = figures.get("env") or f"own task {figures['task']}"
    table = Table("targets", "solved at end", "solved steps", "distance p50 / p95", title=title)
    distance = figures["end_distance_rad"]
    table.add_row(
        str(figures["targets"]),
        f"{figures['solved_at_end']:.3f} ± {figures['solved_at_end_sem']:.3f}",
        f"{figures['score_mean']:.3f}",
        f"{distance['p50']:.2f} / {distance['p95']:.2f} rad",
    )
    console = Console()
    console.print(table)
    for name, share in figures.get("per_env", {}).items():
        console.print(f"{name}: {share:.3f} solved at end")
    gate = ", ".join(f"{k} {n}" for k, n in figures["gate"].items()) or "none"
    rise = f"10-90 % in {figures['rise_s']:.2f} s; " if "rise_s" in figures else ""
    console.print(
        f"{rise}mean joint error {figures['joint_error_rad']:.3f} rad, mean activation "
        f"{figures['effort']:.3f}; gate interventions: {gate}; solved at end with the gate open "
        f"{figures['solved_at_end_gate_open']:.3f}"
    )
    console.print("  ".join(f"{name} {v}" for name, v in figures["versions"].items()))
