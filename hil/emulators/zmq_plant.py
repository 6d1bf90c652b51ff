"""An emulated remote plant: the other side of the plant ``zmq``, as docs/zmq.md describes it."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
import zmq

from bridges.control import curve
from bridges.zeromq.exchange import HEARTBEAT_MS, Lag, Rejections, Sequence
from bridges.zeromq.messages import (
    KINDS,
    Command,
    FeedbackMessage,
    Rejected,
    Twin,
    decode,
    encode,
)
from bridges.zeromq.plant import GONE_S, check_names
from controller import registry
from controller.messages import Feedback
from controller.names import JOINTS, MUSCLES
from controller.ports import Plant, Posable
from hil.emulators.faults import SLOW, STUCK, Faults, Way
from hil.emulators.life import Life
from hil.emulators.line import Diary

LOOK_MS: Final = 2
AT_REST: Final = 0.02  # activation below which a relaxed hand is left alone
SLOWER: Final = 10  # of so many commands one is carried out by a slow hand

MakePlant = Callable[[float], Plant]


class Peer:
    """A hand that carries out what is valid, and comes to rest when nothing is.

    Args:
        make: makes the hand for commands at a rate [Hz].
        faults: ``stuck`` carries nothing out, ``slow`` every tenth command.
    """

    def __init__(self, make: MakePlant, faults: Faults) -> None:
        self._make, self._faults = make, faults
        self._plant: Plant | None = None
        self._name, self._seq = uuid.uuid4().hex, 0
        self._session, self._reset = "", 0
        self._sequence, self._lag = Sequence(), Lag()
        self._heard_ns = self._until_ns = self._moved_ns = 0
        self._period_ns = 0
        self._relaxing = False
        self.rejections = Rejections()
        self.steps = self.resets = 0

    def hear(self, frame: bytes, now_ns: int) -> bytes | None:
        """Act on a command; the answer, if it is one."""
        try:
            command = decode(frame, Command)
            self._check(command, now_ns)
        except Rejected as rejected:
            self.rejections.add(rejected)
            return None
        plant = self._hand(command)
        if command.valid:
            self._until_ns = now_ns + int(command.ttl_ms * 1e6)
            self._relaxing = True
            if command.joint_target is not None and isinstance(plant, Posable):
                plant.pose(np.array(command.joint_target))
            self._carry_out(plant, np.array(command.excitation, np.float32), now_ns)
        else:
            self._until_ns = 0
        return self._answer(plant.read(), command)

    def _check(self, command: Command, now_ns: int) -> None:
        if command.session != self._session:
            if now_ns - self._heard_ns < GONE_S * 1e9:
                raise Rejected("session", "another daemon, while ours is there")
            self._session, self._sequence, self._lag = command.session, Sequence(), Lag()
            self._plant = None
        check_names(command.muscles, MUSCLES)
        check_names(command.joints, JOINTS)
        self._sequence.check(command)
        if self._lag.of(command.t_mono_ns, now_ns) > command.ttl_ms * 1e6:
            raise Rejected("expired", f"seq {command.seq}")
        _check_numbers("excitation", command.excitation, len(MUSCLES))
        if command.joint_target is not None:
            _check_numbers("joint_target", command.joint_target, len(JOINTS))
        self._heard_ns = now_ns

    def _hand(self, command: Command) -> Plant:
        if self._plant is None:
            self._plant = self._make(command.rate_hz)
            self._period_ns, self._reset = round(1e9 / command.rate_hz), command.reset
        elif command.reset != self._reset:
            self._plant.reset()
            self._reset, self._relaxing = command.reset, False
            self.resets += 1
        return self._plant

    def _carry_out(self, plant: Plant, excitation: "np.ndarray", now_ns: int) -> None:
        self._moved_ns = now_ns
        self.steps += 1
        faults = self._faults.plain
        if STUCK in faults or (SLOW in faults and self.steps % SLOWER):
            return
        plant.write(excitation)

    def advance(self, now_ns: int) -> None:
        """Relax when the last valid command is over: in the hand's own time, until it is still."""
        if self._plant is None or not self._relaxing or now_ns < self._until_ns:
            return
        if now_ns - self._moved_ns >= self._period_ns:
            self._moved_ns = now_ns
            self._plant.write(np.zeros(len(MUSCLES), np.float32))
            self._relaxing = bool((self._plant.read().activation > AT_REST).any())

    def _answer(self, feedback: Feedback, command: Command) -> bytes:
        self._seq += 1
        return encode(
            FeedbackMessage(
                session=command.session,
                peer=self._name,
                seq=self._seq,
                reply_to=command.seq,
                reset=self._reset,
                t_mono_ns=time.monotonic_ns(),
                valid=True,
                muscles=MUSCLES,
                joints=JOINTS,
                hand=hand_of(feedback),
            )
        )

    def describe(self, now_ns: int) -> str:
        """What it does, and how often it did what."""
        mode = "live" if now_ns < self._until_ns else "relaxing" if self._relaxing else "rest"
        words = self.rejections.words()
        return f"{mode} steps {self.steps} resets {self.resets} {words}".rstrip()


def _check_numbers(name: str, numbers: list[float], count: int) -> None:
    if len(numbers) != count:
        raise Rejected("shape", f"{name} has {len(numbers)} numbers, not {count}")
    if not np.isfinite(numbers).all():
        raise Rejected("not finite", name)


def hand_of(feedback: Feedback) -> Twin:
    """A plant's feedback, for a message."""
    return Twin(**{name: getattr(feedback, name).tolist() for name in Twin.__struct_fields__})


def zmq_plant(
    commands: Annotated[str, typer.Option(help="Where the daemon publishes.")] = (
        "tcp://127.0.0.1:5610"
    ),
    feedback: Annotated[str, typer.Option(help="Where the daemon listens.")] = (
        "tcp://127.0.0.1:5611"
    ),
    key: Annotated[str, typer.Option(help="CURVE key file of this peer (NAME.key_secret).")] = "",
    server_key: Annotated[str, typer.Option(help="The daemon's public CURVE key.")] = "",
    hand: Annotated[str, typer.Option(help="The installed plant that it is.")] = "myohand",
    fault: Annotated[str, typer.Option(help="Such as drop=0.1,delay=20,stuck.")] = "",
    log: Annotated[Path | None, typer.Option(help="Append what changes, with times.")] = None,
) -> None:
    """Be a hand elsewhere: hears commands over ZeroMQ, answers with feedback; docs/zmq.md.

    SIGUSR1 disconnects it for two seconds, as the fault unplug does after a time.
    """
    faults = Faults.parse(fault, (STUCK, SLOW))
    factory = registry.find("plants", hand, "--hand")
    peer = Peer(lambda rate_hz: factory({}, rate_hz, "--hand"), faults)
    serve(peer, Daemon(commands, feedback, key, server_key), faults, Diary(log))


@dataclass(frozen=True)
class Daemon:
    """Where the daemon is, and how to be let in.

    Attributes:
        commands: where it publishes.
        feedback: where it listens.
        key: CURVE key file of this peer, "" for a daemon without keys.
        server_key: the daemon's public key, "" for none.
    """

    commands: str
    feedback: str
    key: str
    server_key: str


class Ends:
    """The peer's two sockets."""

    def __init__(self, daemon: Daemon) -> None:
        self._context = zmq.Context()
        self.heard = self._context.socket(zmq.SUB)
        self.heard.conflate = True
        self.heard.subscribe(KINDS[Command])
        self.said = self._context.socket(zmq.PUB)
        for socket, address in ((self.heard, daemon.commands), (self.said, daemon.feedback)):
            socket.linger, socket.heartbeat_ivl = 0, HEARTBEAT_MS
            curve.connect(socket, address, daemon.key, daemon.server_key)

    def newest(self) -> bytes | None:
        """The newest command, if one came within a moment."""
        return self.heard.recv() if self.heard.poll(LOOK_MS) else None

    def close(self) -> None:
        """Disconnect."""
        self._context.destroy(linger=0)


def serve(peer: Peer, daemon: Daemon, faults: Faults, diary: Diary) -> None:
    """Until SIGTERM or Ctrl-C."""
    life, way = Life(faults), Way(faults)
    ends: Ends | None = Ends(daemon)
    print(f"hears {daemon.commands}, answers on {daemon.feedback}", flush=True)
    while not life.ended:
        now_s = time.monotonic()
        if not life.plugged(now_s):
            if ends is not None:
                ends.close()
                ends = None
            time.sleep(LOOK_MS / 1e3)
        elif ends is None:
            ends = Ends(daemon)
        frame = ends.newest() if ends else None
        now_ns = time.monotonic_ns()
        answer = peer.hear(frame, now_ns) if frame is not None else None
        if answer is not None:
            way.send(answer, now_s)
        peer.advance(now_ns)
        for one in way.arrived(time.monotonic()):
            if ends is not None:
                ends.said.send(one)
        diary.note(now_ns / 1e9, peer.describe(now_ns))
    if ends is not None:
        ends.close()
