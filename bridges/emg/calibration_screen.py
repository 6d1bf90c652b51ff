"""What a person sees in a calibration: the prompt, every channel's strength and trouble."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bridges import palette
from bridges.dashboard import FAINT, TRACK, WIDTH
from bridges.emg.calibration import CLASSES, Model, Verdict
from bridges.emg.guide import Look
from bridges.emg.prompts import HINTS
from bridges.emg.quality import REMEDIES
from controller.messages import Array

BAR_CELLS: Final = 40
FULL_UV: Final = 400.0  # right end of a bar
LEAST_UV: Final = 2.0  # left end
DRAW_EVERY: Final = 5  # looks
MOST_LINES: Final = 12  # channels that a small terminal has room for


class Screen(Protocol):
    """Where the guide is seen."""

    def show(self, look: Look, window: Array, bad: Sequence[str]) -> None:
        """The state of things: filtered window [uV], (n, channels), and each channel's trouble."""
        ...


@contextmanager
def open_screen(labels: Sequence[str], console: Console) -> Iterator[Screen]:
    """A screen of its own on a terminal, lines in a log."""
    if not console.is_interactive:
        yield _Log(console)
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield _Panels(labels, live)


class _Log:
    """A line for each prompt and each new note."""

    def __init__(self, console: Console) -> None:
        self._console, self._said = console, ""

    def show(self, look: Look, window: Array, bad: Sequence[str]) -> None:
        note = f" ({look.note})" if look.note else ""
        words = f"{look.prompt or 'electrodes'}{note}"
        if words != self._said:
            self._said = words
            self._console.print(f"{look.done:4.0%}  {words}", markup=False, highlight=False)


class _Panels:
    """The prompt in the middle, the channels below."""

    def __init__(self, labels: Sequence[str], live: Live) -> None:
        self._labels, self._live, self._looks = labels, live, 0

    def show(self, look: Look, window: Array, bad: Sequence[str]) -> None:
        self._looks += 1
        if self._looks % DRAW_EVERY == 0:
            self._live.update(panels(look, self._labels, window, bad), refresh=True)


def panels(look: Look, labels: Sequence[str], window: Array, bad: Sequence[str]) -> RenderableType:
    """One look as panels of 80 columns."""
    return Group(
        Panel(_prompt(look), title="calibration", title_align="left", width=WIDTH),
        Panel(
            channels(labels, window.std(axis=0), bad),
            title=Text("EMG, µV rms, logarithmic", FAINT),
            title_align="left",
            border_style=TRACK,
            width=WIDTH,
        ),
    )


def _prompt(look: Look) -> RenderableType:
    colour = palette.GOOD if look.recording else FAINT
    word = (look.prompt or "judging the electrodes: relax").upper()
    phase = "hold it" if look.recording else "get ready" if look.prompt else "wait"
    done = round(look.done * (WIDTH - 4))
    bar = Text("━" * (WIDTH - 4), TRACK)
    bar.stylize(palette.DRIVE, 0, done)
    return Group(
        Text(word, f"bold {colour}", justify="center"),
        Text(HINTS.get(look.prompt, ""), justify="center"),
        Text(f"{phase}, {look.left_s:.1f} s", justify="center"),
        bar,
        Text(look.note, palette.BAD),
    )


def channels(labels: Sequence[str], rms_uv: Array, bad: Sequence[str]) -> RenderableType:
    """A line for each channel: strength, and what it suffers from; of many, first the bad ones."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    worst_first = sorted(range(len(labels)), key=lambda channel: not bad[channel])
    for channel in sorted(worst_first[:MOST_LINES]):
        word = bad[channel]
        share = np.log(max(rms_uv[channel], LEAST_UV) / LEAST_UV) / np.log(FULL_UV / LEAST_UV)
        bar = Text("━" * BAR_CELLS, TRACK)
        bar.stylize(palette.BAD if word else palette.DRIVE, 0, round(BAR_CELLS * min(share, 1.0)))
        verdict = Text(f"● {word}", palette.BAD) if word else Text("● good", palette.GOOD)
        grid.add_row(Text(labels[channel]), bar, Text(f"{rms_uv[channel]:6.1f}"), verdict)
    hidden = [bad[channel] for channel in worst_first[MOST_LINES:]]
    more = f"and {len(hidden)} more, {sum(map(bool, hidden))} of them bad"
    words = sorted({word for word in bad if word})
    remedies = [Text(f"{word}: {REMEDIES[word]}", palette.BAD) for word in words]
    return Group(grid, *([Text(more, FAINT)] if hidden else []), *remedies)


def print_verdict(verdict: Verdict, chosen: Model, console: Console) -> None:
    """Confusion matrices, R² and what they mean, all from repetitions that were left out.

    Args:
        verdict: of the calibration.
        chosen: the configuration's model.
        console: where to.
    """
    for classifier, matrix in verdict.confusion.items():
        console.print(f"{classifier}: {verdict.accuracy[classifier]:.1%} of left-out windows")
        table = Table("asked", *(f"found {label}" for label in CLASSES))
        for label, row in zip(CLASSES, matrix, strict=True):
            table.add_row(label, *map(str, row))
        console.print(table)
    console.print(f"ridge: R² {verdict.r2:.2f} of the rotation, on left-out repetitions")
    for model, reasons in verdict.reasons.items():
        name = f"{model}, which the configuration asks for," if model == chosen else model
        console.print(f"{name} is {'NOT ' * bool(reasons)}good enough", soft_wrap=True)
        for reason in reasons:
            console.print(f"  {reason}", soft_wrap=True)
