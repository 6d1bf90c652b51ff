"""The live plots: the last ten seconds of what matters."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import numpy as np
import viser
from numpy.typing import NDArray
from viser import uplot

from bridges import palette
from bridges.view.watch import SHOWN_S, Watch
from controller.ports import Skill
from controller.skills.baoding import SOLVED_DISTANCE_M
from controller.supervisor.judge import ENGAGED

Signals = dict[str, NDArray[np.float64]]
HEIGHT: Final = 120  # pixels
MOST_MM: Final = 50.0  # of an error: further off is off
FAINT: Final = "#8b95a1"
LIMIT_MM: Final = SOLVED_DISTANCE_M * 1e3
PLAIN: Final[Any] = {"show": False}  # the grid is enough
ASKED: Final = "intention, share of its range"
OFF_TARGET: Final = f"balls off target [mm], {LIMIT_MM:.0f} allowed"
CHANNELS: Final = (
    *(palette.DRIVE, "#e0602f", "#9a5fd0", "#f0a81f", "#12a5a5", "#d64a86", "#7a8f1f"),
    FAINT,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot: what it is called, its colour, what it shows, (n,)."""

    label: str
    colour: str
    of: Callable[[Signals], NDArray[np.float64]]


def intention(channels: list[str]) -> list[Line]:
    """A line for each channel, and the dead-man."""
    lines = [
        Line(label.replace("_", " "), colour, itemgetter(label))
        for label, colour in zip(channels, CHANNELS, strict=False)
    ]
    return [
        *lines,
        Line("dead-man", palette.GOOD, lambda s: (s["engage"] >= ENGAGED).astype(float)),
    ]


ERRORS: Final = [
    *(
        Line(f"ball {number}", colour, itemgetter(f"error{number}_mm"))
        for number, colour in enumerate(palette.BALLS, start=1)
    ),
    Line("allowed", FAINT, lambda s: np.full(len(s["time_s"]), LIMIT_MM)),
]
TIMING: Final = [
    Line("woke late", palette.BAD, itemgetter("lateness_ms")),
    Line("a tick takes", palette.DRIVE, itemgetter("took_ms")),
]


class Plots:
    """Plots over the same ten seconds, made for the skill that is followed.

    Args:
        gui: where they go.
        place: opens the container that they go into.
    """

    def __init__(self, gui: viser.GuiApi, place: Any) -> None:
        self._gui, self._place = gui, place
        self._skill: Skill | None = None
        self._plots: list[tuple[Any, list[Line]]] = []

    def show(self, watch: Watch) -> None:
        """Draw the last seconds."""
        if watch.skill is not self._skill:
            self._make(watch)
        signals = watch.signals()
        if len(signals["time_s"]) > 1:
            for plot, lines in self._plots:
                plot.data = (signals["time_s"], *(line.of(signals) for line in lines))

    def _make(self, watch: Watch) -> None:
        for plot, _ in self._plots:
            plot.remove()
        skill = self._skill = watch.skill
        assert skill is not None  # it is another one than before
        wanted = [(ASKED, intention(watch.channels), uplot.Scale(range=(-1.3, 1.3)), _axis(1.0))]
        if skill.OBJECTS:
            wanted.append((OFF_TARGET, ERRORS, uplot.Scale(range=(0.0, MOST_MM)), _axis(LIMIT_MM)))
        wanted.append(("timing [ms]", TIMING, uplot.Scale(auto=True), uplot.Axis(ticks=PLAIN)))
        with self._place:
            self._plots = [(self._plot(order, *one), one[1]) for order, one in enumerate(wanted)]

    def _plot(
        self, order: int, title: str, lines: list[Line], scale: uplot.Scale, axis: uplot.Axis
    ) -> Any:
        series = [uplot.Series(label=one.label, stroke=one.colour, width=2) for one in lines]
        return self._gui.add_uplot(
            (np.linspace(-SHOWN_S, 0.0, 2), *(np.full(2, np.nan) for _ in lines)),
            (uplot.Series(label="s"), *series),
            title=title,
            scales={"x": uplot.Scale(time=False, range=(-SHOWN_S, 0.0)), "y": scale},
            axes=(uplot.Axis(ticks=PLAIN), axis),
            legend=uplot.Legend(show=True, live=False),
            cursor=uplot.Cursor(show=False),
            height=HEIGHT,
            order=order,
        )


def _axis(step: float) -> uplot.Axis:
    """With a line at each step, however low the plot is."""
    return uplot.Axis(space=18, incrs=(step,), ticks=PLAIN)
