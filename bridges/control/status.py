"""What a daemon is doing, read off its board and the cells of its followers."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.cell import CellReader
from controller.errors import HostError
from controller.follower import STATUS, FollowerContext, FollowerState
from controller.supervisor.states import WHAT_IS_MISSING, Missing, Reason, State, names, reasons

SUFFIX: Final = ".status"
SILENT_MS: Final = 1000.0  # a process that says nothing for so long is in trouble


WHY: Final = {
    Reason.ESTOP: "e-stop",
    Reason.DISARMED: "disarmed by order",
    Reason.DISENGAGED: "the dead-man is let go",
    Reason.INTENTION_FAULT: "the intention's stream is in trouble",
    Reason.INTENTION_INVALID: "the intention is out of range or can't be trusted",
    Reason.INTENTION_HOLD: "the intention is late",
    Reason.INTENTION_STALE: "the intention is too old",
    Reason.COMMAND_NOT_FINITE: "the policy gave what is no number",
    Reason.COMMAND_SHAPE: "the policy gave another count than 39",
    Reason.RANGE: "an excitation was cut to 0-1",
    Reason.CEILING: "an excitation was cut to its ceiling",
    Reason.TOTAL: "all excitations together were cut",
    Reason.SLEW: "an excitation was kept from jumping",
    Reason.WINDOW: "an excitation was kept from rising so fast for so long",
    Reason.FEEDBACK_NOT_FINITE: "the hand reports what is no number",
    Reason.FEEDBACK_STALE: "the hand's feedback is old",
    Reason.JOINT_ANGLE: "a joint is beyond its limit",
    Reason.JOINT_SPEED: "a joint is too fast",
    Reason.DEADLINES: "too many deadlines were missed",
    Reason.FOLLOWER: "a process that is required does not answer",
    Reason.ATTENDANT_LOST: "the dead-man client is gone",
    Reason.TICK_FAILED: "a tick failed",
    Reason.STOPPING: "the run ends",
}
"""Why a command is not the wish, in words."""


def text_of(field: Any) -> str:
    """The words in a bytes field of a record."""
    return bytes(field).decode(errors="replace")


def lacking(record: NDArray[np.void]) -> list[str]:
    """What the last arming lacked, in words."""
    missing = Missing(int(record["missing"]))
    return [words for one, words in WHAT_IS_MISSING.items() if one in missing]


def why(record: NDArray[np.void]) -> list[str]:
    """Why the command is not the wish, in words."""
    bits = Reason(int(record["reasons"]))
    return [words for one, words in WHY.items() if one in bits]


def status_of(record: NDArray[np.void], context: FollowerContext) -> dict[str, Any]:
    """Everything that ``myoloop status --json`` prints."""
    about, count = context.about, int(record["channels"])
    now_ns = time.monotonic_ns()
    return {
        "session": context.session,
        "file": about["session"]["file"],
        "state": State(int(record["state"])).name,
        "reasons": reasons(record["reasons"]),
        "note": text_of(record["note"]),
        "missing": names(Missing(int(record["missing"]))),
        "armings": int(record["arming"]),
        "tick": int(record["number"]),
        "tick_age_ms": round((now_ns - int(record["time_ns"])) / 1e6, 1),
        "rate_hz": context.rate_hz,
        "missed_deadlines": int(record["missed"]),
        "lateness_us": round(int(record["lateness_ns"]) / 1e3, 1),
        "engage": _number(record["engage"]),
        "intention": dict(
            zip(about["channels"], map(_number, record["intention"][:count]), strict=False)
        ),
        "intention_age_ms": _number(record["age_s"] * 1e3),
        "intention_fault": text_of(record["fault"]),
        "excitation_max": _number(record["excitation"].max()),
        "policy": _policy(about["policy"], text_of(record["policy_sha256"])),
        "policies": int(record["policy"]),
        "safety_sha256": about["safety"]["sha256"],
        "followers": followers_of(Path(context.folder)),
    }


def _policy(about: dict[str, Any], sha256: str) -> dict[str, Any]:
    """What is known of the present policy: less of one that was swapped in."""
    return about if about["sha256"] == sha256 else {"sha256": sha256}


def _number(value: Any) -> float | None:
    """A number that JSON can hold."""
    return round(float(value), 4) if np.isfinite(value) else None


def followers_of(folder: Path) -> dict[str, dict[str, Any]]:
    """How each process beside the loop says it is."""
    found = {}
    for path in sorted(folder.glob("*" + SUFFIX)):
        with suppress(HostError):  # it is only being made
            record = CellReader(path, STATUS).read()
            if record is not None:
                found[path.name.removesuffix(SUFFIX)] = {
                    "state": FollowerState(int(record["state"])).name,
                    "reason": text_of(record["reason"]),
                    "silent_ms": round((time.monotonic_ns() - int(record["beat_ns"])) / 1e6, 1),
                    "dropped": int(record["dropped"]),
                }
    return found


def troubles_of(folder: Path) -> list[str]:
    """What is wrong with the processes beside the loop, in words; they go on with a lost tick."""
    found = []
    for name, status in followers_of(folder).items():
        if status["state"] == FollowerState.FAULT.name:
            found.append(f"{name}: {status['reason']}")
        elif status["silent_ms"] > SILENT_MS:
            found.append(f"{name}: silent for {status['silent_ms'] / 1e3:.0f} s")
        elif status["dropped"]:
            found.append(f"{name}: {status['dropped']} ticks lost")
    return found
