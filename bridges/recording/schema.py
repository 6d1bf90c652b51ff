"""A tick as a protobuf message, made of the board's own layout, and back again without loss.

Protobuf, because Foxglove reads it by the schema in the file, and because NaN and every bit of
a double come through, which JSON does not promise (https://mcap.dev/spec/registry#protobuf).
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np
from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from numpy.typing import NDArray

from controller.board import RECORD
from controller.supervisor.states import State

KINDS: Final[dict[str, int]] = {
    "int64": Field.TYPE_INT64,
    "uint32": Field.TYPE_UINT32,
    "float32": Field.TYPE_FLOAT,
    "float64": Field.TYPE_DOUBLE,
}
COUNT_OF: Final = {
    "intention": "channels",
    "goal": "goals",
    "observation": "observations",
    "object_pos": "objects",
    "object_vel": "objects",
    "target_pos": "objects",
    "error_m": "objects",
}
"""Of which field says how many of an array's rows are in use; the others are left out."""
TIMESTAMP: Final = "google/protobuf/timestamp.proto"


class Level(IntEnum):
    """Of a line in the log; the numbers are those of foxglove.Log."""

    UNKNOWN = 0
    DEBUG = 1
    INFO = 2
    WARNING = 3
    ERROR = 4
    FATAL = 5


def _tick_file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="myoloop/tick.proto", package="myoloop", syntax="proto3")
    states = file.enum_type.add(name="State")
    for state in State:
        states.value.add(name=state.name, number=state)
    message = file.message_type.add(name="Tick")
    for number, name in enumerate(RECORD.names or (), start=1):
        base, shape = RECORD[name].base, RECORD[name].shape
        kind = Field.TYPE_STRING if base.kind == "S" else KINDS[base.name]
        label = Field.LABEL_REPEATED if shape else Field.LABEL_OPTIONAL
        field = message.field.add(name=name, number=number, type=kind, label=label)
        if name == "state":
            field.type, field.type_name = Field.TYPE_ENUM, ".myoloop.State"
    return file


def _log_file() -> FileDescriptorProto:
    """foxglove.Log, as documented: https://docs.foxglove.dev/docs/sdk/schemas/log."""
    file = FileDescriptorProto(
        name="foxglove/Log.proto", package="foxglove", syntax="proto3", dependency=[TIMESTAMP]
    )
    message = file.message_type.add(name="Log")
    levels = message.enum_type.add(name="Level")
    for level in Level:
        levels.value.add(name=level.name, number=level)
    stamp = message.field.add(name="timestamp", number=1, type=Field.TYPE_MESSAGE)
    stamp.type_name = ".google.protobuf.Timestamp"
    grade = message.field.add(name="level", number=2, type=Field.TYPE_ENUM)
    grade.type_name = ".foxglove.Log.Level"
    for number, name in ((3, "message"), (4, "name"), (5, "file")):
        message.field.add(name=name, number=number, type=Field.TYPE_STRING)
    message.field.add(name="line", number=6, type=Field.TYPE_FIXED32)
    return file


_pool = DescriptorPool()
_pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
_pool.Add(_tick_file())
_pool.Add(_log_file())
TickMessage: Final[Any] = GetMessageClass(_pool.FindMessageTypeByName("myoloop.Tick"))
LogMessage: Final[Any] = GetMessageClass(_pool.FindMessageTypeByName("foxglove.Log"))


def encode_tick(record: NDArray[np.void]) -> bytes:
    """The bytes of a board record."""
    message = TickMessage()
    for name in RECORD.names or ():
        value = record[name]
        if RECORD[name].shape:
            used = int(record[COUNT_OF[name]]) if name in COUNT_OF else len(value)
            getattr(message, name).extend(value[:used].ravel().tolist())
        elif RECORD[name].kind == "S":
            setattr(message, name, bytes(value).decode(errors="replace"))
        else:
            setattr(message, name, value.item())
    encoded: bytes = message.SerializeToString()
    return encoded


def tick_class(descriptor_set: bytes) -> Any:
    """The message that a file's own schema describes: older layouts stay readable.

    Raises:
        ValueError: not a schema of ticks.
    """
    pool = DescriptorPool()
    try:
        for file in FileDescriptorSet.FromString(descriptor_set).file:
            pool.Add(file)
        return GetMessageClass(pool.FindMessageTypeByName("myoloop.Tick"))
    except (DecodeError, TypeError, KeyError) as error:
        raise ValueError(f"not a schema of ticks: {error}") from None


def decode_tick(data: bytes, kind: Any = TickMessage) -> NDArray[np.void]:
    """The board record of the bytes.

    Args:
        data: as ``encode_tick`` made it.
        kind: the message's class, by the file's own schema.

    Returns:
        A record; zero in what the message does not have, and beyond the counted rows.

    Raises:
        ValueError: not such a message.
    """
    try:
        message = kind.FromString(data)
    except DecodeError as error:
        raise ValueError(f"not a tick: {error}") from None
    record = np.zeros((), RECORD)
    for name in set(RECORD.names or ()) & set(kind.DESCRIPTOR.fields_by_name):
        value = getattr(message, name)
        if RECORD[name].shape:
            flat = record[name].reshape(-1)
            if len(value) > flat.size:
                raise ValueError(f"not a tick: {len(value)} values of {name}")
            flat[: len(value)] = value
        else:
            record[name] = value.encode() if RECORD[name].kind == "S" else value
    return record


def encode_log(time_ns: int, level: Level, message: str) -> bytes:
    """A line of the log.

    Args:
        time_ns: since the epoch.
        level: how bad it is.
        message: in words.
    """
    line = LogMessage(level=int(level), message=message, name="supervisor")
    line.timestamp.FromNanoseconds(time_ns)
    encoded: bytes = line.SerializeToString()
    return encoded
