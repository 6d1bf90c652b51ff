"""Ports and devices: what ``myoloop doctor`` finds of them."""

import grp
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bridges.check import Check

GROUPS: Final = ("224.0.0.183", "239.255.172.215")
"""LSL's machine and site scope: https://labstreaminglayer.readthedocs.io/info/lslapicfg.html."""
WAIT_S: Final = 1.0
BY_ID: Final = Path("/dev/serial/by-id")
DEVICES: Final = ("ttyUSB*", "ttyACM*")


def network() -> Iterator[Check]:
    """Multicast for LSL, and ports of this machine."""
    yield _multicast()
    yield _loopback()


def devices() -> Iterator[Check]:
    """Serial devices and whether this user may open them."""
    found = sorted({file for kind in DEVICES for file in Path("/dev").glob(kind)})
    if not found:
        yield Check("serial devices", "ok", "none plugged in; emulators need none")
        return
    closed = [str(file) for file in found if not os.access(file, os.R_OK | os.W_OK)]
    if closed:
        group = grp.getgrgid(found[0].stat().st_gid).gr_name
        yield Check(
            "serial devices",
            "warning",
            f"{', '.join(closed)}: not this user's to open",
            f"sudo adduser $USER {group}; log in again",
        )
        return
    names = sorted(file.name for file in BY_ID.glob("*")) if BY_ID.exists() else []
    yield Check("serial devices", "ok", ", ".join(names or map(str, found)))


def _multicast() -> Check:
    """Send to LSL's own groups and hear it: other machines may still be cut off."""
    deaf = [group for group in GROUPS if not _hears(group)]
    if not deaf:
        return Check("multicast", "ok", f"{', '.join(GROUPS)} heard on this machine")
    return Check(
        "multicast",
        "warning",
        f"{', '.join(deaf)} not heard: streams of other machines will not be found",
        "sudo ip route add 224.0.0.0/4 dev INTERFACE, or KnownPeers in lsl_api.cfg",
    )


def _hears(group: str) -> bool:
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth,
        ):
            ear.bind(("", 0))
            ear.settimeout(WAIT_S)
            anywhere = struct.pack("4sl", socket.inet_aton(group), socket.INADDR_ANY)
            ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, anywhere)
            mouth.sendto(b"myoloop", (group, ear.getsockname()[1]))
            return ear.recv(64) == b"myoloop"
    except OSError:
        return False


def _loopback() -> Check:
    name = "loopback ports"
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(WAIT_S)
            with socket.create_connection(server.getsockname(), WAIT_S):
                server.accept()[0].close()
    except OSError as error:
        return Check(name, "problem", f"TCP on 127.0.0.1: {error}", "sudo ip link set lo up")
    return Check(name, "ok", "TCP on 127.0.0.1 works: control port, page")
