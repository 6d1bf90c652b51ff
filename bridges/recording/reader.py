"""Reads a recording, a torn one as well: what stands in whole chunks is there."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from mcap.exceptions import McapError
from mcap.records import Attachment, Channel, DataEnd, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import StreamReader
from numpy.typing import NDArray

from bridges.recording.schema import TickMessage, decode_tick, tick_class
from bridges.recording.writer import ABOUT, POLICY, TICKS
from controller.board import RECORD
from controller.errors import MyoloopError

MAX_RECORD: Final = 256 * 2**20  # bytes; a damaged length must not fill the memory


@dataclass
class Recording:
    """What a file holds.

    Attributes:
        about: what the run was made of.
        epoch_ns: CLOCK_MONOTONIC 0 in nanoseconds since the epoch.
        policy: content of the policy's file, b"" without one.
        ticks: (n,) board records, in order.
        torn: why the file ends early, "" when it is whole.
    """

    path: Path
    about: dict[str, Any] = field(default_factory=dict)
    epoch_ns: int = 0
    policy: bytes = b""
    ticks: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, RECORD))
    torn: str = "the file has no end"

    @property
    def gaps(self) -> int:
        """Ticks that are missing between the first and the last."""
        numbers = self.ticks["number"]
        return int(numbers[-1] - numbers[0] + 1 - len(numbers))


def read(path: Path) -> Recording:
    """Read a recording as far as it goes.

    Raises:
        MyoloopError: no recording of myoloop, or not one whole tick in it.
    """
    found, ticks, topics, kind = Recording(path), [], {}, TickMessage
    try:
        with path.open("rb") as file:
            for record in StreamReader(file, record_size_limit=MAX_RECORD).records:
                if isinstance(record, Channel):
                    topics[record.id] = record.topic
                elif isinstance(record, Message) and topics.get(record.channel_id) == TICKS:
                    ticks.append(decode_tick(record.data, kind))
                elif isinstance(record, Schema) and record.name == TickMessage.DESCRIPTOR.full_name:
                    kind = tick_class(record.data)
                else:
                    _take(found, record)
    except OSError as error:
        raise MyoloopError(f"{path}: can't be read: {error.strerror}") from None
    except Exception as error:  # the reader's own, of zstandard, of struct: damage has many names
        found.torn = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if not isinstance(error, McapError) and not ticks:
            raise MyoloopError(f"{path}: not a recording: {found.torn}") from None
    if not ticks or not found.about:
        raise MyoloopError(f"{path}: not one whole tick of myoloop in it ({found.torn or 'empty'})")
    found.ticks = np.array(ticks, RECORD)
    return found


def _take(found: Recording, record: McapRecord) -> None:
    if isinstance(record, Metadata) and record.name == ABOUT:
        found.about = msgspec.json.decode(record.metadata["about"])
        found.epoch_ns = int(record.metadata["epoch_ns"])
    elif isinstance(record, Attachment) and record.name == POLICY:
        found.policy = record.data
    elif isinstance(record, DataEnd):
        found.torn = ""
