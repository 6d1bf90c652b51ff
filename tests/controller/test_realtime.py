"""What the system refuses is said and survived, and everything is put back."""

import gc
import os

import pytest

from controller.errors import HostError
from controller.realtime import scheduled
from controller.session import RealTimeSettings

CPU = min(os.sched_getaffinity(0))
NO_CPU = 1000  # there may be a thousand, hardly this one


@pytest.fixture(autouse=True)
def as_it_was():
    """Every test must leave the process as it found it."""

    def state():
        return os.sched_getaffinity(0), os.sched_getscheduler(0), gc.isenabled()

    before = state()
    yield
    assert state() == before
    assert gc.get_freeze_count() == 0


@pytest.fixture
def allowed(monkeypatch):
    """A system that grants every priority; returns what is in force."""
    now = [os.SCHED_OTHER, 0]

    def set_scheduler(pid, policy, parameters):
        now[:] = policy, parameters.sched_priority

    monkeypatch.setattr(os, "sched_setscheduler", set_scheduler)
    return now


@pytest.fixture
def forbidden(monkeypatch):
    """A system that grants no priority above the ordinary."""

    def set_scheduler(pid, policy, parameters):
        if policy != os.SCHED_OTHER:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", set_scheduler)


def test_by_default_only_the_collector_rests():
    affinity = os.sched_getaffinity(0)
    with scheduled(RealTimeSettings()) as refused:
        assert refused == [] and not gc.isenabled()
        assert os.sched_getaffinity(0) == affinity
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_pins():
    with scheduled(RealTimeSettings(cpu=CPU)) as refused:
        assert refused == [] and os.sched_getaffinity(0) == {CPU}


def test_raises_and_lowers_the_priority(allowed):
    with scheduled(RealTimeSettings(priority=42)) as refused:
        assert refused == [] and allowed == [os.SCHED_FIFO, 42]
    assert allowed == [os.SCHED_OTHER, 0]


@pytest.mark.parametrize("cpu", [NO_CPU, 2**31, 10**30])
def test_no_such_processor(cpu):
    with scheduled(RealTimeSettings(cpu=cpu)) as refused:
        (line,) = refused
    assert line.startswith(f"realtime.cpu: processor {cpu} refused (")
    assert line.endswith(f"allowed: {', '.join(map(str, sorted(os.sched_getaffinity(0))))}")


def test_refused_priority(forbidden):
    with scheduled(RealTimeSettings(priority=42)) as refused:
        assert refused == [
            "realtime.priority: SCHED_FIFO 42 refused (Operation not permitted); "
            "'myoloop doctor' says how to allow it"
        ]


def test_every_refusal_has_its_line(forbidden):
    with scheduled(RealTimeSettings(priority=42, cpu=NO_CPU)) as refused:
        assert [line.partition(":")[0] for line in refused] == [
            "realtime.cpu",
            "realtime.priority",
        ]


def test_a_refused_processor_leaves_no_priority_behind(allowed):
    with scheduled(RealTimeSettings(priority=42, cpu=NO_CPU)):
        assert allowed == [os.SCHED_FIFO, 42]
    assert allowed == [os.SCHED_OTHER, 0]


def test_required_refuses_to_start(forbidden):
    with (
        pytest.raises(HostError) as caught,
        scheduled(RealTimeSettings(priority=42, cpu=CPU, required=True)),
    ):
        pytest.fail("started all the same")
    assert str(caught.value).startswith("realtime.required is set, but realtime.priority: ")


def test_required_and_granted(allowed):
    with scheduled(RealTimeSettings(priority=1, cpu=CPU, required=True)) as refused:
        assert refused == []


def test_an_error_in_the_body_puts_everything_back(allowed):
    with pytest.raises(ZeroDivisionError), scheduled(RealTimeSettings(priority=9, cpu=CPU)):
        _ = 1 / 0
    assert allowed == [os.SCHED_OTHER, 0]
