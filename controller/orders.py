"""Orders from outside reach the loop through a cell: a counter for each kind.

Counters lose nothing and need no queue: whoever counts up is heard at the next tick, however
often, and an e-stop can not be hidden behind what comes after it. The writer is the control
port's process; the loop only compares numbers.

What may lead to motion has a time to live: a loop that was frozen or not yet up when somebody
asked, and was told so, does not arm later by itself. What stops never expires.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.cell import CellReader, CellWriter
from controller.errors import HostError
from controller.supervisor.states import Order

PATH: Final = 1024  # bytes of a policy's path
ORDERS: Final = (Order.ESTOP, Order.DISARM, Order.RESET, Order.ARM)
"""The counters' order; ``swap`` comes last."""
SWAP: Final = len(ORDERS)
COUNTERS: Final = len(ORDERS) + 1
TTL_NS: Final = 800_000_000  # many ticks, and less than whoever asked waits for the answer
PERISHABLE: Final = np.array([one in (Order.RESET, Order.ARM) for one in ORDERS] + [True])

ORDER_CELL: Final = np.dtype(
    [
        ("counts", np.int64, (COUNTERS,)),
        ("given_ns", np.int64, (COUNTERS,)),  # CLOCK_MONOTONIC of the newest of each
        ("attended", np.int64),  # whether a dead-man client holds on
        ("swap_to", f"S{PATH}"),
    ]
)


@dataclass(frozen=True, slots=True)
class Orders:
    """What is ordered at this tick.

    Attributes:
        order: bit set; several may have come since the last tick.
        attended: whether a dead-man client holds on.
        swap_to: path of a policy to take over, "" for none.
    """

    order: Order = Order(0)
    attended: bool = False
    swap_to: str = ""


class OrderWriter:
    """The control process's end."""

    def __init__(self, path: Path) -> None:
        self._cell = CellWriter(path, ORDER_CELL)

    def give(self, order: Order) -> int:
        """Order once more; the count that ``taken`` shows when the loop has it."""
        return self._count(ORDERS.index(order))

    def swap(self, path: str) -> int:
        """Ask for another policy.

        Raises:
            HostError: the path is too long for the cell.
        """
        encoded = path.encode()
        if len(encoded) >= PATH:
            raise HostError(f"policy {path}: longer than {PATH - 1} bytes")
        self._cell.record["swap_to"] = encoded
        return self._count(SWAP)

    def _count(self, index: int) -> int:
        counts = self._cell.record["counts"]
        counts[index] += 1
        self._cell.record["given_ns"][index] = time.monotonic_ns()
        self._cell.publish()
        return int(counts[index])

    def attend(self, attended: bool) -> None:
        """Say whether a dead-man client holds on."""
        if bool(self._cell.record["attended"]) != attended:
            self._cell.record["attended"] = attended
            self._cell.publish()


class OrderReader:
    """The loop's end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cell: CellReader | None = None
        self._looked_at: NDArray[np.void] | None = None  # the record that led to ``taken``
        self._unchanged = Orders()
        self.taken = np.zeros(COUNTERS, np.int64)

    def read(self, now_ns: int) -> Orders:
        """What has come since the last call; nothing before the control process is there.

        Args:
            now_ns: CLOCK_MONOTONIC; an order that may lead to motion and is older than TTL_NS
                is passed over.
        """
        if self._cell is None:
            if not self._path.exists():
                return Orders()
            self._cell = CellReader(self._path, ORDER_CELL)
        record = self._cell.read()
        if record is None or record is self._looked_at:  # the same until something comes
            return self._unchanged
        new = record["counts"] != self.taken
        order, swap_to = Order(0), ""
        if new.any():
            new &= ~(PERISHABLE & (now_ns - record["given_ns"] > TTL_NS))
            for one, is_new in zip(ORDERS, new, strict=False):
                order |= one if is_new else Order(0)
            if new[SWAP]:
                swap_to = bytes(record["swap_to"]).decode(errors="replace")
            self.taken[:] = record["counts"]
        self._looked_at, self._unchanged = record, Orders(attended=bool(record["attended"]))
        return Orders(order, bool(record["attended"]), swap_to)
