"""The emulated remote plant; tests/bridges/zeromq has it as the hand of a daemon."""

import msgspec
import pytest

from bridges.zeromq.messages import Command, FeedbackMessage, decode, encode
from controller.names import JOINTS, MUSCLES
from hil.echo_plant import EchoHand
from hil.emulators.faults import Faults
from hil.emulators.zmq_plant import Peer

MS = 1_000_000


def command(seq: int, **changes) -> bytes:
    message = Command(
        session="daemon",
        seq=seq,
        t_mono_ns=seq * 25 * MS,
        valid=True,
        ttl_ms=100.0,
        rate_hz=40.0,
        muscles=MUSCLES,
        excitation=[0.5] * 39,
        joints=JOINTS,
    )
    return encode(msgspec.structs.replace(message, **changes))


def answered(
    peer: Peer, seq: int, now_ms: float | None = None, **changes
) -> FeedbackMessage | None:
    now_ns = seq * 25 * MS if now_ms is None else round(now_ms * MS)
    frame = peer.hear(command(seq, **changes), 10**10 + now_ns)
    return None if frame is None else decode(frame, FeedbackMessage)


def test_it_carries_out_what_is_valid_and_relaxes_after_its_time_to_live():
    peer = Peer(EchoHand, Faults())
    first = answered(peer, 1)
    assert first.valid and first.reply_to == 1 and first.hand.activation == [0.5] * 39
    now = 10**10 + 25 * MS
    peer.advance(now + 99 * MS)
    assert peer.describe(now + 99 * MS).startswith("live steps 1")
    peer.advance(now + 101 * MS)
    assert peer.describe(now + 101 * MS).startswith("rest")
    assert answered(peer, 6, valid=False).hand.activation == [0.0] * 39
    assert answered(peer, 7, reset=3).reset == 3
    assert peer.resets == 1


@pytest.mark.parametrize(
    ("seq", "changes", "reason"),
    [
        (3, {}, "old"),
        (4, {"session": "another"}, "session"),
        (4, {"muscles": MUSCLES[:-1]}, "names"),
        (4, {"excitation": [float("nan")] * 39}, "not finite"),
        (4, {"version": 2}, "version"),
        (4, {"t_mono_ns": -100 * MS}, "expired"),
    ],
)
def test_what_may_not_be_acted_on_is_counted(seq, changes, reason):
    peer = Peer(EchoHand, Faults())
    answered(peer, 3)
    assert answered(peer, seq, 90, **changes) is None
    assert dict(peer.rejections.counts) == {reason: 1}
    assert peer.steps == 1
