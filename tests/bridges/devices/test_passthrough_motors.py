"""A foreign decoder drives a hand, no policy and no LSL: ZeroMQ, daemon, driver, emulated hand."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
import zmq

from bridges.control.client import Client
from bridges.devices.passthrough_motors import motors
from bridges.recording.reader import read
from bridges.replay import comparable, run_again
from bridges.zeromq.messages import IntentionMessage, encode
from controller.errors import MyoloopError
from controller.skills.passthrough import PassOn

ROOT = Path(__file__).parents[3]
PATIENCE_S = 40.0
CHANNELS = tuple(channel.label for channel in motors.CHANNELS)


def degrees(words: str) -> list[float]:
    return [float(one) for one in words.split("deg ")[1].split()]


class Decoder:
    def __init__(self, address: str) -> None:
        self._context, self._seq = zmq.Context(), 0
        self._socket = self._context.socket(zmq.PUB)
        self._socket.linger = 0
        self._socket.connect(address)

    def say(self, closing: float, engage: float, until: Callable[[], bool]) -> None:
        """100 messages a second until it is as wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < deadline
            self._seq += 1
            message = IntentionMessage(
                session="decoder",
                seq=self._seq,
                t_mono_ns=time.monotonic_ns(),
                valid=True,
                channels=CHANNELS,
                values=[closing] * 4 + [closing / 2, -closing],
                engage=engage,
            )
            self._socket.send(encode(message))
            time.sleep(0.01)

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def decoder(tmp_path) -> Iterator[Decoder]:
    made = Decoder(f"ipc://{tmp_path}/intention")
    yield made
    made.close()


def test_a_decoder_closes_and_opens_the_hand(make_device, start, tmp_path, lsl_session, decoder):
    device, name = make_device("ability-hand"), f"test-{uuid.uuid4()}"
    plain = yaml.safe_load((ROOT / "configs/passthrough_motors.yaml").read_text()) | {"name": name}
    plain["source"]["options"]["bind"] = f"ipc://{tmp_path}/intention"
    plain["followers"][0]["options"] = {"port": str(device.link), "report_session": lsl_session}
    recording = tmp_path / "run.mcap"
    plain["followers"].append({"use": "recorder", "options": {"file": str(recording)}})
    (tmp_path / "session.yaml").write_text(yaml.safe_dump(plain))
    daemon = start("-m", "controller.cli", "run", str(tmp_path / "session.yaml"))

    def armed() -> bool:
        with suppress(MyoloopError), Client.of(name) as client:
            client.send("arm")
            replies = []
            decoder.say(0.0, 0.0, lambda: replies.append(client.answer()) or bool(replies[-1]))
            return replies[-1].ok
        return False

    decoder.say(0.0, 0.0, armed)
    decoder.say(80.0, 1.0, lambda: min(degrees(device.now)[:4]) > 78)
    closed = degrees(device.now)
    assert device.now.startswith("api")
    assert closed[4] == pytest.approx(40, abs=2) and closed[5] == pytest.approx(-80, abs=2)
    decoder.say(20.0, 1.0, lambda: max(degrees(device.now)[:4]) < 22)
    assert "exits 1 timeouts 0" in device.wait(lambda words: words.startswith("idle"))  # silence
    daemon.terminate()
    daemon.wait(PATIENCE_S)
    tape = read(recording)
    ticks, _ = comparable(tape.ticks)
    found = run_again(ticks, tape.about, PassOn(motors.NAME, 100.0), motors)
    assert found.ticks == len(tape.ticks) and not found.differing
