"""One LSL session for the whole process, so that two runs on a network do not meet."""

import configparser
import os
import re
from pathlib import Path

from bridges import lsl_api
from controller.errors import StreamError

_FATAL_ONLY = "-3"  # liblsl logs every loss; here a loss is a fault that the user is told

_used: str | None = None


def use_session(session: str) -> None:
    """Put every stream of this process, read or written, into this session.

    Comes before anything else of Lab Streaming Layer: liblsl takes its configuration once.
    The user's own ``lsl_api.cfg`` (known peers, ports) stays in force.

    Raises:
        StreamError: a character is not allowed, the process is already in another session,
            or that file is broken.
    """
    global _used
    if not re.fullmatch(r"[\w.:-]+", session):  # it becomes part of liblsl's queries
        raise StreamError(f"LSL session {session!r}: only letters, digits and _ . : - are allowed")
    if _used is None:
        lsl_api.configure(_configuration(session))
        _used = session
    elif _used != session:
        raise StreamError(
            f"LSL session {session!r}: this process is already in the session {_used!r}; "
            "liblsl allows one for each process"
        )


def _configuration(session: str) -> str:
    """The configuration that liblsl would have read, with this session in it."""
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=(";",)
    )
    parser.optionxform = str  # type: ignore[assignment]  # liblsl's keys have capitals
    path = next((p for p in _candidates() if p.is_file()), None)
    if path:
        try:
            parser.read_string(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            raise StreamError(f"{path}: {' '.join(str(error).split())}") from None
    merged = {name: dict(parser[name]) for name in parser.sections()}
    merged.setdefault("log", {}).setdefault("level", _FATAL_ONLY)
    merged.setdefault("lab", {})["SessionID"] = session
    lines = [
        line
        for section, values in merged.items()
        for line in (f"[{section}]", *(f"{key} = {value}" for key, value in values.items()))
    ]
    return "\n".join(lines) + "\n"


def _candidates() -> list[Path]:
    """Where liblsl looks, in its order."""
    named = os.environ.get("LSLAPICFG")
    return [
        *([Path(named)] if named else []),
        Path("lsl_api.cfg"),
        Path("~/lsl_api/lsl_api.cfg").expanduser(),
        Path("/etc/lsl_api/lsl_api.cfg"),
    ]
