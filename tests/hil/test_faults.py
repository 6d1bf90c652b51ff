"""Faults by name, and what they do to a reply on its way."""

import pytest

from controller.errors import SettingsError
from hil.emulators.faults import OVERTAKEN_S, Faults, Way

MS = 1e-3


def test_what_is_no_fault_of_this_device_is_refused():
    assert Faults.parse("drop=0.5,delay=20,stuck", ("stuck",)).plain == {"stuck"}
    for wrong in ("stuck", "electrode=1", "teapot", "drop", "drop=2", "delay=-1", "mute=1"):
        with pytest.raises(SettingsError, match=f"--fault '{wrong}'; allowed: drop=SHARE"):
            Faults.parse(wrong)
    with pytest.raises(SettingsError, match="electrode=1-8"):
        Faults.parse("electrode=9", ("electrode",))
    assert Faults.parse("electrode=8", ("electrode",)).electrode == 8


def test_an_overtaken_reply_comes_behind_the_next_one():
    way = Way(Faults.parse("reorder=1"))
    way.send(b"first", 0.0)
    assert way.arrived(OVERTAKEN_S / 2) == []
    way.send(b"second", OVERTAKEN_S / 2)
    assert way.arrived(OVERTAKEN_S / 2) == [b"second", b"first"]


def test_an_overtaken_reply_that_none_follows_comes_all_the_same():
    way = Way(Faults.parse("reorder=1"))
    way.send(b"only", 0.0)
    assert way.arrived(0.9 * OVERTAKEN_S) == []
    assert way.arrived(1.1 * OVERTAKEN_S) == [b"only"]
    assert way.arrived(2.0) == []


def test_late_twice_and_lost():
    late, twice, lost = (Way(Faults.parse(text)) for text in ("delay=20", "duplicate=1", "drop=1"))
    for way in (late, twice, lost):
        way.send(b"reply", 0.0)
    assert late.arrived(19 * MS) == [] and late.arrived(20 * MS) == [b"reply"]
    assert twice.arrived(0.0) == [b"reply", b"reply"]
    assert lost.arrived(9.0) == []


@pytest.mark.parametrize("fault", ["corrupt=1", "truncate=1", "wrong=1"])
def test_spoilt_the_same_way_each_time(fault):
    found = []
    for _ in range(2):
        way = Way(Faults.parse(fault))
        way.send(b"a reply of the device", 0.0)
        found += way.arrived(0.0)
    assert found[0] == found[1] != b"a reply of the device"
