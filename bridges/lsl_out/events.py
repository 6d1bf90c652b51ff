"""What happens from one tick to the next, as the JSON of a marker."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.supervisor.states import Reason, State, reasons

SCHEMA_VERSION: Final = 1  # of the markers, see docs/lsl_out.md
Event = dict[str, Any]


class Events:
    """Compares each tick with the one before."""

    def __init__(self) -> None:
        self._before: NDArray[np.void] | None = None

    def of(self, record: NDArray[np.void]) -> list[Event]:
        """What happened at this tick (a board.RECORD), in the order of cause and effect."""
        before, self._before = self._before, record
        found = _first(record) if before is None else _changes(before, record)
        head = {"schema": SCHEMA_VERSION}
        return [
            {**head, "event": name, "tick": int(record["number"]), **more} for name, more in found
        ]

    def end(self) -> Event:
        """The loop is over."""
        tick = -1 if self._before is None else int(self._before["number"])
        return {"schema": SCHEMA_VERSION, "event": "end", "tick": tick}


Found = Iterator[tuple[str, Event]]


def _first(record: NDArray[np.void]) -> Found:
    yield "start", {"state": _state(record), "policy_sha256": _text(record["policy_sha256"])}


def _changes(before: NDArray[np.void], record: NDArray[np.void]) -> Found:
    if record["missed"] > before["missed"]:
        late = int(record["missed"] - before["missed"])
        yield "missed", {"deadlines": late, "total": int(record["missed"])}
    if record["policy"] > before["policy"]:
        yield "policy", {"policy_sha256": _text(record["policy_sha256"])}
    if _stopped(record) and not _stopped(before):
        yield "estop", {}
    if record["arming"] > before["arming"]:
        yield "armed", {"arming": int(record["arming"])}
    if record["state"] != before["state"]:
        why = {"reasons": reasons(record["reasons"]), "note": _text(record["note"])}
        yield "state", {"state": _state(record), "from": _state(before), **why}
    yield from _task(before, record)


def _task(before: NDArray[np.void], record: NDArray[np.void]) -> Found:
    """Only of ticks on which the policy worked."""
    if not record["judged"]:
        return
    if bool(record["solved"]) != bool(before["judged"] and before["solved"]):
        errors_mm = [round(float(e) * 1e3, 2) for e in record["error_m"][: record["objects"]]]
        yield "solved" if record["solved"] else "unsolved", {"errors_mm": errors_mm}
    if record["dropped"] and not before["dropped"]:
        yield "drop", {}


def _stopped(record: NDArray[np.void]) -> bool:
    return bool(record["state"] == State.FAULT and Reason(int(record["reasons"])) & Reason.ESTOP)


def _state(record: NDArray[np.void]) -> str:
    return State(int(record["state"])).name


def _text(field: Any) -> str:
    return bytes(field).decode(errors="replace")
