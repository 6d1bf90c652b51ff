"""``myoloop bench``: measurements of this machine; each floor brings its own by entry point."""

import typer

from controller.cli import Commands


class Benches(Commands):
    """Finds measurements by name in the entry points ``myoloop.benches``."""

    installed_as = "myoloop.benches"


app = typer.Typer(
    cls=Benches,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Measure this machine: each measurement prints its figures, and JSON with --json.",
)
