"""``myoloop hazards``: breaks a live daemon in every way that docs/safety.md lists, and watches.

What is measured is what a device would have been told: the follower ``probe`` stands in a
driver's place and writes it down.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from controller.errors import MyoloopError
from controller.supervisor.states import State

if TYPE_CHECKING:
    from hil.hazard_bench import Bench

SETTLE_S: Final = 0.6
END_S: Final = 10.0  # a daemon on a busy machine takes its time to end
FLOOD_S: Final = 2.0
SWAP_S: Final = 10.0


@dataclass(frozen=True)
class Hazard:
    """One way to break it.

    Attributes:
        name: as in docs/safety.md.
        inject: does it; what follows is timed from its return, or from its beginning.
        states: where the daemon may be afterwards.
        mend: undoes it.
    """

    name: str
    inject: Callable[[Bench], None]
    states: tuple[str, ...]
    mend: Callable[[Bench], None] = lambda bench: None


class Row(msgspec.Struct, frozen=True):
    """What one hazard came to."""

    name: str
    time_to_rest_ms: float | None
    commands_outside_limits: int
    at_rest: bool
    state: str
    expected: list[str]
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether it ended as promised."""
        safe = self.commands_outside_limits == 0 and self.at_rest
        return safe and self.state in self.expected


def _say(**changes: Any) -> Callable[[Bench], None]:
    def inject(bench: Bench) -> None:
        bench.say(**changes)

    return inject


def _quiet(bench: Bench) -> None:
    bench.say(silent=True)


def _break_hand(fault: str) -> Callable[[Bench], None]:
    return lambda bench: bench.break_hand(fault)


def _ask(verb: Any) -> Callable[[Bench], None]:
    def inject(bench: Bench) -> None:
        bench.client.ask(verb)

    return inject


def _kill_follower(name: str) -> Callable[[Bench], None]:
    def inject(bench: Bench) -> None:
        bench.follower(name).send_signal(signal.SIGKILL)

    return inject


def _freeze_follower(name: str) -> Callable[[Bench], None]:
    def inject(bench: Bench) -> None:
        bench.follower(name).send_signal(signal.SIGSTOP)

    return inject


def _swap_then_stop(content: bytes) -> Callable[[Bench], None]:
    """A broken policy changes nothing; the e-stop after it is what is timed."""

    def inject(bench: Bench) -> None:
        path = bench.folder / "broken.onnx"
        path.write_bytes(content)
        reply = bench.ask("swap", str(path), SWAP_S)
        if reply.ok or bench.state is not State.ACTIVE:
            raise MyoloopError(f"the swap to a broken policy was not refused: {reply.message}")
        bench.injected()
        bench.client.ask("estop")

    return inject


def _flood_then_stop(bench: Bench) -> None:
    """Garbage and requests as fast as they go; the e-stop in between is what is timed.

    A machine that is too slow for the flood and the dead-man client faults before: at rest, too.
    """
    flood = subprocess.Popen(
        [sys.executable, "-m", "hil.flood", bench.endpoint.address], stdin=subprocess.DEVNULL
    )
    try:
        bench.play(FLOOD_S)
        if bench.state is State.ACTIVE:
            bench.injected()
            bench.client.ask("estop")
    finally:
        flood.kill()
        flood.wait()


FAULT: Final = (State.FAULT.name,)
DISARMED: Final = (State.DISARMED.name,)
GONE: Final = ("GONE",)

HAZARDS: Final = (
    Hazard("dead-man let go", _say(engage=0.0), DISARMED),
    Hazard("intention stream silent", _quiet, DISARMED),
    Hazard("intention stream killed", lambda bench: bench.kill_stream(), DISARMED),
    Hazard("sender's clock stopped", _say(frozen_stamp=True), DISARMED),
    Hazard("stamps from the future", _say(ahead_s=5.0), DISARMED),
    Hazard("intention NaN", _say(value=float("nan")), DISARMED),
    Hazard("intention out of range", _say(value=1e6), DISARMED),
    Hazard("dead-man NaN", _say(engage=float("nan")), DISARMED),
    Hazard("feedback frozen", _break_hand("freeze"), DISARMED),
    Hazard("feedback NaN", _break_hand("nan"), FAULT),
    Hazard("plant stalls the loop", _break_hand("stall"), (*DISARMED, *FAULT)),
    Hazard("e-stop by command", _ask("estop"), FAULT),
    Hazard("e-stop by SIGUSR1", lambda bench: bench.signal(signal.SIGUSR1), FAULT),
    Hazard("e-stop by LSL marker", lambda bench: bench.mark("estop"), FAULT),
    Hazard("disarm by command", _ask("disarm"), DISARMED),
    Hazard("control port flooded, then e-stop", _flood_then_stop, (*DISARMED, *FAULT)),
    Hazard("swap to garbage, then e-stop", _swap_then_stop(b"garbage"), FAULT),
    Hazard("dead-man client lost", _say(attended=False), FAULT),
    Hazard("required follower killed", _kill_follower("hand"), FAULT),
    Hazard("required follower frozen", _freeze_follower("hand"), FAULT),
    Hazard("control port killed", _kill_follower("control"), FAULT),
    Hazard("plant raises", _break_hand("raise"), GONE),
    Hazard(
        "daemon frozen (SIGSTOP)",
        lambda bench: bench.signal(signal.SIGSTOP),
        (*DISARMED, *FAULT),
        mend=lambda bench: bench.signal(signal.SIGCONT),
    ),
    Hazard("daemon asked to end (SIGTERM)", lambda bench: bench.signal(signal.SIGTERM), GONE),
    Hazard("daemon killed (SIGKILL)", lambda bench: bench.signal(signal.SIGKILL), GONE),
)


def hazards(
    only: Annotated[str, typer.Option(help="Only hazards whose name has this in it.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Break a live demo daemon in every known way; print how fast it came to rest.

    Exit code 1 when a command left the limits, the hand did not come to rest, or the daemon
    is not where docs/safety.md promises.
    """
    from hil.hazard_bench import Bench  # LSL, which the help can do without

    chosen = [hazard for hazard in HAZARDS if only in hazard.name]
    if not chosen:
        names = "; ".join(hazard.name for hazard in HAZARDS)
        raise MyoloopError(f"--only {only!r}: no such hazard; there are: {names}")
    console = Console(stderr=True)
    rows = []
    with Bench() as bench:
        for hazard in chosen:
            rows.append(_try(bench, hazard))
            if not json:
                console.print(_line(rows[-1]), markup=False, highlight=False)
    if json:
        print(msgspec.json.format(msgspec.json.encode({"hazards": rows}), indent=2).decode())
    else:
        _print(rows)
    raise typer.Exit(int(not all(row.passed for row in rows)))


def _try(bench: Bench, hazard: Hazard) -> Row:
    """Work, break it, watch it come to rest."""
    bench.work()
    bench.injected()
    note = ""
    try:
        hazard.inject(bench)
    except MyoloopError as error:
        note = str(error)
    bench.watch_rest()
    hazard.mend(bench)
    bench.play(SETTLE_S)
    if hazard.states == GONE:
        bench.play_until(lambda: not bench.alive, END_S)
    state = bench.state.name if bench.alive else "GONE"
    time_ms = bench.time_to_rest_ms()
    row = Row(
        name=hazard.name,
        time_to_rest_ms=time_ms,
        commands_outside_limits=bench.outside_limits(),
        at_rest=time_ms is not None and not note,
        state=state,
        expected=list(hazard.states),
        note=note or (bench.note if bench.alive else ""),
    )
    bench.restore()
    return row


def _line(row: Row) -> str:
    time = "-" if row.time_to_rest_ms is None else f"{row.time_to_rest_ms:.0f} ms"
    return f"{'ok  ' if row.passed else 'FAIL'} {row.name:36} {time:>8}  {row.state}  {row.note}"


def _print(rows: list[Row]) -> None:
    table = Table("fault", "time to rest", "commands outside limits", "at rest", "state after")
    for row in rows:
        time = "-" if row.time_to_rest_ms is None else f"{row.time_to_rest_ms:.0f} ms"
        table.add_row(
            row.name,
            time,
            str(row.commands_outside_limits),
            "yes" if row.at_rest else "NO",
            row.state if row.passed else f"{row.state} (expected {' or '.join(row.expected)})",
        )
    Console().print(table)
