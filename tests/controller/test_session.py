"""A session file: what it may say, and how it is refused."""

from pathlib import Path

import pytest
import yaml

from controller.errors import SettingsError
from controller.session import ControlSettings, RealTimeSettings, load_session

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


def test_the_least_session_gets_safe_defaults(session):
    found = session()
    assert found.rate_hz == 40.0
    assert found.safety == "configs/safety.yaml"
    assert found.followers == [] and found.control == ControlSettings()
    assert found.control.bind == "tcp://127.0.0.1:*" and not found.control.attended
    assert found.realtime == RealTimeSettings(priority=0, cpu=None, required=False)
    assert found.source.use == "lsl" and found.source.options == {}


def test_the_shipped_session_loads():
    root = Path(__file__).resolve().parents[2]
    found = load_session(root / "configs" / "baoding.yaml")
    assert found.skill == "baoding" and found.rate_hz == 40.0


def test_a_session_is_called_as_its_file_or_as_it_says(tmp_path, session):
    assert session().name == "session"
    assert session(name="left-hand.2").name == "left-hand.2"
    odd = tmp_path / "my hand (left).yaml"
    odd.write_text(yaml.safe_dump(LEAST))
    assert load_session(odd).name == "my-hand--left-"


@pytest.mark.parametrize("name", ["../up", "a/b", "a b", "x" * 65, 3])
def test_a_name_is_one_of_a_folder(refused, name):
    assert refused(name=name).startswith("name: expected 'str'")


def test_followers_have_names_of_their_own(session, refused):
    two = [{"use": "hand"}, {"use": "hand", "name": "left", "required": True}]
    found = session(followers=two).followers
    assert [(f.name, f.use, f.required) for f in found] == [
        ("", "hand", False),
        ("left", "hand", True),
    ]
    message = "followers: two are called 'hand'; give them names"
    assert refused(followers=[{"use": "hand"}, {"use": "hand"}]) == message


def test_options_are_the_adapters_own(session):
    options = {"name": "x", "deep": {"a": [1, 2.5, None]}}
    assert session(source={"use": "lsl", "options": options}).source.options == options


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
            "realtime.prio: unknown key; allowed: priority, cpu, lock_memory, "
            "wake_within_us, freeze_gc, required",
        ),
        ({"skill": 3}, "skill: expected 'str', got 'int' (is 3)"),
        ({"policy": None}, "policy: expected 'str', got 'null' (is None)"),
        ({"source": "lsl"}, "source: expected 'object', got 'str' (is 'lsl')"),
        ({"source": {}}, "source: object missing required field 'use'"),
        ({"plant": {"use": "x", "port": 1}}, "plant.port: unknown key; allowed: use, options"),
        ({"plant": {"use": "x", "options": [1]}}, "plant.options: expected 'object', got 'array'"),
        (
            {"plnat": {}},
            "plnat: unknown key; allowed: skill, policy, source, plant, name, rate_hz, safety, "
            "followers, control, realtime",
        ),
    ],
)
def test_what_is_wrong_is_named(refused, changes, message):
    assert refused(**changes) == message


@pytest.mark.parametrize("key", [key for key in LEAST if key != "policy"])
def test_what_is_missing_is_named(tmp_path, key):
    path = tmp_path / "session.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in LEAST.items() if k != key}))
    with pytest.raises(SettingsError) as caught:
        load_session(path)
    assert str(caught.value) == f"{path}: the file: object missing required field '{key}'"


def test_a_loaded_session_can_not_be_changed(session):
    with pytest.raises(AttributeError):
        session().rate_hz = 1000.0
