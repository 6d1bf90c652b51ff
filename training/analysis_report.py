"""An analysis as a table beside the published values, and as pictures."""

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.table import Table

from training.analyse import KEPT, SHARES, Analysis

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  (the backend comes first)

# Chiappa et al., Neuron 2024: components for 85 / 95 % of the variance.
PUBLISHED: Final = {
    "joint positions": (4, 7),
    "joint velocities": (6, 11),
    "muscle activations": (9, 15),
}
HUMAN: Final = {"joint positions": (3, 7), "joint velocities": (4, 8)}
PUBLISHED_ACTIVE: Final = 17.0
PUBLISHED_TASK: Final = {"observation": 0.88, "recurrent state": 0.95}


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Quantity, this policy, the published policy, people."""
    table = []
    for name, counts in figures["components"].items():
        own = " / ".join(str(counts[f"{share:.0%}"]) for share in SHARES)
        table.append((f"components of {name}", own, _pair(PUBLISHED, name), _pair(HUMAN, name)))
    active = f"{figures['muscles_active']:.1f}"
    table.append(("muscles above 5 %", active, f"{PUBLISHED_ACTIVE:.1f}", ""))
    for quantity, scores in figures["decoding"].items():
        for source, score in scores.items():
            published = f"{PUBLISHED_TASK[source]:.2f}" if quantity == "task" else ""
            table.append((f"{quantity} read from the {source}", f"{score:.2f}", published, ""))
    return table


def _pair(known: dict[str, tuple[int, int]], name: str) -> str:
    return " / ".join(map(str, known[name])) if name in known else ""


def show(figures: dict[str, Any]) -> None:
    """Print the table."""
    title = f"{figures['episodes']} episodes, solved {figures['solved']:.3f}"
    table = Table("85 / 95 % of the variance", "this policy", "published", "people", title=title)
    for row in rows(figures):
        table.add_row(*row)
    Console().print(table)


def draw(analysis: Analysis, folder: Path) -> list[Path]:
    """Write ``components.png`` and ``inactivation.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "components.png", folder / "inactivation.png"]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, found in analysis.components.items():
        axes.plot(np.arange(1, found.share.size + 1), np.cumsum(found.share), ".-", label=name)
    for share in SHARES:
        axes.axhline(share, color="0.6", lw=0.8, ls="--")
    axes.set(xlabel="principal components", ylabel="share of the variance", ylim=(0, 1.02))
    _finish(figure, axes, paths[0])
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, curve in analysis.curves.items():
        axes.plot(KEPT, curve, ".-", label=f"{name} k components of the actions kept")
    axes.set(xlabel="k of 39", ylabel="share of steps solved", ylim=(0, None))
    _finish(figure, axes, paths[1])
    return paths


def _finish(figure: Any, axes: Any, path: Path) -> None:
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
