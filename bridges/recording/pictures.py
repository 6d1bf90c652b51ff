"""The pictures of a run's report, as SVG text."""

import io
import re
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bridges import palette
from controller.names import MUSCLES
from controller.supervisor.states import State

Ticks = NDArray[np.void]
COLUMNS: Final = 1200  # more can't be seen
WIDTH_IN: Final = 10.0
GREY: Final = "#7d8894"  # read on a light and on a dark page
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "myoloop",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
}
SOLVED_MM: Final = 15.0


def _svg(figure: Figure) -> str:
    found = io.StringIO()
    figure.savefig(found, format="svg", transparent=True, bbox_inches="tight")
    text = found.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def _figure(height_in: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def seconds(ticks: Ticks) -> NDArray[np.float64]:
    """Time of each tick since the first [s], (n,)."""
    found: NDArray[np.float64] = (ticks["time_ns"] - ticks["time_ns"][0]) / 1e9
    return found


def _thin(ticks: Ticks) -> Ticks:
    return ticks[:: max(1, len(ticks) // COLUMNS)]


def course(ticks: Ticks, channels: list[str]) -> str:
    """Intention and dead-man over time, the supervisor's state as background."""
    figure, (axes,) = _figure(2.2)
    _shade(axes, ticks)
    few = _thin(ticks)
    for index, name in enumerate(channels[:6]):
        axes.plot(seconds(few), few["intention"][:, index], label=name, lw=1.2)
    grey = palette.STATES[State.DISARMED]
    axes.plot(seconds(few), few["engage"], color=grey, label="engage", lw=1, ls=":")
    axes.set(xlabel="s", ylabel="intention", xlim=(0, seconds(ticks)[-1] or 1))
    axes.legend(loc="upper right", frameon=False, ncols=4, labelcolor=GREY)
    return _svg(figure)


def _shade(axes: Axes, ticks: Ticks) -> None:
    states, times = ticks["state"], seconds(ticks)
    edges = [0, *(np.flatnonzero(np.diff(states)) + 1), len(states) - 1]
    for begin, end in zip(edges, edges[1:], strict=False):
        colour = palette.STATES[State(int(states[begin]))]
        axes.axvspan(times[begin], times[end], color=colour, alpha=0.14, lw=0)


def errors(ticks: Ticks) -> str:
    """Distance of each object from its target over time."""
    figure, (axes,) = _figure(2.2)
    _shade(axes, ticks)
    few = _thin(ticks)
    working = np.isin(few["state"], (State.ACTIVE, State.HOLD))
    for index in range(int(ticks["objects"].max())):
        error_mm = np.where(working, few["error_m"][:, index] * 1e3, np.nan)
        label = f"ball {index + 1}"
        axes.plot(seconds(few), error_mm, color=palette.BALLS[index], label=label, lw=1.2)
    axes.axhline(SOLVED_MM, color=GREY, lw=0.8, ls="--", label=f"{SOLVED_MM:.0f} mm")
    axes.set(xlabel="s", ylabel="error [mm], at work", ylim=(0, 60))
    axes.set_xlim(0, seconds(ticks)[-1] or 1)
    axes.legend(loc="upper right", frameon=False, ncols=3, labelcolor=GREY)
    return _svg(figure)


def muscles(ticks: Ticks) -> str:
    """Activation of every muscle over time."""
    figure, (axes,) = _figure(4.6)
    parts = np.array_split(ticks["activation"], min(COLUMNS, len(ticks)))
    image = np.cbrt(np.clip([part.mean(axis=0) for part in parts], 0, 1)).T  # see palette.tone
    shown = axes.imshow(
        image,
        aspect="auto",
        cmap="magma",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        extent=(0, seconds(ticks)[-1] or 1, len(MUSCLES), 0),
    )
    axes.set_yticks(np.arange(len(MUSCLES)) + 0.5, MUSCLES, fontsize=6)
    axes.set_xlabel("s")
    bar = figure.colorbar(shown, ax=axes, pad=0.01, ticks=np.cbrt([0, 0.01, 0.1, 0.5, 1]))
    bar.ax.set_yticklabels(["0", "1 %", "10 %", "50 %", "100 %"])
    return _svg(figure)


def timing(ticks: Ticks, period_s: float) -> str:
    """Distributions of lateness, work and age, each with its maximum."""
    figure, three = _figure(2.4, columns=3)
    working = np.isin(ticks["state"], (State.ACTIVE, State.HOLD))
    shown: tuple[tuple[str, Any], ...] = (
        ("woke late [ms]", ticks["lateness_ns"] / 1e6),
        (f"a tick takes [ms], of {period_s * 1e3:g}", ticks["took_ns"] / 1e6),
        ("intention's age at work [ms]", ticks["age_s"][working] * 1e3),
    )
    for axes, (label, values) in zip(three, shown, strict=True):
        values = values[np.isfinite(values) & (values >= 0)]
        if len(values):
            axes.hist(values, bins=60, color=palette.DRIVE, log=True)
            axes.axvline(values.max(), color=palette.BAD, lw=1)
            axes.set_title(f"max {values.max():.2f}", color=palette.BAD, fontsize=9, loc="right")
        axes.set(xlabel=label, ylabel="ticks")
    return _svg(figure)


def draw(ticks: Ticks, channels: list[str], period_s: float) -> dict[str, str]:
    """All pictures, by heading."""
    with matplotlib.rc_context(STYLE):
        found = {"What was asked for": course(ticks, channels)}
        if ticks["objects"].any():
            found["How well the balls followed"] = errors(ticks)
        found["Activation of the 39 muscles"] = muscles(ticks)
        found["Timing"] = timing(ticks, period_s)
    return found
