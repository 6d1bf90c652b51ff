"""One thing that ``myoloop doctor`` looked at."""

import getpass
from typing import Literal

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One thing looked at: a problem stops something that is installed, a warning does not."""

    name: str
    status: Literal["ok", "warning", "problem"]
    found: str
    fix: str = ""
    """A command or an action; empty when nothing is to be done."""


def limits_line(right: str) -> str:
    """The command that gives this user a right of limits.conf(5)."""
    line = f"{getpass.getuser()} - {right}"
    return f"echo '{line}' | sudo tee -a /etc/security/limits.d/95-myoloop.conf; log in again"
