import numpy as np
import pytest

from controller.errors import SettingsError
from controller.messages import Feedback
from controller.names import JOINT_RANGE_RAD, JOINTS
from controller.settings import convert
from controller.skills import posture
from controller.skills.posture import CHANNELS, Postures


def feedback(joints: np.ndarray) -> Feedback:
    shape = joints.shape[:-1]
    return Feedback(
        time_s=np.zeros(shape),
        joint_pos=joints,
        joint_vel=np.full_like(joints, 0.5),
        activation=np.full((*shape, 39), 0.1),
        palm_pos=np.zeros((*shape, 3)),
        palm_rot=np.zeros((*shape, 3, 3)),
        object_pos=np.zeros((*shape, 0, 3)),
        object_vel=np.zeros((*shape, 0, 3)),
    )


def asked(**channels: float) -> np.ndarray:
    labels = [channel.label for channel in CHANNELS]
    values = np.zeros(len(labels))
    for name, value in channels.items():
        values[labels.index(name)] = value
    return posture.wanted(values)


def joint(angles: np.ndarray, name: str) -> float:
    return float(angles[JOINTS.index(name)])


def test_a_grip_closes_every_finger_a_little_more_with_each_step() -> None:
    ways = np.array([asked(grip=grip) for grip in np.linspace(0, 1, 11)])
    for finger in (2, 3, 4, 5):
        for part in ("mcp", "pm", "md"):
            assert (np.diff(ways[:, JOINTS.index(f"{part}{finger}_flexion")]) > 0).all()


def test_a_pinch_moves_thumb_and_index_only() -> None:
    moved = asked(pinch=1.0) != asked()
    names = {name for name, one in zip(JOINTS, moved, strict=True) if one}
    assert names == {
        *("cmc_abduction", "cmc_flexion", "mp_flexion", "ip_flexion"),
        *("mcp2_flexion", "pm2_flexion", "md2_flexion"),
    }


@pytest.mark.parametrize(
    ("channel", "name"),
    [("wrist_flexion", "flexion"), ("wrist_deviation", "deviation"), ("pronation", "pro_sup")],
)
def test_the_wrist_goes_both_ways(channel: str, name: str) -> None:
    there, back = asked(**{channel: 1.0}), asked(**{channel: -1.0})
    assert joint(there, name) > 0.0 > joint(back, name)
    assert joint(asked(), name) == 0.0


def test_channels_blend() -> None:
    both = asked(grip=1.0, wrist_flexion=-1.0, spread=0.5)
    assert joint(both, "flexion") == joint(asked(wrist_flexion=-1.0), "flexion")
    assert joint(both, "pm3_flexion") == joint(asked(grip=1.0), "pm3_flexion")
    assert joint(both, "mcp2_abduction") == pytest.approx(0.1)


def test_values_beyond_the_range_ask_for_no_more() -> None:
    assert (asked(grip=7.0, pronation=-9.0) == asked(grip=1.0, pronation=-1.0)).all()


def test_a_numbered_posture_is_the_one_of_the_list_whatever_the_others_say() -> None:
    table = posture.table()
    for number, name in enumerate(table.postures, start=1):
        assert (asked(posture=number, grip=0.7) == table.named(name)).all()
    assert (asked(posture=31.0) == asked()).all()


def test_every_shipped_angle_is_within_the_joints_range() -> None:
    low, high = np.array([JOINT_RANGE_RAD[name] for name in JOINTS]).T
    table = posture.table()
    for name in table.postures:
        angles = table.named(name)
        assert ((angles >= low - 0.01) & (angles <= high + 0.01)).all(), name


def test_targets_move_at_a_limited_speed_and_arrive() -> None:
    goal = posture.begin_at(asked())
    closed = np.eye(len(CHANNELS))[0]
    largest = np.abs(asked(grip=1.0) - asked()).max()
    steps = 0
    while np.abs(goal.target_rad - asked(grip=1.0)).max() > 1e-9:
        before = goal.target_rad
        goal = posture.advance(goal, closed, 0.02)
        steps += 1
        assert np.abs(goal.target_rad - before).max() <= posture.TARGET_SPEED_RAD_S * 0.02 + 1e-12
        assert (goal.wanted_rad == asked(grip=1.0)).all()
    assert steps == np.ceil(largest / posture.TARGET_SPEED_RAD_S / 0.02)


def test_it_begins_with_what_is_there_and_holding_keeps_what_is_asked() -> None:
    here = feedback(np.full(23, 0.2))
    goal = posture.begin(here)
    assert posture.distance_rad(here, goal) < 0.2  # within the joints' ranges
    values = np.linspace(0, 1, 8)
    assert (posture.still(values) == values).all()


def test_success_is_the_official_one() -> None:
    goal = posture.begin_at(np.zeros(23))
    off = np.zeros((2, 23))
    off[:, 4] = 0.69, 0.71
    assert posture.solved(feedback(off), goal).tolist() == [True, False]
    assert not posture.dropped(feedback(off)).any()


def test_one_hand_and_a_batch_see_the_same() -> None:
    rng = np.random.default_rng(0)
    joints, target = rng.uniform(0, 0.2, (3, 23)), rng.uniform(0, 0.2, (3, 23))
    observation = posture.observation(posture.OWN_TERMS)
    batch = np.zeros((3, observation.size), np.float32)
    observation.observe(feedback(joints), posture.begin_at(target), batch)
    assert observation.size == 131
    for row, one, wish in zip(batch, joints, target, strict=True):
        alone = np.zeros(observation.size, np.float32)
        observation.observe(feedback(one), posture.begin_at(wish), alone)
        assert (alone == row).all()
        assert alone[-23:] == pytest.approx(wish - one, abs=1e-6)


def test_without_objects_there_is_nothing_to_mark() -> None:
    goal = posture.begin_at(np.zeros((5, 23)))
    there = feedback(np.zeros((5, 23)))
    assert posture.markers(there, goal).shape == (5, 0, 3)
    assert posture.errors_m(there, goal).shape == (5, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"open": {"elbow": 1.0}}, "open: 'elbow' is no joint"),
        ({"open": {"flexion": 2.0}}, "open: flexion: 2 rad is outside of"),
        ({"synergies": {"wave": {"plus": {}}}}, "'wave' is no channel"),
        ({"synergies": {"grip": {"plus": {"mcp2_flexion": -1.0}}}}, "grip.plus: mcp2_flexion"),
        ({"postures": {"fist": {"ip": 0.1}}}, "fist: 'ip' is no joint"),
        ({"postures": {f"p{n}": {} for n in range(33)}}, "33 of them; at most 32"),
    ],
)
def test_a_table_that_says_what_can_not_be_is_refused(change: dict[str, object], said: str) -> None:
    raw = {"open": {}, "synergies": {}, "postures": {}} | change
    with pytest.raises(SettingsError, match=said):
        convert(raw, Postures, "table.yaml")


def test_an_unknown_posture_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="no posture 'fist'; there are: digit_0, digit_1"):
        posture.table().named("fist")
