"""The steps of ``myoloop hil`` for an Ability Hand, in their order."""

import time
from typing import Any, Final

import numpy as np
import yaml

from bridges.devices.passthrough_motors import motors
from bridges.devices.port import Port
from controller import data
from controller.errors import HostError
from hil.bring_up import Bench, Outcome, Step, milliseconds, timed
from hil.chain import Chain
from hil.chain_steps import (
    LINE_FAULTS,
    OFF,
    PULLED,
    Fault,
    Subject,
    faults,
    let_go,
    pulled,
    steps,
)
from hil.wire import Array, Wire

QUESTIONS: Final = 200
ROUND_TRIPS: Final = 500
ROUND_TRIP_MS: Final = 50.0
MOVEMENTS: Final = 40
STEP_DEG: Final = 10.0
OPEN_DEG: Final = 10.0
SESSION: Final = "configs/passthrough_motors.yaml"
SEEN_DEG: Final = 0.5
MOTION_MS: Final = 100.0
SPEED_RAD_S: Final = (2.0, 9.0)  # 8.07 as specified; slower under load
CREEP_DEG_S: Final = 20.0
WATCHDOG_DEG: Final = (2.0, 12.0)  # 0.3 s at 20 deg/s is 6 deg; without a watchdog it were 20
STILL_DEG: Final = 1.0
FOLLOWS_DEG: Final = 4.0
HIGH_DEG: Final = 95.0


def closed(deg: float) -> Array:
    """Fingers and thumb bent so far, the rotator opposed by as much, (6,) [deg]."""
    return np.array([deg] * 5 + [-deg])


OPEN: Final = closed(OPEN_DEG)
CLOSED: Final = closed(90.0)


def _link(bench: Bench) -> Outcome:
    with Wire(bench.port) as wire:
        reply = wire.ask()
        where = " ".join(f"{angle:.0f}" for angle in reply.position_deg)
        return Outcome(True, f"motors at {where} deg")


def _replies(bench: Bench) -> Outcome:
    with Wire(bench.port) as wire:
        for _ in range(QUESTIONS):
            wire.ask()
        return Outcome(wire.heard == wire.asked, f"{wire.heard} of {wire.asked}")


def _exclusive(bench: Bench) -> Outcome:
    with Wire(bench.port):
        try:
            Port(bench.port, 460_800).close()
        except HostError as error:
            return Outcome(True, str(error))
        return Outcome(False, "it was opened twice")


def _round_trip(bench: Bench) -> Outcome:
    with Wire(bench.port) as wire:
        took = timed(wire.ask, ROUND_TRIPS)
    bench.latencies_ms["question to reply"] = took
    return Outcome(max(took) <= ROUND_TRIP_MS, milliseconds(took))


def _motion(bench: Bench) -> Outcome:
    """From the command's last byte to the first reply that shows the index somewhere else."""
    took: list[float] = []
    with Wire(bench.port) as wire:
        wire.go_until_there(OPEN)
        for number in range(MOVEMENTS):
            target = OPEN.copy()
            target[0] += STEP_DEG * (1 - number % 2)
            before, began = wire.position_deg()[0], time.perf_counter()
            while (now := wire.go(target)[0]) is not None:
                at_ms = (time.perf_counter() - began) * 1e3
                if number == 0:
                    bench.motion.append((at_ms, target[0], now))
                if abs(now - before) > SEEN_DEG or at_ms > MOTION_MS:
                    took.append(at_ms)
                    break
            _settle(bench, wire, target, began, keep=number == 0)
        wire.stop()
    bench.latencies_ms["wire to motion"] = took
    return Outcome(max(took) <= MOTION_MS, milliseconds(took))


def _settle(bench: Bench, wire: Wire, target: Array, began: float, keep: bool) -> None:
    """Let the movement end; keep its course for the picture."""
    end = time.perf_counter() + 0.1
    while time.perf_counter() < end:
        now = wire.go(target)[0]
        if keep:
            bench.motion.append(((time.perf_counter() - began) * 1e3, target[0], now))


def _speed(bench: Bench) -> Outcome:
    with Wire(bench.port) as wire:
        wire.go_until_there(OPEN)
        course: list[tuple[float, float]] = []
        began = time.perf_counter()
        while not course or (course[-1][1] < CLOSED[0] - 5.0 and course[-1][0] < 3.0):
            course.append((time.perf_counter() - began, wire.go(CLOSED)[0]))
        wire.go_until_there(OPEN)
        wire.stop()
    at_s, deg = np.array(course).T
    moving = (deg > OPEN_DEG + 10.0) & (deg < CLOSED[0] - 10.0)
    if moving.sum() < 2:
        return Outcome(False, "it does not close")
    speed = float(np.radians(np.polyfit(at_s[moving], deg[moving], 1)[0]))
    low, high = SPEED_RAD_S
    return Outcome(low <= speed <= high, f"{speed:.2f} rad/s")


def _planned_stop(bench: Bench) -> Outcome:
    with Wire(bench.port) as wire:
        wire.go_until_there(OPEN)
        for _ in range(10):
            wire.go(CLOSED)
        wire.stop()
        time.sleep(0.1)
        first = wire.position_deg()
        time.sleep(0.3)
        moved = float(np.abs(wire.position_deg() - first).max())
    return Outcome(moved < STILL_DEG and first[0] < CLOSED[0], f"{moved:.1f} deg in 0.3 s")


def _watchdog(bench: Bench) -> Outcome:
    with Wire(bench.port) as wire:
        wire.go_until_there(OPEN)
        before = wire.position_deg()[0]
        wire.turn(np.array([CREEP_DEG_S, 0.0, 0.0, 0.0, 0.0, 0.0]))
        time.sleep(1.0)
        moved = float(wire.position_deg()[0] - before)
        wire.stop()
    low, high = WATCHDOG_DEG
    return Outcome(low <= moved <= high, f"{moved:.1f} deg in 1 s of silence, at 20 deg/s")


# --- with the daemon -------------------------------------------------------------------


def _chain(bench: Bench, port: str) -> Chain:
    """The session of docs/passthrough.md, with the hand on this port."""
    session = yaml.safe_load(data.find(SESSION).read_text(encoding="utf-8"))
    session["followers"][0]["options"] = _options(bench, port)
    return Chain(bench.folder, session, motors.CHANNELS, OPEN)


def _options(_bench: Bench, port: str) -> dict[str, Any]:
    return {"port": port}


def _arrived(words: str) -> tuple[bool, str]:
    finger = float(words.split("deg ")[1].split()[0])
    return abs(finger - HIGH_DEG) < FOLLOWS_DEG, f"index at {finger:.0f} deg"


def _after(bench: Bench, arrived: bool) -> tuple[bool, str]:
    with let_go(lambda: Wire(bench.port)) as wire:
        first = wire.position_deg()
        time.sleep(0.3)
        moved = float(np.abs(wire.position_deg() - first).max())
    off = float(np.abs(first - closed(HIGH_DEG)).max())
    where = f"{off:.1f} deg off, " if arrived else ""
    good = moved < STILL_DEG and (not arrived or off < FOLLOWS_DEG)
    return good, f"{where}{moved:.1f} deg in 0.3 s"


HAND: Final = Subject(
    chain=_chain,
    low=closed(30.0),
    high=closed(HIGH_DEG),
    options=_options,
    at_rest=lambda words: words.startswith("idle"),
    arrived=_arrived,
    own_stop=lambda words: "timeouts 0" in words,
    after=_after,
)
FAULTS: Final = (
    *LINE_FAULTS,
    Fault("stuck", OFF, faults),
    Fault("slow", OFF, faults),
    Fault("unplug", PULLED, pulled),
)

STEPS: Final = (
    Step("link", "a reply with a right checksum within 250 ms", _link),
    Step("replies", f"all of {QUESTIONS} questions are answered", _replies),
    Step("exclusive port", "a second opening is refused", _exclusive),
    Step("round trip", f"each of {ROUND_TRIPS} within {ROUND_TRIP_MS:g} ms", _round_trip),
    Step("wire to motion", f"each of {MOVEMENTS} within {MOTION_MS:g} ms", _motion, moves=True),
    Step("speed", "2 to 9 rad/s (8.07 as specified)", _speed, moves=True),
    Step("planned stop", "0x7C: it stands still, before it is closed", _planned_stop, moves=True),
    Step("watchdog", "silence stops it: 2 to 12 deg, not 20", _watchdog, moves=True),
    *steps(HAND, FAULTS),
)
