"""Mapped files: memory that several processes share, with an owner and a checked layout."""

import mmap
import os
import zlib
from pathlib import Path

import numpy as np

from controller.errors import HostError


def layout_of(*parts: "np.dtype[np.void]") -> int:
    """A number that differs as soon as a field of the layout does."""
    return zlib.crc32(repr([part.descr for part in parts]).encode())


def prepare(path: Path, size: int, what: str) -> tuple[mmap.mmap, Path]:
    """Make a file of this size under a name of its own; ``unveil`` gives it ``path``.

    Raises:
        HostError: the folder can't be written or the disk is full.
    """
    unfinished = path.with_name(path.name + ".new")  # no reader ever sees half a header
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)  # never a bus error on a full disk
            return mmap.mmap(file.fileno(), size), unfinished
    except OSError as error:
        raise HostError(f"{what} {path}: can't be written: {error.strerror}") from None


def unveil(unfinished: Path, path: Path, what: str) -> None:
    """Let readers find the file.

    Raises:
        HostError: ``path`` can't be replaced.
    """
    try:
        unfinished.replace(path)
    except OSError as error:
        raise HostError(f"{what} {path}: can't be written: {error.strerror}") from None


def open_mapped(path: Path, what: str) -> mmap.mmap:
    """Map somebody else's file for reading.

    Raises:
        HostError: it is not there, empty or can't be read.
    """
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise HostError(f"{path}: can't read the {what}: {error}") from None
