"""Writes a recording: an MCAP file whose chunks hold no more than 100 ms."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from mcap.data_stream import RecordBuilder
from mcap.records import ChunkIndex
from mcap.writer import Writer
from mcap_protobuf.schema import build_file_descriptor_set
from numpy.typing import NDArray

from bridges.recording.schema import Level, LogMessage, TickMessage, encode_log, encode_tick
from controller.supervisor.states import State

CHUNK_S: Final = 0.1
SYNC_S: Final = 1.0
TYPICAL_BYTES: Final = 4000  # of a tick, for a file that gets none
ABOUT: Final = "myoloop"
POLICY: Final = "policy.onnx"
TICKS: Final = "/tick"
LOG: Final = "/log"


class RecordingWriter:
    """Appends ticks; what has been flushed outlives this process, however it ends.

    Args:
        path: of the file.
        about: what the run is made of.
        policy: content of the policy's file, b"" without one.
        rate_hz: of the loop.

    Raises:
        OSError: from each method: the file can't be written.
    """

    def __init__(self, path: Path, about: dict[str, Any], policy: bytes, rate_hz: float) -> None:
        self._file, self._index = path.open("wb"), _IndexOnDisk(path.parent)
        self._about, self._policy = about, policy
        self._chunk_ticks = max(1, int(CHUNK_S * rate_hz) - 1)
        self._epoch_ns = time.time_ns() - time.monotonic_ns()  # of CLOCK_MONOTONIC
        self._synced_s = time.monotonic()
        self._writer: Writer | None = None
        self._told: tuple[int, bytes] = (State.DISARMED, b"")

    def add(self, record: NDArray[np.void]) -> None:
        """Append one tick, and a line to the log when state or trouble is another."""
        data = encode_tick(record)
        if self._writer is None:
            self._writer = self._begin(len(data))
        time_ns, number = self._epoch_ns + int(record["time_ns"]), int(record["number"])
        self._writer.add_message(self._ticks, time_ns, data, time_ns, number)
        told = (int(record["state"]), bytes(record["note"]))
        if told != self._told:
            self._told = told
            line = encode_log(time_ns, *_line(*told))
            self._writer.add_message(self._log, time_ns, line, time_ns, number)

    def _begin(self, tick_bytes: int) -> Writer:
        """Chunks are closed by size: that of 100 ms, less one tick."""
        writer = Writer(self._file, chunk_size=self._chunk_ticks * tick_bytes)
        # mcap keeps the index as objects, 26 MB an hour at ten chunks a second; no setting for it.
        writer._Writer__chunk_indices = self._index  # type: ignore[attr-defined]
        writer.start("", f"myoloop {self._about['versions']['myoloop']}")
        self._ticks, self._log = (
            writer.register_channel(topic, "protobuf", _register(writer, kind))
            for topic, kind in ((TICKS, TickMessage), (LOG, LogMessage))
        )
        about = msgspec.json.encode(self._about).decode()
        writer.add_metadata(ABOUT, {"about": about, "epoch_ns": str(self._epoch_ns)})
        if self._policy:
            now_ns = time.time_ns()
            kind = "application/octet-stream"
            writer.add_attachment(now_ns, now_ns, POLICY, kind, self._policy)
        return writer

    def flush(self) -> None:
        """Hand what stands in whole chunks to the system; once a second, to the disk."""
        self._file.flush()
        if time.monotonic() - self._synced_s > SYNC_S:
            self._synced_s = time.monotonic()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Complete the file."""
        try:
            writer = self._writer or self._begin(TYPICAL_BYTES)
            writer.finish()  # type: ignore[no-untyped-call]  # the one method it left without
            self.flush()
        finally:
            self._file.close()
            self._index.close()


class _IndexOnDisk:
    """The list of a writer's chunks, in a file without a name: it ends with this process.

    Only once, when the recording is completed, does it pass through memory as a whole.

    Args:
        folder: of the recording: a disk that is full is the recording's own.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def append(self, index: ChunkIndex) -> None:
        """Keep where one more chunk stands."""
        builder = RecordBuilder()
        index.write(builder)
        self._file.write(builder.end())  # type: ignore[no-untyped-call]

    def __iter__(self) -> Iterator["_IndexOnDisk"]:
        """All of them, as one thing to be written."""
        yield self

    def write(self, builder: RecordBuilder) -> None:
        """Add all of them to the summary."""
        self._file.seek(0)
        builder.write(self._file.read())

    def close(self) -> None:
        """Let it go."""
        self._file.close()


def _register(writer: Writer, kind: Any) -> int:
    schema = build_file_descriptor_set(kind).SerializeToString()
    return int(writer.register_schema(kind.DESCRIPTOR.full_name, "protobuf", schema))


def _line(state: int, note: bytes) -> tuple[Level, str]:
    words = note.decode(errors="replace")
    level = Level.ERROR if state == State.FAULT else Level.WARNING if words else Level.INFO
    return level, f"{State(state).name}: {words}" if words else State(state).name
