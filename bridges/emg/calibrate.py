"""``myoloop calibrate-emg``: guides a person through rest and turns, fits, says how good it is."""

from pathlib import Path
from typing import Annotated

import typer


def calibrate_emg(
    config: Annotated[Path, typer.Argument(help="Such as configs/emg.yaml.")],
    repetitions: Annotated[int, typer.Option(min=2, max=10, help="Of the five prompts.")] = 4,
    record_s: Annotated[float, typer.Option(min=0.5, max=10.0, help="Of each prompt [s].")] = 3.0,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="A simulated subject follows the prompts.")
    ] = False,
    fault: Annotated[
        str, typer.Option(help="Of the simulated subject, see 'myoloop emulate emg'.")
    ] = "none",
) -> None:
    """Calibrate the decoder to a person: rest, turn left, turn right, faster; 1.5 minutes.

    Shows the signal and names each bad channel; a prompt with a bad signal is asked again.
    Every model is fitted and judged on repetitions that were left out. The prompts are an
    LSL marker stream as well, for recordings.
    """
    from bridges.emg.calibrating import run

    run(config, repetitions, record_s, simulated, fault)
