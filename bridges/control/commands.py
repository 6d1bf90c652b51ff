"""``myoloop arm | disarm | estop | reset | status | swap``: asks a running daemon."""

import signal
import time
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from bridges.control.client import Client
from bridges.control.messages import Reply, Verb
from controller import rundir
from controller.errors import MyoloopError
from controller.rundir import Endpoint

HOLD_S: Final = 0.1

Session = Annotated[
    str, typer.Option(help="Name of the session; not needed while only one runs here.")
]
Address = Annotated[
    str, typer.Option(help="Of a daemon on another machine, such as tcp://10.0.0.2:5601.")
]
Key = Annotated[str, typer.Option(help="CURVE key file of this client (NAME.key_secret).")]
ServerKey = Annotated[str, typer.Option(help="The daemon's public CURVE key, for --address.")]


def connect(session: str, address: str, key: str, server_key: str) -> Client:
    """To a daemon by name, or by address."""
    if address:
        return Client(Endpoint(address=address, server_key=server_key), key)
    return Client(rundir.endpoint(rundir.find(session)), key)


def _do(client: Client, verb: Verb, text: str = "") -> Reply:
    """Ask, say what came of it.

    Raises:
        MyoloopError: it did not happen.
    """
    reply = client.ask(verb, text)
    if not reply.ok:
        raise MyoloopError(reply.message)
    print(f"{reply.message} ({reply.state})")
    return reply


def arm(
    session: Session = "",
    attend: Annotated[
        bool,
        typer.Option("--attend", help="Stay as dead-man client: Ctrl-C, or the end, relaxes."),
    ] = False,
    address: Address = "",
    key: Key = "",
    server_key: ServerKey = "",
) -> None:
    """Arm a running daemon; then raising engage starts.

    Refused, with reasons, unless every precondition is true at once: a fresh intention with
    engage low, a policy that answers, a hand at rest, every required follower there.
    """
    with connect(session, address, key, server_key) as client:
        if attend:
            client.ask("hold")
            time.sleep(2 * HOLD_S)
        _do(client, "arm")
        if attend:
            _attend(client)


def _attend(client: Client) -> None:
    """Hold on until told to end, then disarm; silence alone would be a fault."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    try:
        while True:
            client.ask("hold")
            time.sleep(HOLD_S)
    except KeyboardInterrupt:
        _do(client, "disarm")


def disarm(
    session: Session = "", address: Address = "", key: Key = "", server_key: ServerKey = ""
) -> None:
    """Relax the hand and disarm."""
    with connect(session, address, key, server_key) as client:
        _do(client, "disarm")


def estop(
    session: Session = "", address: Address = "", key: Key = "", server_key: ServerKey = ""
) -> None:
    """Stop: rest at once, latched until a reset. No hardware e-stop, which you need besides."""
    with connect(session, address, key, server_key) as client:
        _do(client, "estop")


def reset(
    session: Session = "", address: Address = "", key: Key = "", server_key: ServerKey = ""
) -> None:
    """Leave FAULT, and put a simulated task back to its start; nothing moves by it."""
    with connect(session, address, key, server_key) as client:
        _do(client, "reset")


def swap(
    policy: Annotated[Path, typer.Argument(help="ONNX file, as the daemon's machine sees it.")],
    session: Session = "",
    address: Address = "",
    key: Key = "",
    server_key: ServerKey = "",
) -> None:
    """Put another policy in charge: checked outside of the loop, tried in shadow, then switched.

    It takes over on a tick boundary while the hand is relaxed or held; a bad file changes
    nothing.
    """
    with connect(session, address, key, server_key) as client:
        _do(client, "swap", str(policy.absolute()) if not address else str(policy))


def status(
    session: Session = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
    address: Address = "",
    key: Key = "",
    server_key: ServerKey = "",
) -> None:
    """What a running daemon is doing."""
    with connect(session, address, key, server_key) as client:
        reply = client.ask("status")
    if not reply.ok:
        raise MyoloopError(reply.message)
    if json:
        print(msgspec.json.format(msgspec.json.encode(reply.status), indent=2).decode())
    else:
        _print(reply.status)


def _print(found: dict[str, Any]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    told = [", ".join(found["reasons"]), found["note"]]  # in a fault the note says it best
    reasons = next(filter(None, reversed(told) if found["state"] == "FAULT" else told), "")
    intention = ", ".join(f"{label} {value}" for label, value in found["intention"].items())
    age = found["intention_age_ms"]
    rows = {
        "session": f"{found['session']} ({found['file']})",
        "state": f"{found['state']}{f' ({reasons})' if reasons else ''}",
        "intention": f"{intention}, engage {found['engage']}, "
        f"{'never heard' if age is None else f'{age:.0f} ms old'}",
        "ticks": f"{found['tick']} at {found['rate_hz']:g} Hz, {found['missed_deadlines']} "
        f"deadlines missed, the newest {found['tick_age_ms']:.0f} ms ago",
        "policy": f"{found['policy'].get('file', '')} {found['policy']['sha256'][:12]}",
        "limits": found["safety_sha256"][:12],
    }
    for name, follower in found["followers"].items():
        reason = f": {follower['reason']}" if follower["reason"] else ""
        lost = f", {follower['dropped']} ticks dropped" if follower["dropped"] else ""
        rows[name] = f"{follower['state']}{reason}{lost}"
    for name, words in rows.items():
        table.add_row(name, words)
    Console(soft_wrap=True).print(table, markup=False, highlight=False)
