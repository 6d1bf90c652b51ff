"""``myoloop bench training``: what a machine makes of training, in control steps per second."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from controller import data
from controller.errors import SettingsError

SCALING_HANDS: Final = (32, 128, 512)
ROUNDS: Final = 7
SCALING_ROUNDS: Final = 2


def training(
    peer: Annotated[
        Literal["sb3"] | None,
        typer.Option(help="Measure sb3-contrib with the 2022 winner's settings too (minutes)."),
    ] = None,
    hands: Annotated[int, typer.Option(min=2, help="Hands in a batch.")] = 128,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads (default: the processors at hand).")
    ] = None,
    curriculum: Annotated[
        Path, typer.Option(help="Its first stage is what the whole loop trains.")
    ] = Path("configs/curriculum/baoding_gradients.yaml"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Measure training: bare physics, batched hands, the whole loop, and how they scale."""
    from training.posture.plan import PostureCurriculum
    from training.skills import load_plan
    from training.throughput import threads_here

    plan = load_plan(data.find(str(curriculum), Path.cwd()))
    if isinstance(plan, PostureCurriculum):
        raise SettingsError(f"--curriculum {curriculum}: of the skill posture; allowed: of baoding")
    rate = _peer() if peer else None
    figures = _measure(plan, hands, threads or threads_here())
    figures |= {"peer_steps_per_s": rate and round(rate, 1)}
    if rate:
        figures["training_to_peer"] = round(figures["training_steps_per_s"] / rate, 1)
    if json:
        print(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())
    else:
        _print(figures)


def _peer() -> float:
    from training.peer import rate

    return rate()


def _measure(plan: Any, hands: int, threads: int) -> dict[str, Any]:
    from training.evaluate import policy_versions
    from training.throughput import Stepping, median_rates, training_rate
    from training.throughput import hands as batched

    stepping = Stepping(hands, threads)
    works = {
        "mujoco.rollout": stepping.rollout(),
        "hands": batched(hands, threads),
        "mujoco.batch": stepping.batch(),
        "threads over mj_step": stepping.python_threads(),
        "coarse hands": batched(hands, threads, "coarse"),
    }
    rates = median_rates(works, ROUNDS)
    bare, batch = rates["mujoco.rollout"], rates["hands"]
    whole = training_rate(plan, threads)
    sizes = [(count, used) for used in sorted({1, threads}) for count in SCALING_HANDS]
    scaling = median_rates({repr(size): batched(*size) for size in sizes}, SCALING_ROUNDS)
    return {
        "hands": hands,
        "threads": threads,
        "rollout_steps_per_s": round(bare),
        "batch_steps_per_s": round(batch),
        "training_steps_per_s": round(whole),
        "batch_to_rollout": round(batch / bare, 3),
        "training_to_rollout": round(whole / bare, 3),
        "stepping_only_steps_per_s": {
            name: round(rates[name])
            for name in ("mujoco.rollout", "mujoco.batch", "threads over mj_step")
        },
        "coarse_batch_steps_per_s": round(rates["coarse hands"]),
        "scaling": [
            {"hands": count, "threads": used, "batch_steps_per_s": round(rate)}
            for (count, used), rate in zip(sizes, scaling.values(), strict=True)
        ],
        "versions": policy_versions(),
    }


def _print(figures: dict[str, Any]) -> None:
    console = Console()
    size = f"{figures['hands']} hands, {figures['threads']} threads"
    table = Table("control steps of 25 ms", "per second", "of bare", title=size)
    bare = figures["rollout_steps_per_s"]
    rows = [
        ("bare mujoco.rollout, official physics", bare),
        ("mujoco.batch, a call a step", figures["stepping_only_steps_per_s"]["mujoco.batch"]),
        ("threads over mj_step", figures["stepping_only_steps_per_s"]["threads over mj_step"]),
        ("hands with resets and observations", figures["batch_steps_per_s"]),
        ("the same, coarse physics", figures["coarse_batch_steps_per_s"]),
        ("whole training loop, first stage", figures["training_steps_per_s"]),
    ]
    if figures["peer_steps_per_s"]:
        rows.append(("sb3-contrib, the 2022 winner's settings", figures["peer_steps_per_s"]))
    for name, rate in rows:
        table.add_row(name, f"{rate:,}", f"{rate / bare:.2f}")
    console.print(table)
    scaling = Table("hands", "threads", "steps/s", title="hands, official physics")
    for row in figures["scaling"]:
        scaling.add_row(str(row["hands"]), str(row["threads"]), f"{row['batch_steps_per_s']:,}")
    console.print(scaling)
