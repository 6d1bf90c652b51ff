"""What the posture policy does to the emulated devices: no daemon, no line and no clock."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from bridges.devices.ability_hand import AbilityHand, AbilityHandOptions
from bridges.devices.hand_mapping import SPEED_DEG_S
from bridges.devices.sciencemode import ScienceMode, ScienceModeOptions
from bridges.devices.stimulation_calibration import load_calibration
from bridges.devices.stimulation_limits import StimulationLimits
from bridges.devices.stimulation_pools import POOLS
from bridges.feed import Command
from bridges.pose_hand import create
from controller import data
from controller.board import RECORD
from controller.policy import load
from controller.session import load_session
from controller.skills import posture
from hil.emulators.ability_hand import Hand
from hil.emulators.faults import Faults
from hil.emulators.sciencemode import StimulatorModel

CONFIGS = Path(__file__).parents[3] / "configs"
CALIBRATION = CONFIGS / "fes_emulated_calibration.yaml"
TICK_S = posture.CONTROL_STEP_S
LOOK_S = 0.01  # the driver's
STORY = (
    ("opened", 1.2, {}),
    ("closed", 1.4, {"grip": 1.0}),
    ("open again", 1.8, {}),
    ("pinched", 1.4, {"pinch": 1.0}),
    ("pointing", 0.8, {"point": 1.0}),
    ("wrist up", 0.6, {"wrist_flexion": -0.8}),
)


@pytest.fixture(scope="module")
def told() -> list[tuple[str, Command]]:
    """The scene of each tick, and what a driver is told in it: the policy moves the twin."""
    hand = create({}, 1.0 / TICK_S, "test")
    policy = load(data.find("policies/posture.onnx"))
    observation = posture.observation(policy.terms)
    seen = np.zeros(observation.size, np.float32)
    goal, found = posture.begin(hand.read()), []
    for name, seconds, wish in STORY:
        values = np.array([wish.get(channel.label, 0.0) for channel in posture.CHANNELS])
        for _ in range(round(seconds / TICK_S)):
            goal = posture.advance(goal, values, TICK_S)
            observation.observe(hand.read(), goal, seen)
            record, excitation = np.zeros((), RECORD), policy.infer(seen).copy()
            hand.write(excitation)
            record["number"], record["joint_pos"] = len(found), hand.read().joint_pos
            found.append((name, Command(True, excitation, record)))
    return found


@pytest.fixture(scope="module")
def motors(told) -> tuple[dict[str, np.ndarray], float]:
    """An emulated hand's motors at the end of each scene [deg], and their top speed [deg/s]."""
    hand, dialogue = Hand(Faults()), AbilityHand(AbilityHandOptions(port="none"))
    dialogue.hear(b"".join(hand.hear(dialogue.greet(), 0.0)), 0.0)
    now_s, fastest, found = 0.0, 0.0, {}
    for name, command in told:
        for _ in range(round(TICK_S / LOOK_S)):
            now_s += LOOK_S
            before = hand.position_deg
            hand.advance(now_s)
            fastest = max(fastest, np.abs(hand.position_deg - before).max() / LOOK_S)
            dialogue.hear(b"".join(hand.hear(dialogue.move(command, now_s), now_s)), now_s)
            assert not dialogue.trouble
        found[name] = hand.position_deg
    return found, float(fastest)


def test_grip_closes_all_fingers_of_the_hand_and_opens_them_again(motors):
    at, fastest = motors
    assert (at["opened"][:5] < 25.0).all()
    assert (at["closed"][:4] > 65.0).all() and at["closed"][4] > 45.0
    assert (np.abs(at["open again"][:5] - at["opened"][:5]) < 12.0).all()
    for name in ("opened", "closed", "open again"):
        assert -90.0 < at[name][5] < -15.0  # in front of the palm, not beside it
    assert 90.0 < fastest <= SPEED_DEG_S + 1e-6


def test_a_pinch_brings_thumb_and_index_together_and_leaves_the_others(motors):
    at, _ = motors
    index, *others, thumb, rotator = at["pinched"] - at["open again"]
    assert index > 25.0 and thumb > 30.0 and rotator < -5.0  # bent, and turned to the index
    assert (np.abs(others) < 6.0).all()


def test_no_antagonists_are_stimulated_together_beyond_the_cap(told):
    limits = StimulationLimits()
    options = msgspec.convert({"port": "none", "calibration": str(CALIBRATION)}, ScienceModeOptions)
    channels = load_calibration(CALIBRATION, limits, 8).channels
    device, dialogue = StimulatorModel(Faults()), ScienceMode(options)
    dialogue.hear(b"".join(device.hear(dialogue.greet(), 0.0)), 0.0)
    cap_us = {name: one.width_us(limits.together_max) for name, one in channels.items()}
    together, worked = 0, set()
    for tick, (_, command) in enumerate(told):
        device.advance(tick * TICK_S)
        said = dialogue.move(command, tick * TICK_S)
        dialogue.hear(b"".join(device.hear(said, tick * TICK_S)), tick * TICK_S)
        assert not dialogue.trouble and device.unbalanced == 0
        width_us = {
            name: device.outputs[one.output - 1].train.points[0].width_us
            for name, one in channels.items()
            if one.output - 1 in device.outputs
        }
        worked |= set(width_us)
        for pool in POOLS:
            if pool.name in width_us and pool.opposes in width_us:
                together += 1
                either = (pool.name, pool.opposes)
                assert any(width_us[name] <= cap_us[name] for name in either), (tick, width_us)
    assert {"finger-flexors", "finger-extensors", "thumb-flexors"} <= worked and together > 0


@pytest.mark.parametrize("file", ["ability_hand_emulated.yaml", "fes_emulated.yaml"])
def test_posture_is_the_skill_of_the_device_sessions(file):
    session = load_session(CONFIGS / file)
    assert session.skill == "posture" and session.followers[0].options["port"] == "emulator"
