"""The page's words: state, ledger and muscles as HTML; colours follow the page's own theme."""

import math
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridges import palette
from bridges.control.status import lacking, text_of, why
from bridges.dashboard import MUSCLE_GROUPS
from bridges.view.watch import Ledger, Watch
from controller.histogram import Histogram
from controller.names import MUSCLES
from controller.supervisor.judge import ENGAGED
from controller.supervisor.states import State

Record = NDArray[np.void]
SAYS: Final = {
    State.DISARMED: "At rest. Arm it with the dead-man let go; raising it then starts.",
    State.ARMING: "Armed, at rest. Raising the dead-man starts the hand.",
    State.ACTIVE: "The policy moves the hand.",
    State.HOLD: "The intention is late: the goal stands still.",
    State.RELAXING: "On the way to rest.",
    State.FAULT: "Stopped and latched. Reset it when the cause is gone.",
}
FAINT: Final = "var(--mantine-color-dimmed)"
EDGE: Final = "var(--mantine-color-default-border)"
LATE_S: Final = 1.0
CARD_PX: Final = 130  # the longest words that are common; more can be scrolled to
LEGEND: Final = ((0.0, "0"), (0.01, "1 %"), (0.1, "10 %"), (1.0, "100 %"))  # of an activation


def state(watch: Watch, silent_s: float) -> str:
    """The supervisor in words."""
    record = watch.newest
    if record is None:
        return _card("waiting", FAINT, [watch.trouble or "waiting for the first tick"], "")
    now = State(int(record["state"]))
    if watch.over:
        return _card(
            "ended", FAINT, ["The run is over. The next one is shown when it starts."], watch.name
        )
    if silent_s > LATE_S:
        return _card("silent", palette.BAD, [f"No tick for {silent_s:.0f} s."], watch.name)
    lines = [SAYS[now], *_why(record, now), *watch.troubles()]
    return _card(now.name, palette.STATES[now], lines, watch.name)


def task(watch: Watch) -> str:
    """What is asked of the hand, and whether it does it."""
    record, skill = watch.newest, watch.skill
    if record is None or skill is None or watch.over:
        return ""
    working = State(int(record["state"])).working
    raised = float(record["engage"]) >= ENGAGED
    asked = skill.said(record["intention"][: len(skill.CHANNELS)])
    rows = [
        _lamp(raised, palette.GOOD, f"dead-man {'up' if raised else 'let go'}"),
        _lamp(working, palette.DRIVE, f"asked: {asked}"),
    ]
    if skill.SUCCESS:
        solved = working and bool(record["solved"])
        rows.append(_lamp(solved, palette.GOOD, f"{skill.SUCCESS}: {'yes' if solved else 'no'}"))
    return f"<div style='padding:0 12px 6px;font-size:12px'>{''.join(rows)}</div>"


def _lamp(lit: bool, colour: str, words: str) -> str:
    """A line with a lamp; what the lamp says stands in the words, too."""
    dot = f"background:{colour};border-color:{colour}" if lit else ""
    return (
        f"<div title='{escape(words)}' style='overflow:hidden;text-overflow:ellipsis;"
        f"white-space:nowrap;line-height:1.6'>"
        f"<span style='display:inline-block;width:9px;height:9px;border-radius:50%;"
        f"border:1.5px solid {FAINT};margin-right:8px;{dot}'></span>{escape(words)}</div>"
    )


def _why(record: Record, now: State) -> list[str]:
    """What caused it, and what an arming lacked."""
    if now is State.FAULT and (note := text_of(record["note"])):
        return [note]
    if now is State.DISARMED and (lacks := lacking(record)):
        return ["Not armed: " + "; ".join(lacks)]
    return why(record) if now is not State.DISARMED else []


def _card(word: str, colour: str, lines: list[str], session: str) -> str:
    """Of one height, whatever it says: on a phone the buttons would move under the thumb."""
    first, *rest = [escape(line) for line in lines]
    more = "".join(f'<div style="color:{FAINT};font-size:12px">{line}</div>' for line in rest)
    return (
        f'<div role="status" aria-live="polite" style="border-left:6px solid {colour};'
        f'padding:4px 10px;margin:2px 0 6px;height:{CARD_PX}px;overflow-y:auto">'
        f'<div title="{escape(session)}" style="font-size:11px;color:{FAINT};overflow:hidden;'
        f'text-overflow:ellipsis;white-space:nowrap">{escape(session)}&nbsp;</div>'
        f'<div style="font-size:26px;font-weight:700;line-height:1.15;color:{colour}">'
        f"{escape(word)}</div>"
        f'<div style="font-size:13px">{first}</div>{more}</div>'
    )


def ledger(watch: Watch) -> str:
    """The deadlines, in numbers, since the page found the run."""
    record, kept = watch.newest, watch.ledger
    if record is None:
        return ""
    missed = int(record["missed"])
    shown = f"{watch.rate_hz():.1f} Hz" if math.isfinite(watch.rate_hz()) else "–"
    rows = [
        ("ticks", f"{int(record['number']) + 1}", shown),
        ("missed deadlines", _coloured(missed), ""),
    ]
    return f"<div style='padding:4px 12px'>{_table(rows)}{_quantiles(kept)}</div>"


def _coloured(missed: int) -> str:
    colour = palette.BAD if missed else palette.GOOD
    return f'<b style="color:{colour}">{missed}</b>'


def _table(rows: list[tuple[str, str, str]]) -> str:
    body = "".join(
        f"<tr><td>{name}</td><td style='text-align:right'>{value}</td>"
        f"<td style='text-align:right;color:{FAINT}'>{more}</td></tr>"
        for name, value, more in rows
    )
    return f"<table style='width:100%;font-size:13px'>{body}</table>"


def _quantiles(kept: Ledger) -> str:
    head = "".join(
        f"<th style='text-align:right;font-weight:400'>{q}</th>" for q in ("median", "99 %", "max")
    )
    rows = "".join(
        f"<tr><td>{name}</td>{_cells(histogram, per_ms)}</tr>"
        for name, histogram, per_ms in (
            ("woke late [ms]", kept.lateness_us, 1e3),
            ("a tick takes [ms]", kept.took_us, 1e3),
            ("intention's age [ms]", kept.age_ms, 1.0),
        )
    )
    return (
        f"<table style='width:100%;font-size:13px;border-top:1px solid {EDGE}'>"
        f"<tr style='color:{FAINT}'><td></td>{head}</tr>{rows}</table>"
    )


def _cells(histogram: Histogram, per_ms: float) -> str:
    found = histogram.percentile(50), histogram.percentile(99), histogram.max
    values = [value / per_ms for value in found]
    if not histogram.count:
        values = [math.nan] * 3
    return "".join(
        f"<td style='text-align:right;font-variant-numeric:tabular-nums'>{_number(one)}</td>"
        for one in values
    )


def _number(value: float) -> str:
    """Three digits, as far as they are before or behind the point."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.{max(0, 2 - math.floor(math.log10(max(value, 1.0))))}f}"


def muscles(record: Record | None) -> str:
    """39 bars, in the order of names.MUSCLES; a name appears under the pointer."""
    if record is None:
        return ""
    shares = iter(zip(MUSCLES, record["activation"].tolist(), strict=True))
    rows = (
        "<div style='font-size:13px;text-align:center;margin:6px 0'>activation of 39 muscles</div>"
    )
    for group, size in MUSCLE_GROUPS:
        bars = "".join(_bar(*next(shares)) for _ in range(size))
        rows += (
            f"<div style='display:flex;align-items:flex-end;margin:3px 0'>"
            f"<div style='width:108px;font-size:12px;color:{FAINT}'>{group}</div>"
            f"<div style='display:flex;gap:3px;align-items:flex-end;height:26px;flex:1;"
            f"border-bottom:1px solid {EDGE}'>{bars}</div></div>"
        )
    return f"<div style='padding:0 14px 8px'>{rows}{_legend()}</div>"


def _legend() -> str:
    """What the colours in the picture mean."""
    marks = "".join(
        f"<span style='position:absolute;left:{palette.tone(share):.0%};transform:"
        f"translateX(-{palette.tone(share):.0%});white-space:nowrap'>{word}</span>"
        for share, word in LEGEND
    )
    ramp = f"linear-gradient(90deg,{palette.MUSCLE_REST},{palette.MUSCLE_FULL})"
    return (
        f"<div style='display:flex;margin-top:8px;font-size:11px;color:{FAINT}'>"
        f"<div style='width:108px'>in the picture</div>"
        f"<div style='flex:1'><div style='height:7px;border-radius:4px;background:{ramp}'></div>"
        f"<div style='position:relative;height:15px'>{marks}</div></div></div>"
    )


def _bar(name: str, activation: float) -> str:
    share = palette.tone(activation)
    percent = f"{activation:.0%}" if math.isfinite(activation) else "unknown"
    return (
        f"<div title='{name} {percent}' style='flex:1;max-width:22px;height:{share:.0%};"
        f"min-height:1px;background:{palette.MUSCLE_FULL};opacity:{0.35 + 0.65 * share:.2f}'></div>"
    )
