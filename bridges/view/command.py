"""``myoloop view``: the page."""

import os
import signal
import socket
import webbrowser
from contextlib import suppress
from importlib.util import find_spec
from typing import Annotated, Final

import typer

from bridges.control.commands import Key, Session
from controller.errors import HostError

PORT: Final = 8080
NICE: Final = 10  # everything else comes first, the loop above all


def has_display() -> bool:
    """Whether a browser can be opened here."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def free_port() -> int:
    """The usual port, or another one while that is taken."""
    for port in (PORT, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise HostError("no port is free")


def check_free(port: int) -> None:
    """Refuse a port that is taken.

    Raises:
        HostError: says why.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise HostError(f"port {port}: {error.strerror}; choose one with --port") from None


def view(
    session: Session = "",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the page; 0 takes a free one.")
    ] = PORT,
    key: Key = "",
) -> None:
    """Show a running session in the browser: the hand, its signals, arm, disarm and E-STOP.

    It may be started before the daemon and outlives it. Only this machine can reach it; from
    another one: ssh -L 8080:127.0.0.1:8080 HOST.
    """
    if find_spec("viser") is None or find_spec("mujoco") is None:
        raise HostError("the page needs the extras: pip install 'myoloop[hand,view]'")
    check_free(port)
    from bridges.view.page import Page
    from bridges.view.watch import Watch

    os.nice(NICE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    page = Page(Watch(session), port, key)
    print(f"{page.url}   (Ctrl-C ends it)", flush=True)
    if has_display():
        webbrowser.open(page.url)
    with suppress(KeyboardInterrupt):
        page.run()
    page.close()
