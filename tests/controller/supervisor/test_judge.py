"""Why the hand relaxes, in words, when its feedback knows."""

from dataclasses import replace

import numpy as np
import pytest

from controller.follower import FollowerHealth, FollowerState
from controller.skills.baoding import CHANNELS
from controller.supervisor.judge import Judge, Machine
from controller.supervisor.limits import Limits
from controller.supervisor.states import Reason

DEAD = Machine(followers={"hand": FollowerHealth(FollowerState.FAULT, 0, "unplugged")})


def test_late_feedback_says_why_until_it_is_fresh_again(make_feedback):
    judge = Judge(Limits(), CHANNELS)
    late = replace(make_feedback(), age_s=1.0, fault="the peer was silent")
    assert judge.feedback(late) == Reason.FEEDBACK_STALE
    assert judge.machine(Machine()) == Reason(0)
    assert judge.trouble == "the peer was silent"
    assert judge.machine(DEAD) == Reason.FOLLOWER
    assert judge.trouble == "follower hand: unplugged"
    judge.feedback(make_feedback())
    judge.machine(Machine())
    assert judge.trouble == ""


@pytest.mark.parametrize("joints", [22, 24])
def test_a_hand_with_other_joints_is_an_error(make_feedback, joints):
    judge = Judge(Limits(), CHANNELS)
    with pytest.raises(ValueError, match="zip"):
        judge.feedback(replace(make_feedback(), joint_pos=np.zeros(joints)))
