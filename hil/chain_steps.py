"""Steps of ``myoloop hil`` that look at the whole chain, the same for every device."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from controller.errors import HostError
from controller.follower import FollowerState
from controller.session import FollowerSettings, RealTimeSettings
from controller.supervisor.states import State
from hil.bring_up import Bench, Outcome, Step, milliseconds
from hil.chain import PRIORITY, Chain
from hil.emulated_device import Emulator
from hil.rig import Rig

SWEEP_S: Final = 0.5
RECOVER_S: Final = 1.0  # out of HOLD, where this process, the decoder, was late
RATE_HZ: Final = 40.0
POLICY_S: Final = 10.0
TO_WIRE_MS: Final = 100.0  # the time to live of a command
FAULT_S: Final = 5.0
FREE_S: Final = 3.0  # until the driver of a daemon that ended has let the port go

W = TypeVar("W")


@dataclass(frozen=True)
class Subject:
    """What differs from device to device.

    Attributes:
        chain: a daemon that passes an intention through to the device on this port.
        low, high: two intentions whose effects can be told apart, (channels,).
        options: of its follower, for the device on this port.
        at_rest: whether an emulator's words say that it is stopped.
        arrived: whether they say that it does what ``high`` asks for, and what it does.
        own_stop: whether they say that its own watchdog was not needed.
        after: whether the device is at rest once the daemon is gone, and how it is. If it is
            said to have arrived it has to be where ``high`` asked it to be.
    """

    chain: Callable[[Bench, str], Chain]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    options: Callable[[Bench, str], dict[str, Any]]
    at_rest: Callable[[str], bool]
    arrived: Callable[[str], tuple[bool, str]]
    own_stop: Callable[[str], bool]
    after: Callable[[Bench, bool], tuple[bool, str]]


@dataclass(frozen=True)
class Fault:
    """A fault of the line or the device, and what it has to lead to."""

    spec: str
    expected: str
    look: Callable[[Subject, Chain, Emulator], Outcome]


def steps(subject: Subject, faults: tuple[Fault, ...]) -> tuple[Step, ...]:
    """All of them, in order."""

    def of(name: str, expected: str, act: Callable[[Subject, Bench], Outcome]) -> Step:
        return Step(name, expected, lambda bench: act(subject, bench), moves=True)

    return (
        of(
            "driver follows",
            "ACTIVE, there, each command on the wire within 100 ms; then at rest",
            _follows,
        ),
        of("e-stop", "FAULT, the driver confirms the stop, no arming without a reset", _estop),
        of("daemon killed", "the driver stops the device, before its watchdog", _daemon_dies),
        of("closed loop with the policy", "at work for 10 s, the driver well", _closed_loop),
        *(_inject(subject, fault) for fault in faults),
    )


def _sweep(subject: Subject, chain: Chain, times: int) -> None:
    for number in range(times):
        chain.aim(subject.high if number % 2 else subject.low)
        chain.play(SWEEP_S)
    chain.until(lambda: chain.state is State.ACTIVE, RECOVER_S)


def _follows(subject: Subject, bench: Bench) -> Outcome:
    with subject.chain(bench, bench.port) as chain:
        chain.work()
        _sweep(subject, chain, 8)
        state, emulator = chain.state, bench.emulator
        there, does = subject.arrived(emulator.words) if emulator else (True, "")
        chain.ask("disarm")
        chain.play(0.2)
        took = [one / 1e6 for one in chain.to_wire_ns]
    bench.latencies_ms["tick to wire, passthrough"] = took
    rest, words = subject.after(bench, True)
    good = state is State.ACTIVE and there and rest and max(took) <= TO_WIRE_MS
    seen = (state.name, does, f"tick to wire {milliseconds(took)}", f"then {words}")
    return Outcome(good, ", ".join(filter(None, seen)))


def _when_stopped(subject: Subject, bench: Bench, since_ns: int) -> str:
    at_ns = bench.emulator and bench.emulator.when(subject.at_rest, since_ns)
    return f"stopped after {(at_ns - since_ns) / 1e6:.0f} ms, " if at_ns else ""


def _estop(subject: Subject, bench: Bench) -> Outcome:
    with subject.chain(bench, bench.port) as chain:
        chain.work()
        chain.aim(subject.high)
        chain.play(0.1)
        since_ns = time.monotonic_ns()
        chain.ask("estop")
        chain.play(0.5)
        state, (driver, why) = chain.state, chain.driver
        took = _when_stopped(subject, bench, since_ns)
        refused = not chain.ask("arm").ok
    rest, words = subject.after(bench, False)
    good = state is State.FAULT and driver is FollowerState.READY and refused and rest
    return Outcome(good, f"{state.name}, {took}driver {driver.name} {why}".strip() + f", {words}")


def _daemon_dies(subject: Subject, bench: Bench) -> Outcome:
    with subject.chain(bench, bench.port) as chain:
        chain.work()
        chain.aim(subject.high)
        chain.play(0.1)
        since_ns = time.monotonic_ns()
        chain.kill()
    rest, words = subject.after(bench, False)
    own = subject.own_stop(bench.emulator.words) if bench.emulator else True
    return Outcome(rest and own, _when_stopped(subject, bench, since_ns) + words)


def _closed_loop(subject: Subject, bench: Bench) -> Outcome:
    with Rig() as rig:
        options = {**subject.options(bench, bench.port), "report_session": rig.lsl_session}
        device = FollowerSettings(
            use=bench.device, required=True, priority=PRIORITY - 1, options=options
        )
        rig.work(RATE_HZ, "myohand", [device], RealTimeSettings(priority=PRIORITY))
        ticks = rig.watch(POLICY_S)
        ticks = ticks[ticks["state"] != State.ARMING]  # before the dead-man was seen
        rig.end()
        report = rig.report
    active, held = (int((ticks["state"] == one).sum()) for one in (State.ACTIVE, State.HOLD))
    driver, task = report["followers"][bench.device], report["task"]
    at_work = active + held == len(ticks) and active > held  # held: this process was late
    good = at_work and not driver["reason"]
    return Outcome(
        good,
        f"ACTIVE at {active}, HOLD at {held} of {len(ticks)} ticks, "
        f"driver {driver['reason'] or 'well'}, "
        f"balls within 15 mm for {task['solved_fraction']:.0%}",
    )


# --- faults ----------------------------------------------------------------------------


def goes_on(subject: Subject, chain: Chain, emulator: Emulator) -> Outcome:
    """It works, and arrives."""
    chain.work()
    _sweep(subject, chain, 4)
    there, does = subject.arrived(emulator.words)
    driver, why = chain.driver
    good = chain.state is State.ACTIVE and there
    return Outcome(good, f"{chain.state.name}, driver {driver.name} {why}".strip() + f", {does}")


def not_armed(subject: Subject, chain: Chain, emulator: Emulator) -> Outcome:
    """It never moves, and an arming is refused."""
    chain.play(1.0)
    reply = chain.ask("arm")
    rest = subject.at_rest(emulator.words)
    return Outcome(not reply.ok and rest, f"{reply.message}; {chain.driver[1]}")


def faults(subject: Subject, chain: Chain, emulator: Emulator) -> Outcome:
    """It works, the supervisor is in FAULT, and the device is stopped."""
    chain.work()
    chain.aim(subject.high)
    chain.until(lambda: chain.state is State.FAULT, FAULT_S)
    chain.play(0.3)
    good = chain.state is State.FAULT and subject.at_rest(emulator.words)
    return Outcome(good, f"{chain.state.name}: {chain.note}")


def pulled(subject: Subject, chain: Chain, emulator: Emulator) -> Outcome:
    """The same, for a cable; and nothing begins again when it is back."""
    chain.work()
    chain.aim(subject.high)
    chain.play(0.2)
    emulator.pull()
    chain.until(lambda: chain.state is State.FAULT, FAULT_S)
    state, note = chain.state, chain.note
    chain.play(3.0)  # the cable is back
    rest, refused = subject.at_rest(emulator.words), not chain.ask("arm").ok
    return Outcome(state is State.FAULT and rest and refused, f"{state.name}: {note}")


ON: Final = "it goes on and follows"
NO: Final = "it can't be armed, and the driver says why"
OFF: Final = "FAULT within 5 s, with the reason; the device is stopped"
PULLED: Final = f"{OFF}; plugged in again it waits for a reset and an arming"
BEARABLE: Final = [
    "drop=0.1",
    "corrupt=0.1",
    "delay=20",
    "duplicate=0.2",
    "reorder=0.2",
    "truncate=0.1",
]
LINE_FAULTS: Final = (
    *(Fault(spec, ON, goes_on) for spec in BEARABLE),
    *(Fault(spec, NO, not_armed) for spec in ("wrong=1", "mute")),
)
"""What any line can do, whichever device is at its end."""


def _inject(subject: Subject, fault: Fault) -> Step:
    def act(bench: Bench) -> Outcome:
        spec = "" if fault.spec == "unplug" else fault.spec
        emulator = bench.emulate(spec)
        with subject.chain(bench, bench.port) as chain:
            return fault.look(subject, chain, emulator)

    return Step(f"fault {fault.spec}", fault.expected, act, moves=True, emulated=True)


def let_go(take: Callable[[], W]) -> W:
    """Take a port, as soon as the driver of a daemon that ended has let it go."""
    deadline = time.monotonic() + FREE_S
    while time.monotonic() < deadline:
        with suppress(HostError):
            return take()
        time.sleep(0.05)
    return take()
