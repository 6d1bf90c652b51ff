"""``myoloop bench emg``: accuracy and delay of the decoder, per named fault, on simulated EMG."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table


def emg(
    subjects: Annotated[
        int, typer.Option(min=0, max=20, help="Simulated, for each fault; 0 leaves them out.")
    ] = 3,
    seconds: Annotated[
        float, typer.Option(min=0.0, help="Of the live chain, end to end; 0 leaves it out.")
    ] = 30.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Measure the decoder: accuracy and delay per fault, the shares of the delay, end to end.

    The first two run in the signal's own time and come out alike on every machine; what a
    step takes and the way from an EMG sample to the muscle command are this machine's.
    """
    from bridges.emg.measure import end_to_end, faults, shares, steps_ms

    found: dict[str, Any] = {"step_ms": steps_ms()}
    if subjects:
        found |= {"faults": faults(subjects), "delay": shares(subjects)}
    if seconds:
        found["emg_sample_to_command_ms"] = end_to_end(seconds)
    if json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    console = Console(width=110)
    if "faults" in found:
        console.print(_faults(found["faults"]))
        console.print(_windows(found["delay"]))
    for model, took in found["step_ms"].items():
        console.print(f"a step with {model} takes {_tail(took)} ms")
    if live := found.get("emg_sample_to_command_ms"):
        console.print(f"EMG sample to muscle command: {_tail(live)} ms over {live['ticks']} ticks")


def _faults(rows: list[dict[str, Any]]) -> Table:
    table = Table(
        *("fault", "model", "right", "wrong", "moves at rest"),
        *("turn starts p50 (p95) ms", "stops p50 ms", "fault: holds ms", "lets go ms"),
        title="share of 10 ms hops; simulated subjects",
    )
    for row in rows:
        table.add_row(
            row["fault"],
            row["model"],
            f"{row['right']:.1%}",
            f"{row['wrong']:.2%}",
            f"{row['moves_at_rest']:.2%}",
            f"{_ms(row['start_ms']['p50'])} ({_ms(row['start_ms']['p95'])})",
            _ms(row["stop_ms"]["p50"]),
            _ms(row["holds_after_ms"]),
            _ms(row["lets_go_after_ms"]),
        )
    return table


def _windows(delay: dict[str, Any]) -> Table:
    least, most = delay["tolerated_ms"]
    table = Table(
        *("window ms", "right", "turn starts p50 (p95) ms"),
        title=f"lda, no fault; users tolerate {least}-{most} ms",
        caption=f"inside: muscle {delay['muscle_rise_ms']:g} ms time constant, debounce "
        f"{delay['debounce_ms']:g} ms, hop up to {delay['hop_ms']:g} ms, filters "
        f"{delay['filter_ms']:g} ms",
    )
    for row in delay["windows"]:
        start = f"{_ms(row['start_ms']['p50'])} ({_ms(row['start_ms']['p95'])})"
        table.add_row(f"{row['window_ms']:g}", f"{row['right']:.1%}", start)
    return table


def _tail(took: dict[str, float]) -> str:
    return f"p50 {took['p50']:.2f}, p99 {took['p99']:.2f}, max {took['max']:.2f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
