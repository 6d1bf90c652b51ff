"""The plant ``zmq``: a hand elsewhere. It hears commands and answers with feedback.

The exchange never waits: a command is handed over each tick, and the newest answer is taken.
How old an answer is follows from the command that it names: both times are of this clock.
"""

import time
import uuid
from dataclasses import replace
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import zmq
from msgspec import Meta

from bridges.control import curve
from bridges.zeromq.exchange import Rejections, Sequence, Socket
from bridges.zeromq.follower import Address, open_socket
from bridges.zeromq.messages import (
    KINDS,
    Command,
    FeedbackMessage,
    Rejected,
    Twin,
    decode,
    encode,
)
from controller.errors import ContractError, HostError, PlantError
from controller.messages import Array, Excitation, Feedback
from controller.names import JOINTS, MUSCLES
from controller.ports import PlantInfo
from controller.settings import convert

NS: Final = 1e9
TTL_MS: Final = 100.0  # the longest that the supervisor grants a command
REMEMBERED: Final = 1024  # commands whose time of sending is known
GONE_S: Final = 0.5  # a peer that was silent for so long may be replaced, or begin anew
LOOK_S: Final = 0.02
LATE_S: Final = 0.05  # an answer this old is worth a word
LATE_TICKS: Final = 2.5


class ZmqPlantOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where the peer finds the loop."""

    commands: Address = "tcp://127.0.0.1:5610"
    """ZeroMQ endpoint on which commands are published; the peer's SUB connects to it."""
    feedback: Address = "tcp://127.0.0.1:5611"
    """ZeroMQ endpoint on which feedback is heard; the peer's PUB connects to it."""
    wait_s: Annotated[float, Meta(ge=0.1, le=120.0)] = 10.0
    """How long the start waits for the peer's first feedback."""
    server_key: str = ""
    """CURVE secret key file of this daemon (NAME.key_secret)."""
    clients: str = ""
    """Folder of the CURVE public keys (*.key) that may connect."""


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two sockets, as ``curve.check`` wants it."""

    bind: str
    server_key: str
    clients: str


def create(options: dict[str, Any], rate_hz: float, origin: str) -> "ZmqPlant":
    """Listen, and wait for the peer.

    Raises:
        SettingsError: an option is unknown, or a port would be open to everybody.
        HostError: an endpoint is taken.
        ContractError: the peer's names are others.
        PlantError: no peer, or none whose feedback is right.
    """
    chosen = convert(options, ZmqPlantOptions, origin)
    keys = {"server_key": chosen.server_key, "clients": chosen.clients}
    ends = {key: Listening(bind=getattr(chosen, key), **keys) for key in ("commands", "feedback")}
    for key, end in ends.items():
        curve.check(end, origin, key)
    out = open_socket(zmq.PUB, ends["commands"], f"{origin}.commands")
    try:
        topic = KINDS[FeedbackMessage]
        back = open_socket(zmq.SUB, ends["feedback"], f"{origin}.feedback", topic)
    except HostError:
        out.close()
        raise
    plant = ZmqPlant(out, back, rate_hz)
    try:
        plant.wait(chosen.wait_s, origin)
    except BaseException:
        plant.close()
        raise
    return plant


class ZmqPlant:
    """Speaks with one peer at a time."""

    def __init__(self, out: Socket, back: Socket, rate_hz: float) -> None:
        self.info = PlantInfo("zmq", MUSCLES, JOINTS, rate_hz, {})
        self._out, self._back = out, back
        self._rest: Excitation = np.zeros(len(MUSCLES), np.float32)
        self._late_s = max(LATE_S, LATE_TICKS / rate_hz)
        self._session, self._seq = uuid.uuid4().hex, 0
        self._sent_ns = [0] * REMEMBERED
        self._posture: list[float] | None = None
        self._told = False  # whether the peer has had a command since the last read
        self._reset, self._reset_ns, self._reset_done = 0, 0, True
        self._peer, self._peer_reason = "", ""
        self._sequence = Sequence()
        self._heard_ns = self._answered_ns = 0
        self._feedback: Feedback | None = None
        self._rejections = Rejections()

    @property
    def rejected(self) -> dict[str, int]:
        """Messages that were not acted on, by reason."""
        return dict(self._rejections.counts)

    def wait(self, wait_s: float, origin: str) -> None:
        """Ask until somebody answers as agreed.

        Raises:
            ContractError: the peer's names are others.
            PlantError: nobody does.
        """
        deadline = time.monotonic() + wait_s
        while self._feedback is None and time.monotonic() < deadline:
            self._send(self._rest, valid=False)
            time.sleep(LOOK_S)
            self._hear(time.monotonic_ns())
            if self._rejections.counts["names"]:
                raise ContractError(f"{origin}: the peer's {self._rejections.newest}")
        if self._feedback is None:
            why = self._rejections.words() or "nothing was heard; docs/zmq.md says what to send"
            raise PlantError(
                f"{origin}: no peer answers {self._out.address} on {self._back.address} "
                f"within {wait_s:g} s; {why}"
            )

    # --- out -------------------------------------------------------------------------

    def reset(self) -> None:
        """Ask the peer for the start of the task; asked again until it says that it did."""
        self._reset += 1
        self._reset_ns, self._reset_done = time.monotonic_ns(), False
        self._posture = None

    def pose(self, joint_pos: Array) -> None:
        """Where the peer's joints are to be [rad], (23,); goes with the next command."""
        self._posture = joint_pos.tolist()

    def write(self, excitation: Excitation) -> Excitation:
        """Hand over excitations, (39,); they are valid for a tenth of a second."""
        self._send(excitation, valid=True)
        return excitation

    def _send(self, excitation: Excitation, valid: bool) -> None:
        self._seq += 1
        self._told = True
        now_ns = time.monotonic_ns()
        self._sent_ns[self._seq % REMEMBERED] = now_ns
        message = Command(
            session=self._session,
            seq=self._seq,
            t_mono_ns=now_ns,
            valid=valid,
            ttl_ms=TTL_MS,
            reset=self._reset,
            rate_hz=self.info.rate_hz,
            muscles=MUSCLES,
            excitation=excitation.tolist(),
            joints=JOINTS,
            joint_target=self._posture if valid else None,
        )
        self._out.send(encode(message))

    # --- back ------------------------------------------------------------------------

    def read(self) -> Feedback:
        """The newest feedback, and how old it is; without one its age only grows."""
        assert self._feedback is not None  # ``wait`` has seen to it
        if not self._told:  # the hand is not driven: the peer still wants to know we are here
            self._send(self._rest, valid=False)
        self._told = False
        now_ns = time.monotonic_ns()
        self._hear(now_ns)
        since_ns = self._answered_ns
        if not self._reset_done:
            since_ns = min(since_ns, self._reset_ns)
        age_s = (now_ns - since_ns) / NS
        return replace(self._feedback, age_s=age_s, fault=self._fault(age_s, now_ns))

    def _fault(self, age_s: float, now_ns: int) -> str:
        """Why the feedback is late; "" while it is not."""
        if age_s <= self._late_s:
            return ""
        silent_s = (now_ns - self._heard_ns) / NS
        if self._peer_reason:
            why = f"the peer says: {self._peer_reason}"
        elif silent_s > self._late_s:
            why = f"the peer was silent for {silent_s * 1e3:.0f} ms"
        elif not self._reset_done:
            why = "the peer does not go back to the start of the task"
        else:
            why = f"the peer answers commands that are {age_s * 1e3:.0f} ms old"
        return "; ".join(filter(None, (why, self._rejections.words())))

    def _hear(self, now_ns: int) -> None:
        frame = self._back.newest()
        if frame is None:
            return
        try:
            message = decode(frame, FeedbackMessage)
            self._check(message, now_ns)
            feedback = feedback_of(message.hand)
            if self._feedback and len(feedback.object_pos) != len(self._feedback.object_pos):
                raise Rejected("shape", f"{len(feedback.object_pos)} objects, before it was others")
        except Rejected as rejected:
            self._rejections.add(rejected)
            return
        self._feedback = feedback
        self._answered_ns = self._sent_ns[message.reply_to % REMEMBERED]
        self._reset_done = self._reset_done or message.reset == self._reset

    def _check(self, message: FeedbackMessage, now_ns: int) -> None:
        """Whether it is the answer of our peer to a command of ours.

        Raises:
            Rejected: it is not, or its sender says that it is not to be trusted.
        """
        if message.session != self._session:
            raise Rejected("session", f"{message.session!r} is not that of this daemon")
        for found, wanted in ((message.muscles, MUSCLES), (message.joints, JOINTS)):
            check_names(found, wanted)
        if message.peer != self._peer:
            self._adopt(message.peer, now_ns)
        if now_ns - self._heard_ns > GONE_S * NS:
            self._sequence = Sequence()  # one wild number must not lock a peer out for good
        self._sequence.check(message)
        if not self._seq - REMEMBERED < message.reply_to <= self._seq:
            raise Rejected("reply", f"to command {message.reply_to}, the newest is {self._seq}")
        self._heard_ns = now_ns
        self._peer_reason = "" if message.valid else (message.reason or "not valid")
        if not message.valid:
            raise Rejected("not valid", message.reason)

    def _adopt(self, peer: str, now_ns: int) -> None:
        """Take another peer for ours, if ours is gone; what it did is unknown: reset it."""
        if self._peer:
            if now_ns - self._heard_ns < GONE_S * NS:
                raise Rejected("peer", f"{peer!r}, while {self._peer!r} answers")
            self.reset()
        self._peer, self._sequence = peer, Sequence()

    def close(self) -> None:
        """The last word is rest."""
        self._send(self._rest, valid=False)
        self._out.close()
        self._back.close()


def check_names(found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Hold names against the shared ones.

    Raises:
        Rejected: says which differs first.
    """
    if found == wanted:
        return
    if len(found) != len(wanted):
        raise Rejected("names", f"{len(found)} of them, not {len(wanted)}")
    index = next(i for i, name in enumerate(found) if name != wanted[i])
    raise Rejected("names", f"{index} is {found[index]!r}, not {wanted[index]!r}")


def feedback_of(hand: Twin) -> Feedback:
    """A peer's hand as the loop wants it.

    Raises:
        Rejected: numbers that are missing, or are none.
    """
    objects = len(hand.object_pos)
    feedback = Feedback(
        time_s=np.array(hand.time_s),
        joint_pos=_array("joint_pos", hand.joint_pos, (len(JOINTS),)),
        joint_vel=_array("joint_vel", hand.joint_vel, (len(JOINTS),)),
        activation=_array("activation", hand.activation, (len(MUSCLES),)),
        palm_pos=_array("palm_pos", hand.palm_pos, (3,)),
        palm_rot=_array("palm_rot", hand.palm_rot, (3, 3)),
        object_pos=_array("object_pos", hand.object_pos, (objects, 3)),
        object_vel=_array("object_vel", hand.object_vel, (objects, 3)),
    )
    return feedback


def _array(name: str, numbers: Any, shape: tuple[int, ...]) -> Array:
    found = np.array(numbers, np.float64).reshape(-1)
    if found.size != np.prod(shape):
        raise Rejected("shape", f"{name} has {found.size} numbers, not {np.prod(shape):.0f}")
    if not np.isfinite(found).all():
        raise Rejected("not finite", name)
    return found.reshape(shape)
