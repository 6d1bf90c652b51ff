"""The learning curve as a picture."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import msgspec

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  (the backend comes first)


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a ``curve.jsonl``, one for each evaluation."""
    lines = path.read_text(encoding="utf-8").splitlines()
    whole = [line for line in lines if line.endswith("}")]  # a kill may have torn the last
    return [msgspec.json.decode(line) for line in whole]


def plot(path: Path, target: Path) -> None:
    """Draw solved fraction and survival over steps, stages as bands."""
    points = read(path)
    steps = [p["steps"] / 1e6 for p in points]
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    for name, key, colour in (("solved", "solved", "C0"), ("no drop", "survival", "C2")):
        axes.plot(steps, [p["scores"][-1][key] for p in points], colour, label=name)
    starts = [i for i, p in enumerate(points) if i == 0 or p["stage"] != points[i - 1]["stage"]]
    for band, first in enumerate(starts):
        last = starts[band + 1] if band + 1 < len(starts) else len(points) - 1
        axes.axvspan(steps[first], steps[last], color="0.5", alpha=0.06 + 0.08 * (band % 2))
        axes.text(steps[first], 1.02, f" {points[first]['stage'] + 1}", fontsize=9, va="bottom")
    hours = points[-1]["seconds"] / 3600
    axes.set(
        xlabel=f"million control steps ({hours:.1f} h on two cores)",
        ylabel="deterministic episodes of the stage",
        ylim=(0, 1.08),
    )
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(target, dpi=110)
    plt.close(figure)
