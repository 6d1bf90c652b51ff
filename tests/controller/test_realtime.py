"""What the system refuses is said and survived, and everything is put back."""

import ctypes
import errno
import gc
import os
import struct
import sys
import threading

import pytest

from controller import realtime
from controller.errors import HostError
from controller.realtime import other_threads, raised, scheduled
from controller.session import RealTimeSettings

CPU = min(os.sched_getaffinity(0))
NO_CPU = 1000  # there may be a thousand, hardly this one


@pytest.fixture(autouse=True)
def as_it_was():
    """Every test must leave the process as it found it."""

    def state():
        now = os.sched_getaffinity(0), os.sched_getscheduler(0), gc.isenabled()
        return now, sys.getswitchinterval()

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


@pytest.fixture
def libc(monkeypatch):
    """A C library whose mlockall answers as told; returns what it was asked."""
    asked = []

    class Libc:
        answer = 0

        def mlockall(self, flags):
            asked.append(flags)
            ctypes.set_errno(errno.ENOMEM)
            return self.answer

        def munlockall(self):
            asked.append("unlock")

    monkeypatch.setattr(ctypes, "CDLL", lambda name, use_errno: Libc())
    return Libc, asked


def test_locks_memory_and_lets_go(libc):
    _, asked = libc
    with scheduled(RealTimeSettings(lock_memory=True)) as refused:
        assert refused == [] and asked == [3]
    assert asked == [3, "unlock"]


def test_refused_memory(libc):
    kind, asked = libc
    kind.answer = -1
    with scheduled(RealTimeSettings(lock_memory=True)) as refused:
        assert refused == [
            "realtime.lock_memory: mlockall refused (Cannot allocate memory); "
            "'myoloop doctor' says how to allow it"
        ]
    assert asked == [3]


def test_idle_states_are_forbidden_while_the_file_is_open(monkeypatch, tmp_path):
    file = tmp_path / "cpu_dma_latency"
    monkeypatch.setattr(realtime, "IDLE", file)
    with scheduled(RealTimeSettings(wake_within_us=20)) as refused:
        assert refused == [] and struct.unpack("=i", file.read_bytes()) == (20,)
    assert refused == []


def test_refused_idle_states(monkeypatch, tmp_path):
    monkeypatch.setattr(realtime, "IDLE", tmp_path / "none" / "cpu_dma_latency")
    with scheduled(RealTimeSettings(wake_within_us=0)) as refused:
        (line,) = refused
    assert line.startswith("realtime.wake_within_us: ")
    assert "(No such file or directory)" in line


def test_the_collector_may_be_left_alone():
    with scheduled(RealTimeSettings(freeze_gc=False)):
        assert gc.isenabled() and gc.get_freeze_count() == 0


def test_another_thread_gives_the_interpreter_back_soon():
    with scheduled(RealTimeSettings()):
        assert sys.getswitchinterval() == pytest.approx(5e-4)


def test_other_threads_are_named():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="second")
    thread.start()
    try:
        assert "second" in other_threads() and threading.current_thread().name not in (
            other_threads()
        )
    finally:
        stop.set()
        thread.join()


def test_what_starts_meanwhile_is_raised_as_well(allowed):
    with raised(7, "followers.hand.priority") as refused:
        assert refused == [] and allowed == [os.SCHED_FIFO, 7]
    assert allowed == [os.SCHED_OTHER, 0]


def test_whose_priority_was_refused_is_told(forbidden):
    with raised(7, "followers.hand.priority") as refused:
        (line,) = refused
    assert line.startswith("followers.hand.priority: SCHED_FIFO 7 refused (Operation not")


def test_no_priority_is_asked_for_by_default(forbidden):
    with raised(0, "followers.hand.priority") as refused:
        assert refused == []
