"""The live plots: the last ten seconds of what matters."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import viser
from numpy.typing import NDArray

from bridges import palette
from bridges.view.watch import SHOWN_S
from controller.skills.baoding import SOLVED_DISTANCE_M
from controller.supervisor.judge import ENGAGED

Signals = dict[str, NDArray[np.float64]]
HEIGHT: Final = 120  # pixels
MOST_MM: Final = 46.0  # of an error: further off is off
FAINT: Final = "#8b95a1"
LIMIT_MM: Final = SOLVED_DISTANCE_M * 1e3


class Plots:
    """Three plots over the same ten seconds."""

    def __init__(self, gui: viser.GuiApi) -> None:
        self._plots = [
            _plot(
                gui,
                "intention",
                (-1.3, 1.3),
                ("channel 1", "engaged"),
                (palette.DRIVE, palette.GOOD),
            ),
            _plot(
                gui,
                f"balls off target [mm], {LIMIT_MM:.0f} allowed",
                (0.0, MOST_MM),
                ("ball 1", "ball 2", "allowed"),
                (*palette.BALLS, FAINT),
            ),
            _plot(
                gui,
                "timing [ms]",
                None,
                ("woke late", "a tick takes"),
                (palette.BAD, palette.DRIVE),
            ),
        ]
        self._rows: tuple[Callable[[Signals], list[NDArray[np.float64]]], ...] = (
            lambda s: [s["channel1"], (s["engage"] >= ENGAGED).astype(float)],
            lambda s: [s["error1_mm"], s["error2_mm"], np.full(len(s["time_s"]), LIMIT_MM)],
            lambda s: [s["lateness_ms"], s["took_ms"]],
        )

    def show(self, signals: Signals) -> None:
        """Draw the last seconds."""
        if len(signals["time_s"]) > 1:
            for plot, rows in zip(self._plots, self._rows, strict=True):
                plot.data = (signals["time_s"], *rows(signals))


def _plot(
    gui: viser.GuiApi,
    title: str,
    span: tuple[float, float] | None,
    labels: tuple[str, ...],
    colours: tuple[str, ...],
) -> Any:
    from viser import uplot

    x = np.linspace(-SHOWN_S, 0.0, 2)
    lines = [
        uplot.Series(label=label, stroke=colour, width=2)
        for label, colour in zip(labels, colours, strict=True)
    ]
    height = uplot.Scale(range=span) if span else uplot.Scale(auto=True)
    return gui.add_uplot(
        (x, *(np.full(2, np.nan) for _ in labels)),
        (uplot.Series(label="s"), *lines),
        title=title,
        scales={"x": uplot.Scale(time=False, range=(-SHOWN_S, 0.0)), "y": height},
        legend=uplot.Legend(show=True, live=False),
        cursor=uplot.Cursor(show=False),
        height=HEIGHT,
    )
