"""The dialogue with an emulated hand, without a line or a clock between them."""

import numpy as np

from bridges.devices.ability_hand import AbilityHand, AbilityHandOptions
from bridges.feed import Command
from controller.board import RECORD
from controller.names import JOINTS
from hil.emulators.ability_hand import Hand
from hil.emulators.faults import Faults

STEP_S = 0.01


def drive(fault: str, seconds: float) -> tuple[AbilityHand, Hand]:
    """Bend the index finger of a hand for some time."""
    record = np.zeros((), RECORD)
    for joint in ("mcp2_flexion", "pm2_flexion"):
        record["joint_pos"][JOINTS.index(joint)] = 1.5
    command = Command(True, np.zeros(39, np.float32), record, "", False)
    hand, dialogue = (
        Hand(Faults.parse(fault, ("stuck", "slow"))),
        AbilityHand(AbilityHandOptions(port="none")),
    )
    answers = hand.hear(dialogue.greet(), 0.0)
    for now_s in np.arange(0.0, seconds, STEP_S):
        dialogue.hear(b"".join(answers), now_s)
        hand.advance(now_s)
        answers = hand.hear(dialogue.move(command, now_s), now_s)
    return dialogue, hand


def test_a_hand_that_can_move_follows():
    dialogue, hand = drive("", 2.0)
    assert hand.position_deg[0] > 50 and not dialogue.trouble


def test_a_motor_that_can_not_move_is_named():
    dialogue, _ = drive("stuck", 2.0)
    assert dialogue.trouble == "index is 30 degrees off for 1 s: blocked?"


def test_it_never_asks_a_motor_to_go_faster_than_allowed():
    _, hand = drive("", 0.3)
    assert hand.position_deg[0] < 10 + 0.3 * np.degrees(8.07)


def test_after_a_stop_it_is_stopped_once_it_stands_still():
    dialogue, hand = drive("", 0.2)
    hand.hear(dialogue.stop(emergency=False), 0.2)
    assert not dialogue.stopped
    for now_s in (0.21, 0.22):
        hand.advance(now_s)
        dialogue.hear(b"".join(hand.hear(dialogue.ask(), now_s)), now_s)
    assert dialogue.stopped and not hand.in_api
