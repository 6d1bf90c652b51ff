"""HASOMED's Python client stimulates; run by its own Python: PORT. Prints JSON."""

import asyncio
import json
import sys

from science_mode_4 import (
    Channel,
    ChannelPoint,
    Connector,
    DeviceP24,
    MidLevelChannelConfiguration,
    SerialPortConnection,
)
from science_mode_4.low_level import LowLevelHighVoltageSource, LowLevelMode
from science_mode_4.protocol import ProtocolError


def points(current_ma):
    return [ChannelPoint(200, current_ma), ChannelPoint(100, 0), ChannelPoint(200, -current_ma)]


def train(current_ma):
    return MidLevelChannelConfiguration(True, 3, 20, points(current_ma))


async def refusal(doing):
    try:
        await doing
    except ProtocolError as error:
        return str(error)
    return ""


async def drive(port):
    connection = SerialPortConnection(port)
    connection.open()
    device = DeviceP24(connection)
    await device.initialize()
    general, mid, low = (
        device.get_layer_general(),
        device.get_layer_mid_level(),
        device.get_layer_low_level(),
    )
    seen = {"device": general.device_id, "protocol": general.science_mode_version}
    seen["not ready"] = await refusal(mid.update([train(20)]))
    await mid.init(True)
    await mid.update([train(20), None, train(12.5)])
    await asyncio.sleep(0.3)
    seen["active"] = (await mid.get_current_data()).is_stimulation_active_per_channel
    seen["status"] = (await general.get_stim_status()).stim_status.name
    seen["too much"] = await refusal(mid.update([train(140)]))
    await mid.stop()
    seen["stopped"] = (await general.get_stim_status()).stim_status.name
    await low.init(LowLevelMode.NO_MEASUREMENT, LowLevelHighVoltageSource.STANDARD)
    low.send_channel_config(True, Channel.BLUE, Connector.GREEN, points(20))
    await asyncio.sleep(0.1)
    ack = device.packet_buffer.get_packet_from_buffer()
    seen["pulse"] = [ack.result.name, ack.channel, ack.connector]
    await low.stop()
    connection.close()
    return seen


print(json.dumps(asyncio.run(drive(sys.argv[1]))))
