"""The remote plant against a peer whose every message the test makes, on a clock of the test."""

import math

import msgspec
import numpy as np
import pytest
import zmq
import zmq.auth

from bridges.control import curve
from bridges.zeromq import plant as module
from bridges.zeromq.exchange import Socket
from bridges.zeromq.messages import Command, FeedbackMessage, Twin, decode, encode
from bridges.zeromq.plant import GONE_S, Listening, ZmqPlant, create
from controller.daemon import check_objects, check_plant
from controller.errors import ContractError, HostError, PlantError, SettingsError
from controller.names import JOINTS, MUSCLES
from controller.skills import baoding

LIVE = np.full(39, 0.25, np.float32)
HAND = Twin(
    time_s=0.0,
    joint_pos=[0.1] * 23,
    joint_vel=[0.0] * 23,
    activation=[0.0] * 39,
    object_pos=[(0.0, 0.0, 1.5)] * 2,
    object_vel=[(0.0, 0.0, 0.0)] * 2,
)


class Clock:
    """Stands still until it is moved."""

    now_s = 1000.0

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Peer:
    """Both sockets without a network, and who sits at the other end.

    Attributes:
        changes: what is wrong with its answers; None to be silent.
    """

    address = "here"

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.changes: dict | None = {}
        self.seq, self._newest = 0, None

    def send(self, frame: bytes) -> None:
        self.commands.append(decode(frame, Command))
        if self.changes is not None:
            self.answer(**self.changes)

    def answer(self, **changes) -> None:
        """To the newest command."""
        told = self.commands[-1]
        self.seq += 1
        message = FeedbackMessage(
            session=told.session,
            peer="peer-1",
            seq=self.seq,
            reply_to=told.seq,
            reset=told.reset,
            t_mono_ns=0,
            valid=True,
            muscles=MUSCLES,
            joints=JOINTS,
            hand=HAND,
        )
        self._newest = encode(msgspec.structs.replace(message, **changes))

    def newest(self) -> bytes | None:
        found, self._newest = self._newest, None
        return found

    def close(self) -> None:
        pass


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def plant(clock, peer) -> ZmqPlant:
    plant = ZmqPlant(peer, peer, 40.0)
    plant.wait(1.0, "test")
    return plant


def tick(plant: ZmqPlant, clock: Clock, excitation=LIVE):
    """One of the loop's: what it read."""
    feedback = plant.read()
    plant.write(excitation)
    clock.sleep(0.025)
    return feedback


def test_the_loop_closes_over_the_wire(plant, peer, clock):
    check_plant(plant.info, 40.0)
    check_objects(plant, baoding)
    peer.changes = {"hand": msgspec.structs.replace(HAND, activation=LIVE.tolist(), time_s=2.0)}
    tick(plant, clock)
    told = peer.commands[-1]
    assert told.valid and told.excitation == LIVE.tolist() and told.rate_hz == 40
    assert (told.muscles, told.joints) == (MUSCLES, JOINTS)
    feedback = plant.read()
    assert feedback.activation.tolist() == LIVE.tolist() and feedback.time_s == 2.0
    assert feedback.age_s == pytest.approx(0.025) and feedback.fault == ""
    assert feedback.object_pos.shape == (2, 3) and feedback.palm_rot.shape == (3, 3)
    assert peer.commands[-1] is told  # one command a tick
    assert not plant.read().fault
    assert not peer.commands[-1].valid  # nothing was written since: rest
    assert plant.rejected == {}
    plant.close()
    assert not peer.commands[-1].valid


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "version"),
        ({"session": "another"}, "session"),
        ({"peer": "another"}, "peer"),
        ({"seq": 1}, "old"),
        ({"muscles": (*MUSCLES[:-1], "X")}, "names"),
        ({"joints": JOINTS[:-1]}, "names"),
        ({"reply_to": 10_000}, "reply"),
        ({"valid": False, "reason": "too hot"}, "not valid"),
        ({"hand": msgspec.structs.replace(HAND, joint_pos=[0.0] * 22)}, "shape"),
        ({"hand": msgspec.structs.replace(HAND, object_pos=[], object_vel=[])}, "shape"),
        ({"hand": msgspec.structs.replace(HAND, joint_vel=[math.nan] * 23)}, "not finite"),
        ({"hand": msgspec.structs.replace(HAND, activation=[math.inf] * 39)}, "not finite"),
    ],
)
def test_what_is_not_the_peers_answer_is_counted_and_ages_the_last(
    plant, peer, clock, changes, reason
):
    before = tick(plant, clock)
    peer.changes = changes
    for _ in range(6):
        feedback = tick(plant, clock)
    assert plant.rejected == {reason: 5}  # the first read still had a good one
    assert feedback.age_s == pytest.approx(0.15)
    assert reason in feedback.fault or "too hot" in feedback.fault
    np.testing.assert_array_equal(feedback.joint_pos, before.joint_pos)
    peer.changes = {}
    tick(plant, clock)
    assert not plant.read().fault


def test_a_silent_peer_and_a_backlog_age(plant, peer, clock):
    for _ in range(3):
        tick(plant, clock)
    old = peer.commands[-1].seq
    peer.changes = None
    for _ in range(8):
        feedback = tick(plant, clock)
    assert feedback.age_s == pytest.approx(0.2)
    assert feedback.fault.startswith("the peer was silent for 1")
    peer.answer(reply_to=old)  # what had piled up somewhere
    feedback = tick(plant, clock)
    assert feedback.age_s > 0.2 and "commands that are" in feedback.fault
    peer.changes = {}
    tick(plant, clock)
    assert plant.read().age_s < 0.03


def test_a_wild_number_does_not_lock_the_peer_out_for_good(plant, peer, clock):
    tick(plant, clock)
    peer.changes = {"seq": 2**40}
    tick(plant, clock)
    peer.changes = {}
    for _ in range(8):
        late = tick(plant, clock)
    assert late.age_s > 0.1 and plant.rejected["old"] >= 6
    clock.sleep(GONE_S)
    for _ in range(2):
        tick(plant, clock)
    assert plant.read().age_s < 0.03


def test_a_reset_is_asked_for_until_it_is_confirmed(plant, peer, clock):
    peer.changes = {"reset": 0}
    plant.reset()
    for _ in range(6):
        feedback = plant.read()
        clock.sleep(0.025)
    assert feedback.age_s == pytest.approx(0.125) and "start of the task" in feedback.fault
    assert not peer.commands[-1].valid and peer.commands[-1].reset == 1
    peer.changes = {}
    plant.read()
    assert plant.read().age_s < 0.03


def test_another_peer_takes_over_only_when_the_first_is_gone_and_is_reset(plant, peer, clock):
    tick(plant, clock)
    peer.changes = {"peer": "peer-2", "reset": 0}
    tick(plant, clock)
    tick(plant, clock)
    assert plant.rejected == {"peer": 1}
    clock.sleep(GONE_S)
    peer.seq = 0
    for _ in range(6):
        feedback = tick(plant, clock)
    assert "start of the task" in feedback.fault
    peer.changes = {"peer": "peer-2"}
    for _ in range(2):
        feedback = tick(plant, clock)
    assert not feedback.fault


def test_a_start_without_the_right_peer_is_refused_and_says_why(clock, peer):
    plant = ZmqPlant(peer, peer, 40.0)
    peer.changes = {"muscles": ("X", *MUSCLES[1:])}
    with pytest.raises(ContractError, match="a.yaml: the peer's names: 0 is 'X', not 'ECRL'"):
        plant.wait(1.0, "a.yaml")
    peer.changes = {"version": 9}
    with pytest.raises(PlantError, match=r"within 1 s; rejected: .* version"):
        ZmqPlant(peer, peer, 40.0).wait(1.0, "a.yaml")
    peer.changes = {"hand": msgspec.structs.replace(HAND, object_pos=[], object_vel=[])}
    bare = ZmqPlant(peer, peer, 40.0)
    bare.wait(1.0, "a.yaml")
    with pytest.raises(ContractError, match="reports 0 objects, the skill 'baoding' needs 2"):
        check_objects(bare, baoding)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, PlantError, "no peer answers ipc://.*nothing was heard"),
        ({"speed": 1}, SettingsError, "speed"),
        ({"feedback": "tcp://0.0.0.0:1"}, SettingsError, "server_key"),
        ({"commands": "ipc:///no/where"}, HostError, "commands: ipc:///no/where"),
        ({"feedback": "ipc:///no/where"}, HostError, "feedback: ipc:///no/where"),
    ],
)
def test_a_plant_that_can_not_be_is_refused_in_one_line(tmp_path, options, error, words):
    ends = {name: f"ipc://{tmp_path}/{name}" for name in ("commands", "feedback")}
    with pytest.raises(error, match=words) as found:
        create({**ends, "wait_s": 0.1, **options}, 40.0, "a.yaml: plant.options")
    assert "\n" not in str(found.value)


def test_only_who_has_a_key_is_told_anything(tmp_path):
    zmq.auth.create_certificates(tmp_path, "daemon")
    (tmp_path / "clients").mkdir()
    for name in ("friend", "stranger"):
        zmq.auth.create_certificates(tmp_path, name)
    (tmp_path / "friend.key").rename(tmp_path / "clients/friend.key")
    settings = Listening(
        bind=f"ipc://{tmp_path}/out",
        server_key=str(tmp_path / "daemon.key_secret"),
        clients=str(tmp_path / "clients"),
    )
    socket = Socket(zmq.PUB, settings)
    with zmq.Context() as context:
        heard = {}
        for name in ("friend", "stranger"):
            end = heard[name] = context.socket(zmq.SUB)
            end.linger, end.conflate = 0, True
            end.subscribe(b"")
            public, _ = curve.load_keys(settings.server_key, "")
            secret = str(tmp_path / f"{name}.key_secret")
            curve.connect(end, settings.bind, secret, public.decode())
        while not heard["friend"].poll(20):
            socket.send(b"secret")
        assert heard["friend"].recv() == b"secret"
        assert not heard["stranger"].poll(100)
        for end in heard.values():
            end.close()
    socket.close()
