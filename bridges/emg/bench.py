"""``myoloop bench emg``: accuracy and delay of the decoder, per named fault, on simulated EMG."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table


def emg(
    subjects: Annotated[int, typer.Option(min=1, max=20, help="Simulated, for each fault.")] = 3,
    seconds: Annotated[
        float, typer.Option(min=0.0, help="Of the live chain, end to end; 0 leaves it out.")
    ] = 30.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Measure the decoder: accuracy and delay per fault, the shares of the delay, end to end.

    The first two run in the signal's own time and come out alike on every machine; what a
    step takes and the way from an EMG sample to the muscle command are this machine's.
    """
    from bridges.emg.measure import end_to_end, faults, shares

    found: dict[str, Any] = {"faults": faults(subjects), "delay": shares(subjects)}
    if seconds:
        found["emg_sample_to_command_ms"] = end_to_end(seconds)
    if json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    console = Console(width=110)
    table = Table(
        *("fault", "model", "right", "wrong", "moves at rest"),
        *("turn starts p50 (p95) ms", "stops p50 ms", "fault: holds ms", "lets go ms"),
        title="share of 10 ms hops; simulated subjects",
    )
    for row in found["faults"]:
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
    console.print(table)
    delay = found["delay"]
    windows = Table(
        *("window ms", "right", "turn starts p50 (p95) ms", "of which debounce, muscle ms"),
        title=f"lda, no fault; users tolerate {delay['tolerated_ms'][0]}-"
        f"{delay['tolerated_ms'][1]} ms",
    )
    for row in delay["windows"]:
        windows.add_row(
            f"{row['window_ms']:g}",
            f"{row['right']:.1%}",
            f"{_ms(row['start_ms']['p50'])} ({_ms(row['start_ms']['p95'])})",
            f"{delay['debounce_ms']:g}, {delay['muscle_rise_ms']:g}",
        )
    console.print(windows)
    console.print(f"filter {delay['filter_ms']} ms, hop {delay['hop_ms']:g} ms at most")
    for model, took in delay["step_ms"].items():
        console.print(f"a step with {model} takes {took}")
    if live := found.get("emg_sample_to_command_ms"):
        console.print(f"EMG sample to muscle command, ms: {live}")


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
