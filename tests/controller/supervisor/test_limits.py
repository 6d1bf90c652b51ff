"""Limits as data: what is built in, and that a file can only tighten it."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from controller.errors import SettingsError
from controller.names import JOINT_RANGE_RAD, JOINTS, MUSCLES
from controller.supervisor.limits import BUILT_IN, SEVERITY, Action, Limits, load_limits
from controller.supervisor.states import Reason

ROOT = Path(__file__).resolve().parents[3]
NUMBERS = [
    name
    for name, kind in Limits.__annotations__.items()
    if not str(kind).startswith("dict") and name != "actions"
]


@pytest.fixture
def limits(tmp_path):
    path = tmp_path / "safety.yaml"

    def load(**values):
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        return load_limits(path)

    return load


@pytest.fixture
def refused(limits, tmp_path):
    def refuse(**values):
        with pytest.raises(SettingsError) as caught:
            limits(**values)
        message = str(caught.value)
        assert "\n" not in message
        return message.removeprefix(f"{tmp_path / 'safety.yaml'}: ")

    return refuse


def test_the_shipped_file_states_what_is_built_in_or_less():
    path = ROOT / "configs" / "safety.yaml"
    assert set(yaml.safe_load(path.read_text())) == set(Limits.__struct_fields__)
    assert load_limits(path) == Limits()


@pytest.mark.parametrize(
    "key, bound",
    [
        ("excitation_max", "<= 1.0"),
        ("excitation_total_max", "<= 20.0"),
        ("slew_per_s", "<= 20.0"),
        ("window_ms", "<= 1000.0"),
        ("window_rise_max", "<= 1.0"),
        ("relax_within_ms", "<= 300.0"),
        ("intention_hold_ms", "<= 100.0"),
        ("intention_stale_ms", "<= 300.0"),
        ("command_ttl_ms", "<= 100.0"),
        ("feedback_stale_ms", "<= 200.0"),
        ("joint_margin_rad", "<= 0.5"),
        ("joint_speed_max_rad_s", "<= 60.0"),
        ("deadlines_missed_in_row_max", "<= 50"),
        ("follower_silent_ms", "<= 500.0"),
        ("arm_within_s", "<= 60.0"),
    ],
)
def test_a_file_can_not_loosen(limits, refused, key, bound):
    ceiling = float(bound.split()[1])
    loose = int(ceiling) + 1 if "." not in bound else ceiling + 0.1
    assert refused(**{key: loose}).startswith(f"{key}: expected ")
    assert f"{bound} (is {loose})" in refused(**{key: loose})
    tight = int(ceiling) - 1 if "." not in bound else ceiling * 0.9
    extra = {"intention_hold_ms": 1} if key == "intention_stale_ms" else {}
    assert getattr(limits(**{key: tight, **extra}), key) == tight


def test_every_number_is_in_that_list():
    assert len(NUMBERS) == 15


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, "100", None, True])
def test_a_limit_is_a_positive_number(refused, key, value):
    assert refused(**{key: value}).startswith(f"{key}: expected '")


@pytest.mark.parametrize(
    "values, message",
    [
        ({"slew": 1}, "slew: unknown key; allowed: excitation_max, "),
        (
            {"intention_hold_ms": 80, "intention_stale_ms": 79.5},
            "intention_hold_ms: 80 is later than intention_stale_ms (79.5); holding comes first",
        ),
        (
            {"excitation_max_of": {"BICEPS": 0.5}},
            f"excitation_max_of.BICEPS: unknown; allowed: {', '.join(MUSCLES)}",
        ),
        ({"excitation_max_of": {"FPL": 1.1}}, "excitation_max_of.FPL: expected 'float' <= 1.0"),
        (
            {"joint_range_rad": {"elbow": [0, 1]}},
            f"joint_range_rad.elbow: unknown; allowed: {', '.join(JOINTS)}",
        ),
        (
            {"joint_range_rad": {"deviation": [-0.1, 0.1], "flexion": [0.5, 0.5]}},
            "joint_range_rad.flexion: 0.5 is not below 0.5",
        ),
        (
            {"actions": {"estop": "relax"}},
            "actions.estop: unknown; allowed: intention_fault, ",
        ),
        (
            {"actions": {"follower": "relax"}},
            "actions.follower: 'relax' is milder than the built-in 'latch'; allowed: latch",
        ),
        (
            {"actions": {"joint_angle": "limit"}},
            "actions.joint_angle: 'limit' is milder than the built-in 'relax'; "
            "allowed: relax, latch",
        ),
        ({"actions": {"slew": "explode"}}, "actions.slew: invalid enum value 'explode'"),
    ],
)
def test_what_is_wrong_is_named(refused, values, message):
    assert refused(**values).startswith(message)


@pytest.mark.parametrize("reason", BUILT_IN, ids=lambda reason: reason.name)
@pytest.mark.parametrize("action", Action)
def test_an_action_can_only_be_stricter(limits, refused, reason, action):
    key = reason.name.lower()
    if SEVERITY.index(action) < SEVERITY.index(BUILT_IN[reason]):
        assert "is milder than the built-in" in refused(actions={key: action.value})
    else:
        assert limits(actions={key: action.value}).action(reason) is action


def test_reasons_by_action():
    limits = Limits(actions={"slew": Action.LATCH})
    assert Reason.SLEW in limits.reasons_for(Action.LATCH)
    assert Reason.SLEW not in limits.reasons_for(Action.LIMIT)
    together = Reason(0)
    for action in Action:
        together |= limits.reasons_for(action)
    assert together == sum(BUILT_IN, Reason(0))


def test_a_milder_action_that_got_past_the_file_still_does_not_hold():
    assert Limits(actions={"follower": Action.LIMIT}).action(Reason.FOLLOWER) is Action.LATCH


def test_ceilings():
    found = Limits(excitation_max=0.7, excitation_max_of={"FPL": 0.2, "OP": 0.9}).ceilings()
    assert found[MUSCLES.index("FPL")] == np.float32(0.2)
    assert found[MUSCLES.index("OP")] == np.float32(0.7)
    assert np.delete(found, MUSCLES.index("FPL")) == pytest.approx(0.7)


def test_joint_bounds_are_never_wider_than_built_in():
    wide = Limits(joint_range_rad={"flexion": (-9.0, 9.0)}, joint_margin_rad=0.1)
    low, high = wide.joint_bounds_rad()
    index = JOINTS.index("flexion")
    own_low, own_high = JOINT_RANGE_RAD["flexion"]
    assert (low[index], high[index]) == pytest.approx((own_low - 0.1, own_high + 0.1))


def test_a_file_with_every_joints_range_is_read(limits):
    own = {joint: list(bounds) for joint, bounds in JOINT_RANGE_RAD.items()}
    assert limits(joint_range_rad=own).joint_range_rad.keys() == JOINT_RANGE_RAD.keys()


def test_the_hash_is_of_the_values():
    assert Limits().sha256 == Limits(slew_per_s=20.0).sha256
    assert len({Limits().sha256, Limits(slew_per_s=19.0).sha256}) == 2
    assert len(Limits().sha256) == 64


def test_holding_and_relaxing_may_begin_together(limits):
    assert limits(intention_hold_ms=80, intention_stale_ms=80).intention_stale_ms == 80
