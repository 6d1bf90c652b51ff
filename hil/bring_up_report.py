"""The page of ``myoloop hil``: steps, latencies and pictures in one file without a network."""

import html
import io
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from bridges.recording.pictures import STYLE as PICTURE_STYLE
from bridges.run_report import STYLE
from hil.bring_up import Bench, Result

MARKS: Final = {True: "passed", False: "FAILED", None: "not run"}
MARKED: Final = """
.mark, .failed { white-space: nowrap }
.failed { color: #c0392b; font-weight: bold }
"""
WIDTH_IN: Final = 10.0


def render(result: Result, bench: Bench) -> str:
    """The page."""
    failed = [row for row in result.steps if row.passed is False]
    skipped = [row for row in result.steps if row.passed is None]
    word = "passed" if result.passed else f"{len(failed)} of {len(result.steps)} steps failed"
    if skipped:
        word += f", {len(skipped)} not run"
    title = f"{result.device} on {result.port}: {word}"
    steps = [
        (f"{row.number}", row.name, row.expected, row.seen, MARKS[row.passed])
        for row in result.steps
    ]
    latencies = [
        (name, *(f"{one[q]:.2f}" for q in ("p50", "p99", "p999", "max")))
        for name, one in result.latencies_ms.items()
    ]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}{MARKED}</style>",
        f"<h1>{html.escape(title)}</h1>",
        f"<p class=dim>{time.strftime('%d %B %Y, %H:%M:%S')}</p>",
        "<h2>Steps</h2>",
        _table(("", "step", "expected", "seen", ""), steps),
    ]
    if latencies:
        parts += [
            "<h2>Latencies [ms]</h2>",
            _table(("", "p50", "p99", "p99.9", "max"), latencies),
            _tails(bench.latencies_ms),
        ]
    if bench.motion:
        parts += ["<h2>One movement of the index</h2>", _movement(bench.motion)]
    about = [(name, str(value)) for name, value in result.machine.items()]
    parts += ["<h2>Machine</h2>", _table(("", ""), about)]
    return "\n".join(parts) + "\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...], tag: str) -> str:
        return f"<tr>{''.join(map(partial(_cell, tag=tag), cells))}</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(cells, 'td') for cells in rows)}</table>"


def _cell(text: str, tag: str) -> str:
    kind = {MARKS[False]: " class=failed", MARKS[True]: " class=mark"}.get(text, "")
    return f"<{tag}{kind}>{html.escape(text)}</{tag}>"


def _tails(latencies_ms: dict[str, list[float]]) -> str:
    """For each latency the share that took longer, on two logarithmic axes."""
    with matplotlib.rc_context(PICTURE_STYLE):
        figure = Figure(figsize=(WIDTH_IN, 3.2), layout="constrained")
        axes = figure.subplots()
        for name, values in latencies_ms.items():
            ordered = np.sort(values)
            share = 1.0 - np.arange(len(ordered)) / len(ordered)
            axes.step(ordered, share, where="post", label=name)
        axes.set(xscale="log", yscale="log", xlabel="ms", ylabel="share that took longer")
        axes.legend(frameon=False)
        return _svg(figure)


def _movement(motion: list[tuple[float, float, float]]) -> str:
    """Set point and measured angle over time, and when the movement was noticed."""
    at_ms, asked, measured = np.array(motion).T
    with matplotlib.rc_context(PICTURE_STYLE):
        figure = Figure(figsize=(WIDTH_IN, 2.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(at_ms, asked, "--", color="#8b95a1", label="asked for")
        axes.plot(at_ms, measured, ".-", color="#2c7fb8", label="measured")
        axes.set(xlabel="ms since the command", ylabel="deg")
        axes.legend(frameon=False)
        return _svg(figure)


def _svg(figure: Figure) -> str:
    found = io.StringIO()
    figure.savefig(found, format="svg", transparent=True, bbox_inches="tight")
    text = found.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
