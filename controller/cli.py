"""The command ``myoloop``: its subcommands are entry points, loaded when they are asked for."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from controller.errors import HostError, MyoloopError

EXTRAS: Final = {
    "gymnasium": "hand",
    "imageio_ffmpeg": "hand",
    "mujoco": "hand",
    "myosuite": "hand",
    "PIL": "hand",
    "matplotlib": "train",
    "onnx": "train",
    "rsl_rl": "train",
    "scipy": "emg",
    "sklearn": "emg",
    "tensorboard": "train",
    "tensordict": "train",
    "sb3_contrib": "peer",
    "stable_baselines3": "peer",
    "torch": "train",
}
"""The extra that brings an import which the base installation lacks."""


class Commands(TyperGroup):
    """Finds subcommands by name in the entry points of ``installed_as``."""

    installed_as = "myoloop.commands"

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the installed commands."""
        return sorted(self._installed())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load one command; None if there is none of that name."""
        entry = self._installed().get(cmd_name)
        return None if entry is None else _command(cmd_name, *_load(entry))

    def _installed(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=self.installed_as)}


def group(installed_as: str, about: str) -> typer.Typer:
    """A command whose own subcommands are found in these entry points."""
    return typer.Typer(
        cls=type("Group", (Commands,), {"installed_as": installed_as}),
        add_completion=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=about,
    )


def _load(entry: EntryPoint) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function of a command and its settings; a broken one is shown in the help, too."""
    try:
        return entry.load(), {}
    except (ImportError, AttributeError) as error:
        reason = _missing_extra(error) or HostError(f"{entry.value} can't be loaded: {error}")

        def refuse() -> None:
            raise reason

        refuse.__doc__ = f"Not available: {reason}"
        return refuse, {"allow_extra_args": True, "ignore_unknown_options": True}


def _command(name: str, function: Any, settings: dict[str, Any]) -> Any:
    if isinstance(function, typer.Typer):  # a command that has subcommands itself
        return typer.main.get_group(function)
    single = typer.Typer(add_completion=False)
    single.command(name, context_settings=settings)(function)
    return typer.main.get_command(single)


def _missing_extra(error: Exception) -> HostError | None:
    """Which extra to install, when that is what an import error means."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    package = error.name.partition(".")[0]
    if package not in EXTRAS:
        return None
    extra = EXTRAS[package]
    return HostError(
        f"{package} is not installed; it comes with the extra [{extra}]: {sys.executable} "
        f"-m pip install -c constraints.txt -e '.[{extra}]' (docs/install.md)"
    )


def _version(wanted: bool) -> None:
    if wanted:
        print(f"myoloop {version('myoloop')}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Real-time controller for a musculoskeletal hand: intention in, muscle commands out."""


def main() -> None:
    """Run a command; what the user can mend is one line on stderr and exit code 2."""
    try:
        app()
    except MyoloopError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        missing = _missing_extra(error)
        if missing is None:
            raise
        _fail(missing)


def _fail(error: MyoloopError) -> None:
    print(f"myoloop: {error}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
