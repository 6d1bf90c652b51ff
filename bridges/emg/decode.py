"""``myoloop decode``: EMG in, intention out."""

from pathlib import Path
from typing import Annotated

import typer


def decode(
    config: Annotated[Path, typer.Argument(help="Such as configs/emg.yaml.")],
    seconds: Annotated[
        float | None, typer.Option(min=1.0, help="End after this time (default: Ctrl-C).")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write what happened as JSON.")] = None,
    view: Annotated[
        Path | None, typer.Option(help="A cell in memory that says what it sees, for a screen.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no changes.")] = False,
) -> None:
    """Read an EMG stream and write the intention stream that 'myoloop run' reads.

    Needs the file of 'myoloop calibrate-emg'. It turns only when it is sure; a gap, a bad
    electrode or hum holds at once and lets go of the dead-man after 0.3 s.
    """
    from bridges.emg.live import run

    run(config, seconds, report, view, quiet)
