"""``myoloop emulate emg``: a subject with electrodes on, who plays the demo's story."""

from typing import Annotated

import typer

from bridges.emg.simulated import FAULTS, RATE_HZ, Fault
from controller.errors import SettingsError


def emg(
    session: Annotated[str, typer.Option(help="LSL session.")] = "default",
    source_id: Annotated[str, typer.Option(help="Of the EMG stream.")] = "myoloop-emg-1",
    pedal: Annotated[
        str, typer.Option(help="source_id of the pedal's stream, the dead-man.")
    ] = "myoloop-pedal-1",
    name: Annotated[str, typer.Option(help="Of the EMG stream.")] = "myoloop-emg",
    follow: Annotated[
        str, typer.Option(help="source_id of a prompt stream: do what it asks, not the story.")
    ] = "",
    fault: Annotated[str, typer.Option(help=f"One of: {', '.join(FAULTS)}.")] = "none",
    fault_from: Annotated[float, typer.Option(min=0.0, help="When it begins [s].")] = 0.0,
    rate: Annotated[
        float, typer.Option(min=200.0, max=10_000.0, help="Samples a second.")
    ] = RATE_HZ,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 1,
    rest: Annotated[
        float, typer.Option(min=0.0, help="Rest so long before the story begins [s].")
    ] = 0.0,
    loop: Annotated[bool, typer.Option("--loop", help="Start again at the end.")] = False,
) -> None:
    """Stream simulated EMG of a forearm, 8 channels, and a pedal; faults by name.

    Starts when somebody reads; then turns the hand left and right by the demo's story.
    """
    from bridges.emg.subject import Subject

    forearm = (seed, known(fault), fault_from, rate)
    subject = Subject(session, name, source_id, pedal, forearm)
    if follow:
        subject.follow(follow)
    else:
        subject.play(loop, rest)


def known(fault: str) -> Fault:
    """The fault of this name.

    Raises:
        SettingsError: there is none.
    """
    for one in FAULTS:
        if one == fault:
            return one
    raise SettingsError(f"--fault: {fault!r}; allowed: {', '.join(FAULTS)}")
