"""The source ``zmq``: an intention from a decoder that does not speak LSL; docs/zmq.md."""

import time
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import zmq
from msgspec import Meta

from bridges.control import curve
from bridges.zeromq.exchange import Lag, Rejections, Sequence, Socket
from bridges.zeromq.follower import Address, open_socket
from bridges.zeromq.messages import KINDS, IntentionMessage, Rejected, decode
from controller.errors import StreamError
from controller.messages import Intention
from controller.settings import convert
from controller.skills.skill import Channel

GONE_S: Final = 0.5  # a decoder that was silent for so long may be replaced, or begin anew
SILENT_S: Final = 0.3  # worth a word; the supervisor relaxes the hand no later
LOOK_S: Final = 0.02
NS: Final = 1e9


class ZmqIntentionOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where the decoder finds the loop."""

    bind: Address = "tcp://127.0.0.1:5613"
    """ZeroMQ endpoint; the decoder's PUB connects to it."""
    wait_s: Annotated[float, Meta(ge=0.1, le=120.0)] = 10.0
    """How long the start waits for the first message."""
    server_key: str = ""
    """CURVE secret key file of this daemon (NAME.key_secret)."""
    clients: str = ""
    """Folder of the CURVE public keys (*.key) that may connect."""


def create(options: dict[str, Any], channels: tuple[Channel, ...], origin: str) -> "ZmqIntention":
    """Listen, and wait for the decoder.

    Raises:
        SettingsError: an option is unknown, or the port would be open to everybody.
        HostError: the endpoint is taken.
        StreamError: no decoder, or none whose messages are right.
    """
    chosen = convert(options, ZmqIntentionOptions, origin)
    curve.check(chosen, origin)
    topic = KINDS[IntentionMessage]
    source = ZmqIntention(open_socket(zmq.SUB, chosen, f"{origin}.bind", topic), channels)
    try:
        source.wait(chosen.wait_s, origin)
    except BaseException:
        source.close()
        raise
    return source


class ZmqIntention:
    """Hears one decoder at a time; of what has come it takes the newest."""

    def __init__(self, socket: Socket, channels: tuple[Channel, ...]) -> None:
        self._socket = socket
        self._labels = tuple(channel.label for channel in channels)
        self._message: IntentionMessage | None = None
        self._values = np.zeros(len(channels))
        self._session, self._sequence, self._lag = "", Sequence(), Lag()
        self._heard_s, self._lag_s = 0.0, 0.0
        self._rejections = Rejections()

    @property
    def rejected(self) -> dict[str, int]:
        """Messages that were not acted on, by reason."""
        return dict(self._rejections.counts)

    def wait(self, wait_s: float, origin: str) -> None:
        """Until the first message.

        Raises:
            StreamError: none came; says what was wrong with those that did.
        """
        deadline = time.monotonic() + wait_s
        while self._message is None and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            self._hear(time.monotonic())
        if self._message is None:
            why = self._rejections.words() or "nothing was heard; docs/zmq.md says what to send"
            raise StreamError(
                f"{origin}: no decoder sends {', '.join(self._labels)} to "
                f"{self._socket.address} within {wait_s:g} s; {why}"
            )

    def read(self, now_s: float) -> Intention:
        """The newest intention and its age at ``now_s`` (CLOCK_MONOTONIC) [s]."""
        fresh = self._hear(now_s)
        message = self._message
        assert message is not None  # ``wait`` has seen to it
        age_s = max(0.0, now_s - self._heard_s) + self._lag_s
        return Intention(
            values=self._values,
            engage=message.engage,
            age_s=age_s,
            fault=self._fault(message, age_s),
            raw_stamp_s=message.t_mono_ns / NS,
            correction_s=self._lag.offset_ns / NS,
            fresh=fresh,
        )

    def _fault(self, message: IntentionMessage, age_s: float) -> str:
        if not message.valid:
            return "the decoder says that its message is not valid"
        if age_s <= SILENT_S:
            return ""
        silent = f"the decoder was silent for {age_s:.1f} s"
        return "; ".join(filter(None, (silent, self._rejections.words())))

    def _hear(self, now_s: float) -> bool:
        frame = self._socket.newest()
        if frame is None:
            return False
        try:
            message = decode(frame, IntentionMessage)
            lag_s = self._check(message, now_s)
        except Rejected as rejected:
            self._rejections.add(rejected)
            return False
        self._message, self._values = message, np.array(message.values)
        self._heard_s, self._lag_s = now_s, lag_s
        return True

    def _check(self, message: IntentionMessage, now_s: float) -> float:
        """Whether it is our decoder's next; how long it was under way [s].

        Raises:
            Rejected: it is not.
        """
        if message.channels != self._labels:
            raise Rejected("channels", f"{', '.join(message.channels)[:80]}")
        if len(message.values) != len(self._labels):
            raise Rejected("shape", f"{len(message.values)} values, not {len(self._labels)}")
        if message.session != self._session:
            if self._message is not None and now_s - self._heard_s < GONE_S:
                raise Rejected("session", "another decoder, while ours sends")
            self._session, self._sequence, self._lag = message.session, Sequence(), Lag()
        elif now_s - self._heard_s > GONE_S:
            self._sequence = Sequence()  # one wild number must not lock a decoder out for good
        self._sequence.check(message)
        return self._lag.of(message.t_mono_ns, round(now_s * NS)) / NS

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
