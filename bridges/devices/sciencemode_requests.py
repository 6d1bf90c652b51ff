"""The data of what is said to a stimulator: packed, and read again by an emulated one."""

import struct
from collections.abc import Callable
from typing import Final

from bridges.devices.sciencemode_messages import (
    CHANNELS,
    POINTS_MAX,
    Command,
    LlChannelConfig,
    LlInit,
    MlGetCurrentData,
    MlInit,
    MlStop,
    MlUpdate,
    Plain,
    Point,
    Request,
    Train,
    fits,
)

PLAIN: Final = (
    Command.LL_STOP,
    Command.RESET,
    Command.GET_VERSION_MAIN,
    Command.GET_DEVICE_ID,
    Command.GET_STIM_STATUS,
    Command.GET_EXTENDED_VERSION,
)


def pack_request(request: Request) -> tuple[int, bytes]:
    """Command and data.

    Raises:
        ValueError: something does not fit into its bits; names it.
    """
    match request:
        case MlInit(stop_on_error):
            return Command.ML_INIT, bytes([stop_on_error])
        case MlUpdate(trains):
            return Command.ML_UPDATE, _pack_trains(trains)
        case MlStop():
            return Command.ML_STOP, b""
        case MlGetCurrentData(selection):
            return Command.ML_GET_CURRENT_DATA, bytes([selection])
        case LlInit(high_voltage, measurement):
            byte = fits(measurement, 3, "measurement") << 4 | fits(high_voltage, 3, "voltage") << 1
            return Command.LL_INIT, bytes([byte])
        case LlChannelConfig(execute, channel, connector, points):
            first = execute << 7 | fits(channel, 2, "channel") << 5
            first |= fits(connector, 1, "connector") << 4 | _count(points) - 1
            return Command.LL_CHANNEL_CONFIG, bytes([first]) + _pack_points(points)
        case Plain(command):
            return command, b""


def _count(points: tuple[Point, ...]) -> int:
    if not 1 <= len(points) <= POINTS_MAX:
        raise ValueError(f"{len(points)} points; allowed: 1-{POINTS_MAX}")
    return len(points)


def _pack_points(points: tuple[Point, ...]) -> bytes:
    out = bytearray()
    for point in points:
        steps = point.current_ma * 2.0 + 300.0
        if steps != int(steps):
            raise ValueError(f"current {point.current_ma} mA; allowed: steps of 0.5")
        width = fits(point.width_us, 12, "width [us]")
        out += struct.pack(">I", width << 20 | fits(int(steps), 10, "current in steps") << 10)
    return bytes(out)


def _pack_trains(trains: tuple[Train | None, ...]) -> bytes:
    if len(trains) != CHANNELS:
        raise ValueError(f"{len(trains)} channels; allowed: {CHANNELS}")
    mask, out = 0, bytearray()
    for channel, train in enumerate(trains):
        if train is None:
            continue
        mask |= 1 << channel
        fine = train.period_ms * 2.0 != int(train.period_ms * 2.0)
        raw = train.period_ms * (4.0 if fine else 2.0)
        if raw != int(raw):
            raise ValueError(f"period {train.period_ms} ms; allowed: steps of 0.25")
        out.append(_count(train.points) - 1 << 4 | fits(train.ramp, 4, "ramp"))
        out += struct.pack(">H", fits(int(raw), 15, "period in steps") << 1 | fine)
        out += _pack_points(train.points)
    return bytes([mask]) + out


def _flag(data: bytes) -> MlInit | None:
    return MlInit(bool(data[0])) if len(data) == 1 and data[0] <= 1 else None


def _selection(data: bytes) -> MlGetCurrentData | None:
    return MlGetCurrentData(data[0]) if len(data) == 1 else None


def _ll_init(data: bytes) -> LlInit | None:
    if len(data) != 1 or data[0] & 0x81:
        return None
    return LlInit(high_voltage=data[0] >> 1 & 7, measurement=data[0] >> 4)


def _ll_channel_config(data: bytes) -> LlChannelConfig | None:
    if not data or len(data) != 1 + 4 * ((data[0] & 0xF) + 1):
        return None
    points = _points(data[1:])
    if points is None:
        return None
    return LlChannelConfig(bool(data[0] & 0x80), data[0] >> 5 & 3, data[0] >> 4 & 1, points)


def _points(data: bytes) -> tuple[Point, ...] | None:
    """Points of a pulse; the ten bits that nobody uses have to be 0."""
    found = []
    for (word,) in struct.iter_unpack(">I", data):
        if word & 0x3FF:
            return None
        found.append(Point(word >> 20, ((word >> 10 & 0x3FF) - 300) / 2.0))
    return tuple(found)


def _ml_update(data: bytes) -> MlUpdate | None:
    if not data:
        return None
    trains: list[Train | None] = []
    at = 1
    for channel in range(CHANNELS):
        if not data[0] >> channel & 1:
            trains.append(None)
            continue
        if len(data) < at + 3:
            return None
        count, ramp = (data[at] >> 4) + 1, data[at] & 0xF
        period = int.from_bytes(data[at + 1 : at + 3])
        points = data[at + 3 : at + 3 + 4 * count]
        at += 3 + 4 * count
        found = _points(points) if len(points) == 4 * count else None
        if found is None:
            return None
        trains.append(Train((period >> 1) / (4.0 if period & 1 else 2.0), ramp, found))
    return MlUpdate(tuple(trains)) if at == len(data) else None


def _plain(request: Request) -> Callable[[bytes], Request | None]:
    return lambda data: None if data else request


REQUESTS: Final[dict[int, Callable[[bytes], Request | None]]] = {
    Command.ML_INIT: _flag,
    Command.ML_UPDATE: _ml_update,
    Command.ML_STOP: _plain(MlStop()),
    Command.ML_GET_CURRENT_DATA: _selection,
    Command.LL_INIT: _ll_init,
    Command.LL_CHANNEL_CONFIG: _ll_channel_config,
    **{command: _plain(Plain(command)) for command in PLAIN},
}
"""By command, what reads its data; None for data that are wrong."""
