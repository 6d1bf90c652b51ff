"""``myoloop report RUN.mcap``: a run on one page, one file that needs no network."""

import html
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from bridges.control.status import WHY, why
from controller import registry
from controller.errors import HostError
from controller.supervisor.states import State

Rows = Sequence[tuple[str, ...]]
STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2530; --dim: #68737f; --paper: #fff; --line: #e3e7eb }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf0; --dim: #98a4b0; --paper: #151a20; --line: #2a323b } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin-top: 2.2rem }
p.dim, td.dim, th { color: var(--dim); font-weight: normal }
svg { width: 100%; height: auto } .big { font-size: 1.1rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .25rem .5rem
  .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere }
td:first-child { overflow-wrap: normal }
td.n { white-space: nowrap; font-variant-numeric: tabular-nums }
.key span { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 1rem }
"""


def report(
    recording: Annotated[Path, typer.Argument(help="An MCAP file of 'run --record'.")],
    output: Annotated[
        Path | None, typer.Option(help="HTML file (default: beside the recording).")
    ] = None,
) -> None:
    """Show a recorded run on one page: words, pictures, timing with maxima, events, versions."""
    from bridges.recording.reader import read

    target = output or recording.with_suffix(".html")
    page = render(read(recording))
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise HostError(f"report {target}: can't be written: {error.strerror}") from None
    print(target)


def render(tape: Any) -> str:
    """The page of a ``Recording``."""
    from bridges import palette
    from bridges.recording.pictures import draw

    about, ticks = tape.about, tape.ticks
    name = html.escape(about["session"]["name"])
    began = time.strftime("%d %B %Y, %H:%M:%S", time.localtime(_epoch_s(tape, ticks[0])))
    pictures = draw(ticks, about["channels"], 1.0 / about["settings"]["rate_hz"])
    key = "".join(
        f'<span style="background:{colour}"></span>{state.name.lower()}'
        for state, colour in palette.STATES.items()
    )
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style><h1>{name}</h1>",
        f"<p class=dim>{began} · {html.escape(str(tape.path.name))}</p>",
        *(f"<p class=big>{html.escape(line)}</p>" for line in summary(tape)),
        f'<p class="dim key">{key}</p>',
        *(f"<h2>{head}</h2>{picture}" for head, picture in pictures.items()),
        "<h2>Timing in numbers</h2>",
        _table(("", "p50", "p99", "p99.9", "max"), _timing(ticks)),
        "<h2>Why commands were not the wish</h2>",
        _table(("reason", "ticks"), _reasons(ticks)),
        "<h2>Events</h2>",
        _table(("s", "state", "words"), _events(ticks)),
        "<h2>Versions and hashes</h2>",
        _table(("", ""), _versions(about)),
    ]
    return "\n".join(parts) + "\n"


def _epoch_s(tape: Any, tick: Any) -> float:
    return float(tape.epoch_ns + int(tick["time_ns"])) / 1e9


def summary(tape: Any) -> list[str]:
    """The run in sentences."""
    ticks, rate_hz = tape.ticks, tape.about["settings"]["rate_hz"]
    took_s = (int(ticks["time_ns"][-1]) - int(ticks["time_ns"][0])) / 1e9
    missed = int(ticks["missed"][-1])
    judged = ticks["judged"] == 1
    armings = int(ticks["arming"][-1])
    late = ticks["lateness_ns"].max() / 1e6
    lines = [
        f"{len(ticks)} ticks at {rate_hz:g} Hz in {took_s:.1f} s; {missed} deadlines missed, the "
        f"latest wake-up {late:.2f} ms late. It ended {State(int(ticks['state'][-1])).name}, "
        f"after {armings} arming{'' if armings == 1 else 's'}."
    ]
    lines.append(f"The policy worked for {judged.sum() / rate_hz:.1f} s{_success(tape)}.")
    if tape.torn:
        lines.append(f"The file is torn: it ends early ({tape.torn}).")
    if tape.gaps:
        lines.append(f"{tape.gaps} ticks are missing in it.")
    return lines


def _success(tape: Any) -> str:
    """How well, of a skill that has a task."""
    about, ticks = tape.about, tape.ticks
    skill = registry.find("skills", about["skill"], str(tape.path))
    judged = ticks["judged"] == 1
    if not skill.SUCCESS or not judged.any():
        return ""
    words = f": {skill.SUCCESS} for {float(ticks['solved'][judged].mean()):.0%} of it"
    if not skill.OBJECTS:
        return words
    error_mm = float(np.median(ticks["error_m"][judged][:, : skill.OBJECTS])) * 1e3
    return f"{words}, median error {error_mm:.1f} mm"


def _timing(ticks: Any) -> Rows:
    rows = []
    working = np.isin(ticks["state"], (State.ACTIVE, State.HOLD))
    for label, values in (
        ("woke late [µs]", ticks["lateness_ns"] / 1e3),
        ("a tick takes [µs]", ticks["took_ns"] / 1e3),
        ("  reading intention and hand [µs]", ticks["read_ns"] / 1e3),
        ("  goal, observation, policy at work [µs]", ticks["think_ns"][working] / 1e3),
        ("  supervisor [µs]", ticks["gate_ns"] / 1e3),
        ("  hand [µs]", ticks["plant_ns"] / 1e3),
        ("intention's age at work [ms]", ticks["age_s"][working] * 1e3),
    ):
        if len(values):
            figures = (*np.percentile(values, (50, 99, 99.9)), values.max())
            rows.append((label, *(f"{figure:.1f}" for figure in figures)))
    return rows


def _reasons(ticks: Any) -> Rows:
    bits = ticks["reasons"]
    counts = {words: int(((bits & int(one)) != 0).sum()) for one, words in WHY.items()}
    return [(words, str(count)) for words, count in counts.items() if count] or [("none", "")]


def _events(ticks: Any) -> Rows:
    """Each change of state or words."""
    rows: list[tuple[str, ...]] = []
    last = None
    for tick in ticks:
        told = (int(tick["state"]), bytes(tick["note"]))
        if told != last:
            last = told
            words = told[1].decode(errors="replace") or ", ".join(why(tick))
            at_s = (int(tick["time_ns"]) - int(ticks["time_ns"][0])) / 1e9
            rows.append((f"{at_s:.2f}", State(told[0]).name, words))
    return rows


def _versions(about: dict[str, Any]) -> Rows:
    rows: list[tuple[str, ...]] = [(name, version) for name, version in about["versions"].items()]
    rows += [
        ("session file", about["session"]["file"]),
        ("limits, sha256", about["safety"]["sha256"]),
        ("policy", about["policy"].get("file", "none")),
        ("policy, sha256", about["policy"].get("sha256", "")),
        ("processor", about["processor"].split(";")[1].strip()),
    ]
    return rows


def _table(head: tuple[str, ...], rows: Rows) -> str:
    def cell(text: str, tag: str) -> str:
        number = text.replace(".", "", 1).isdigit()
        return f"<{tag}{' class=n' if number else ''}>{html.escape(text)}</{tag}>"

    def row(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(cell(text, tag) for text in cells) + "</tr>"

    return f"<table>{row(head, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"
