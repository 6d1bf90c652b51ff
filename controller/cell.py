"""A cell: the newest value only, in a mapped file. One writer, any number of readers.

The sequence number is odd while the writer writes; a reader that meets an odd or a changed
number looks again. Neither side can delay the other.
"""

import os
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.errors import HostError
from controller.mapped import layout_of, open_mapped, prepare, unveil

MAGIC: Final = 0x4D594343  # "MYCC"
LOOKS: Final = 3  # a writer is done within a microsecond; one that died in between never is

HEADER: Final = np.dtype(
    [
        ("magic", np.uint32),
        ("layout", np.uint32),
        ("owner_pid", np.int64),
        ("sequence", np.int64),  # odd while being written, 0 before the first value
    ]
)


class CellWriter:
    """The owner's end: fill ``record`` in place, then ``publish``."""

    def __init__(self, path: Path, layout: "np.dtype[np.void]") -> None:
        self.path = path
        size = HEADER.itemsize + layout.itemsize
        self._map, unfinished = prepare(path, size, "cell")
        self._header = np.frombuffer(self._map, HEADER, count=1)
        self._value = np.frombuffer(self._map, layout, count=1, offset=HEADER.itemsize)
        self._header[0] = (MAGIC, layout_of(layout), os.getpid(), 0)
        self.record = np.zeros((), layout)
        unveil(unfinished, path, "cell")

    def publish(self) -> None:
        """Make ``record`` visible."""
        self._header["sequence"] += 1
        self._value[0] = self.record
        self._header["sequence"] += 1


class CellReader:
    """Anybody's end."""

    def __init__(self, path: Path, layout: "np.dtype[np.void]") -> None:
        """Map a cell.

        Raises:
            HostError: not there, or not a cell of this layout.
        """
        self._map = open_mapped(path, "cell")
        if len(self._map) != HEADER.itemsize + layout.itemsize:
            raise HostError(f"{path}: not a cell of this myoloop: {len(self._map)} bytes")
        self._header = np.frombuffer(self._map, HEADER, count=1)
        if (self._header["magic"][0], self._header["layout"][0]) != (MAGIC, layout_of(layout)):
            raise HostError(f"{path}: not a cell of this myoloop: another layout")
        self._sequence = self._header["sequence"]
        self._layout, self._value = layout, memoryview(self._map)[HEADER.itemsize :]
        self._newest: NDArray[np.void] | None = None
        self._seen = 0

    def read(self) -> NDArray[np.void] | None:
        """A copy of the newest whole value; None before the first."""
        for _ in range(LOOKS):
            before = int(self._sequence[0])
            if before == self._seen:
                break
            if before % 2:
                continue
            copy = np.frombuffer(bytes(self._value), self._layout)[0]
            if int(self._sequence[0]) == before:
                self._newest, self._seen = copy, before
                break
        return self._newest
