"""A session file: the built-in limits, and what a file may not do to them."""

from pathlib import Path

import pytest
import yaml

from controller.errors import SettingsError
from controller.session import GateSettings, RealTimeSettings, load_session

LEAST = {
    "skill": "baoding",
    "policy": "policies/baoding.onnx",
    "source": {"use": "lsl"},
    "plant": {"use": "myohand"},
}


@pytest.fixture
def session(tmp_path):
    path = tmp_path / "session.yaml"

    def load(**changes):
        path.write_text(yaml.safe_dump({**LEAST, **changes}), encoding="utf-8")
        return load_session(path)

    return load


@pytest.fixture
def refused(session, tmp_path):
    def refuse(**changes):
        with pytest.raises(SettingsError) as caught:
            session(**changes)
        message = str(caught.value)
        assert "\n" not in message
        return message.removeprefix(f"{tmp_path / 'session.yaml'}: ")

    return refuse


def test_the_least_session_gets_the_built_in_limits(session):
    found = session()
    assert found.rate_hz == 40.0
    assert found.gate == GateSettings(
        hold_after_ms=100.0, relax_after_ms=300.0, slew_per_s=20.0, relax_within_ms=250.0
    )
    assert found.realtime == RealTimeSettings(priority=0, cpu=None, required=False)
    assert found.source.use == "lsl" and found.source.options == {}


def test_the_shipped_session_loads():
    root = Path(__file__).resolve().parents[2]
    found = load_session(root / "configs" / "baoding.yaml")
    assert found.skill == "baoding" and found.rate_hz == 40.0


def test_a_file_can_tighten(session):
    gate = {"hold_after_ms": 50, "relax_after_ms": 50, "slew_per_s": 1, "relax_within_ms": 100}
    assert session(gate=gate).gate == GateSettings(**gate)


def test_options_are_the_adapters_own(session):
    options = {"name": "x", "deep": {"a": [1, 2.5, None]}}
    assert session(source={"use": "lsl", "options": options}).source.options == options


@pytest.mark.parametrize(
    "gate, message",
    [
        ({"hold_after_ms": 100.1}, "gate.hold_after_ms: expected 'float' <= 100.0 (is 100.1)"),
        ({"hold_after_ms": 0}, "gate.hold_after_ms: expected 'float' > 0.0 (is 0)"),
        ({"relax_after_ms": 301}, "gate.relax_after_ms: expected 'float' <= 300.0 (is 301)"),
        ({"relax_after_ms": -1}, "gate.relax_after_ms: expected 'float' > 0.0 (is -1)"),
        ({"slew_per_s": 20.5}, "gate.slew_per_s: expected 'float' <= 20.0 (is 20.5)"),
        ({"slew_per_s": 0.0}, "gate.slew_per_s: expected 'float' > 0.0 (is 0.0)"),
        ({"relax_within_ms": 301}, "gate.relax_within_ms: expected 'float' <= 300.0 (is 301)"),
        ({"relax_within_ms": 0}, "gate.relax_within_ms: expected 'float' >= 100.0 (is 0)"),
        (
            {"engage": 0.1},
            "gate.engage: unknown key; allowed: "
            "hold_after_ms, relax_after_ms, slew_per_s, relax_within_ms",
        ),
        (
            {"hold_after_ms": 80, "relax_after_ms": 79.5},
            "gate.hold_after_ms: 80 is later than relax_after_ms (79.5); holding comes first",
        ),
        (
            {"relax_after_ms": 99},
            "gate.hold_after_ms: 100 is later than relax_after_ms (99); holding comes first",
        ),
    ],
)
def test_a_file_can_not_loosen_the_gate(refused, gate, message):
    assert refused(gate=gate) == message


@pytest.mark.parametrize("key", GateSettings.__struct_fields__)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "100", None, True])
def test_a_limit_is_a_number(refused, key, value):
    assert refused(gate={key: value}).startswith(f"gate.{key}: expected 'float'")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"rate_hz": 0}, "rate_hz: expected 'float' > 0.0 (is 0)"),
        ({"rate_hz": 1001}, "rate_hz: expected 'float' <= 1000.0 (is 1001)"),
        ({"realtime": {"priority": 100}}, "realtime.priority: expected 'int' <= 99 (is 100)"),
        ({"realtime": {"priority": -1}}, "realtime.priority: expected 'int' >= 0 (is -1)"),
        ({"realtime": {"cpu": -1}}, "realtime.cpu: expected 'int' >= 0 (is -1)"),
        ({"realtime": {"required": 1}}, "realtime.required: expected 'bool', got 'int' (is 1)"),
        (
            {"realtime": {"prio": 1}},
            "realtime.prio: unknown key; allowed: priority, cpu, required",
        ),
        ({"skill": 3}, "skill: expected 'str', got 'int' (is 3)"),
        ({"policy": None}, "policy: expected 'str', got 'null' (is None)"),
        ({"source": "lsl"}, "source: expected 'object', got 'str' (is 'lsl')"),
        ({"source": {}}, "source: object missing required field 'use'"),
        ({"plant": {"use": "x", "port": 1}}, "plant.port: unknown key; allowed: use, options"),
        ({"plant": {"use": "x", "options": [1]}}, "plant.options: expected 'object', got 'array'"),
        (
            {"plnat": {}},
            "plnat: unknown key; allowed: skill, policy, source, plant, rate_hz, gate, realtime",
        ),
    ],
)
def test_what_is_wrong_is_named(refused, changes, message):
    assert refused(**changes) == message


@pytest.mark.parametrize("key", LEAST)
def test_what_is_missing_is_named(tmp_path, key):
    path = tmp_path / "session.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in LEAST.items() if k != key}))
    with pytest.raises(SettingsError) as caught:
        load_session(path)
    assert str(caught.value) == f"{path}: the file: object missing required field '{key}'"


def test_a_loaded_session_can_not_be_changed(session):
    with pytest.raises(AttributeError):
        session().gate.slew_per_s = 1000.0
