"""``myoloop emulate``: devices that are not there, each by entry point."""

import typer

from controller.cli import Commands


class Emulators(Commands):
    """Finds emulators by name in the entry points ``myoloop.emulators``."""

    installed_as = "myoloop.emulators"


app = typer.Typer(
    cls=Emulators,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Be a device, on a pty of its own: real bytes, watchdogs, limits, and faults by name.",
)
