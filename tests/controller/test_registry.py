"""Finding adapters by name."""

from importlib.metadata import EntryPoint

import pytest

from controller import registry
from controller.errors import SettingsError


@pytest.fixture
def installed(monkeypatch):
    groups = {
        "myoloop.plants": [
            EntryPoint("zebra", "math:tau", "myoloop.plants"),
            EntryPoint("ant", "math:pi", "myoloop.plants"),
        ]
    }
    monkeypatch.setattr(registry, "entry_points", lambda group: groups.get(group, []))


def test_loads_by_name(installed):
    import math

    assert registry.find("plants", "ant", "here") == math.pi
    assert registry.find("plants", "zebra", "here") == math.tau


def test_an_unknown_name_lists_what_there_is(installed):
    with pytest.raises(SettingsError) as caught:
        registry.find("plants", "cat", "a.yaml: plant.use")
    assert str(caught.value) == "a.yaml: plant.use: no plant 'cat'; installed: ant, zebra"


def test_an_empty_group(installed):
    with pytest.raises(SettingsError) as caught:
        registry.find("sources", "lsl", "a.yaml: source.use")
    assert str(caught.value) == "a.yaml: source.use: no source 'lsl'; installed: none"


def test_loading_is_lazy(installed, monkeypatch):
    broken = EntryPoint("broken", "no_such_module:x", "myoloop.plants")
    good = EntryPoint("good", "math:e", "myoloop.plants")
    monkeypatch.setattr(registry, "entry_points", lambda group: [broken, good])
    assert registry.find("plants", "good", "here")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        registry.find("plants", "broken", "here")
