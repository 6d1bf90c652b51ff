"""``myoloop bench loop``: the whole loop beside the least that this machine lets it cost."""

import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from controller import data
from controller.errors import MyoloopError
from controller.policy import load
from controller.session import FollowerSettings, RealTimeSettings, load_session
from controller.supervisor.states import State
from hil import cyclictest, floor, reference_network
from hil.distribution import ratio, summary
from hil.load import loaded
from hil.machine import machine
from hil.rig import SESSION, Rig

ROUNDS: Final = 3
SETTLE_S: Final = 1.0  # after the start
PRIORITY: Final = 80
STALL_PERIODS: Final = 4  # fewer than what the supervisor takes for a fault
STALL_ROUND_S: Final = 0.5
FLOOR_S: Final = 8.0  # of bare calls in a round, at most
PARTS: Final = ("read", "think", "gate", "publish", "plant", "account")
PHYSICS: Final = "myohand"
REFERENCE: Final = "reference.onnx"


def loop(
    rate: Annotated[float, typer.Option(help="Of the loop [Hz]: a multiple of the policy's.")] = 40,
    seconds: Annotated[
        float, typer.Option(min=3.0, help="Of the loop; the floor takes about as long again.")
    ] = 60,
    plant: Annotated[str, typer.Option(help="The plant, by its installed name.")] = PHYSICS,
    load: Annotated[
        bool, typer.Option("--load", help="Keep all processors busy, show the page to ten.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Measure the loop: lateness, each part of the tick, missed deadlines, maxima included.

    The daemon runs with an LSL intention from another process, the shipped policy, its
    supervisor and its recorder, in rounds; between them, on the same core and at the same
    priority, run cyclictest, bare onnxruntime calls and bare physics.
    """
    figures = measure(rate, seconds, plant, load)
    if json:
        print(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())
    else:
        _print(figures)


@dataclass
class Heap:
    """What the rounds brought."""

    ticks: list[NDArray[np.void]] = field(default_factory=list)
    missed: int = 0
    stalls: list[NDArray[np.void]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    replayed: list[NDArray[np.void]] = field(default_factory=list)
    """Ticks from the first at work on; the bare physics repeats them."""
    cyclictest: list[NDArray[np.float64]] = field(default_factory=list)
    floors: list[floor.Floor] = field(default_factory=list)


def measure(rate_hz: float, seconds: float, plant: str, load: bool) -> dict[str, Any]:
    """Alternate the loop and its floor; see ``loop``."""
    cpu = max(os.sched_getaffinity(0))
    realtime = RealTimeSettings(priority=PRIORITY, cpu=cpu, lock_memory=True, wake_within_us=0)
    heap, round_s = Heap(), seconds / ROUNDS
    network = reference_network.model()
    if reason := cyclictest.missing():
        print(f"myoloop: no floor for the lateness: {reason}", file=sys.stderr)
    with Rig() as rig, loaded(rig.lsl_session) if load else nullcontext():
        (rig.folder / REFERENCE).write_bytes(network)
        for number in range(ROUNDS):
            _loop_round(rig, number, heap, rate_hz, round_s, plant, realtime)
            _floor_round(rig, heap, rate_hz, round_s, plant, realtime)
    return _figures(heap, rate_hz, seconds, plant, load, realtime)


def _loop_round(
    rig: Rig,
    number: int,
    heap: Heap,
    rate_hz: float,
    seconds: float,
    plant: str,
    realtime: RealTimeSettings,
) -> None:
    recorder = FollowerSettings(
        use="recorder", options={"file": str(rig.folder / f"round-{number}.mcap")}
    )
    rig.work(rate_hz, plant, [recorder], realtime)
    first, ticks = rig.watch(SETTLE_S), rig.watch(seconds)
    heap.ticks.append(ticks)
    heap.replayed.append(at_work(np.concatenate([first, ticks]))[: round(rate_hz * FLOOR_S)])
    heap.missed += int(ticks["missed"][-1] - ticks["missed"][0])
    heap.stalls.append(rig.stall(STALL_PERIODS / rate_hz, STALL_ROUND_S))
    rig.end()
    heap.refused = rig.report["realtime_refused"]


def _floor_round(
    rig: Rig, heap: Heap, rate_hz: float, seconds: float, plant: str, realtime: RealTimeSettings
) -> None:
    if not cyclictest.missing():
        assert realtime.cpu is not None  # chosen above
        priority = 0 if _refused(heap, "priority") else realtime.priority
        heap.cyclictest.append(cyclictest.lateness_us(rate_hz, seconds, realtime.cpu, priority))
    file = rig.folder / "excitations.npy"
    np.save(file, heap.replayed[-1]["sent"])
    policy = data.find(load_session(data.find(SESSION)).policy)
    every = round(rate_hz / load(policy).contract.rate_hz)
    heap.floors.append(
        floor.measure(
            floor.Job(
                realtime=realtime,
                rate_hz=rate_hz,
                every=every,
                reference=str(rig.folder / REFERENCE),
                policy=str(policy),
                excitations=str(file),
                physics=plant == PHYSICS,
            )
        )
    )


def _refused(heap: Heap, setting: str) -> bool:
    return any(line.startswith(f"realtime.{setting}") for line in heap.refused)


def _figures(
    heap: Heap, rate_hz: float, seconds: float, plant: str, load: bool, realtime: RealTimeSettings
) -> dict[str, Any]:
    ticks = np.concatenate(heap.ticks)
    working = at_work(ticks)
    if not len(working):
        raise MyoloopError("the hand did not work while it was measured")
    thinking = working[_thinks(working)]
    measured: dict[str, Any] = {
        "wake_lateness_us": summary(ticks["lateness_ns"] / 1e3),
        "tick_us": summary(thinking["left_ns"] / 1e3),
        "whole_tick_us": summary(ticks["took_ns"] / 1e3),
        "parts_us": {name: summary(values) for name, values in _parts(thinking).items()},
        "shares": {
            name: round(float(values.sum() / (thinking["took_ns"].sum() / 1e3)), 3)
            for name, values in _parts(thinking).items()
        },
        "intention_age_ms": summary(working["age_s"] * 1e3 + working["left_ns"] / 1e6),
        "ticks": len(ticks),
        "ticks_at_work": len(working),
        "missed_deadlines": heap.missed,
        "missed_share": round(heap.missed / (len(ticks) + heap.missed), 6),
    }
    bare = _bare(heap, rate_hz)
    return {
        "rate_hz": rate_hz,
        "seconds": seconds,
        "rounds": ROUNDS,
        "plant": plant,
        "load": load,
        "realtime": msgspec.to_builtins(realtime),
        "refused": heap.refused,
        "loop": measured,
        "floor": bare,
        "ratios": {
            "wake_p99_vs_cyclictest": ratio(
                measured["wake_lateness_us"]["p99"], bare["cyclictest_us"]["p99"]
            ),
            "tick_p50_vs_ort": ratio(measured["tick_us"]["p50"], bare["ort_reference_us"]["p50"]),
            "plant_vs_bare": ratio(
                summary(np.concatenate(heap.replayed)["plant_ns"] / 1e3)["p50"],
                bare["physics_us"]["p50"],
            ),
        },
        "stalls": _stalls(heap.stalls, rate_hz),
        "machine": machine(),
    }


def at_work(ticks: NDArray[np.void]) -> NDArray[np.void]:
    """The ticks at which the policy had the hand, (n,)."""
    return ticks[np.isin(ticks["state"], (State.ACTIVE, State.HOLD))]


def _thinks(ticks: NDArray[np.void]) -> NDArray[np.bool_]:
    """Ticks at which the policy was asked: its memory is another than before, (n,)."""
    found = np.ones(len(ticks), bool)
    found[1:] = np.diff(ticks["policy_state"].astype(np.int64)) != 0
    return found


def _parts(ticks: NDArray[np.void]) -> dict[str, NDArray[np.float64]]:
    """Microseconds in each part.

    ``publish`` is what is left until the command has left, orders and followers' health
    included; ``account`` what comes after the plant: how well the task goes.
    """
    timed = ("read", "think", "gate", "plant")
    ns = {name: ticks[f"{name}_ns"].astype(np.float64) for name in timed}
    ns["publish"] = ticks["left_ns"] - ns["read"] - ns["think"] - ns["gate"]
    ns["account"] = ticks["took_ns"] - ticks["left_ns"] - ns["plant"]
    return {name: ns[name] / 1e3 for name in PARTS}


def _bare(heap: Heap, rate_hz: float) -> dict[str, Any]:
    woken = np.concatenate(heap.cyclictest) if heap.cyclictest else np.zeros(0)
    late = int((woken > 1e6 / rate_hz).sum())
    return {
        "cyclictest_us": summary(woken),
        "cyclictest_missing": cyclictest.missing(),
        "cyclictest_late_share": round(late / len(woken), 6) if len(woken) else None,
        "ort_reference_us": summary([us for one in heap.floors for us in one.reference]),
        "ort_policy_us": summary([us for one in heap.floors for us in one.policy]),
        "physics_us": summary([us for one in heap.floors for us in one.physics]),
    }


def _stalls(stalls: list[NDArray[np.void]], rate_hz: float) -> dict[str, Any]:
    """What followed when the daemon's process was stopped: skipped ticks, none made up."""
    period_ns = round(1e9 / rate_hz)
    skipped = repeated = 0
    for ticks in stalls:
        due_ns = ticks["time_ns"] - ticks["lateness_ns"]
        steps = np.rint(np.diff(due_ns) / period_ns)
        skipped += int(ticks["missed"][-1] - ticks["missed"][0])
        repeated += int((steps < 1).sum())
    return {
        "count": len(stalls),
        "stopped_ms": STALL_PERIODS * 1e3 / rate_hz,
        "skipped_ticks": skipped,
        "repeated_ticks": repeated,
    }


def _print(figures: dict[str, Any]) -> None:
    console = Console()
    found, bare = figures["loop"], figures["floor"]
    title = (
        f"{figures['rate_hz']:g} Hz, {figures['plant']}, {'loaded' if figures['load'] else 'idle'}"
    )
    table = Table("[us]", "p50", "p99", "p99.9", "max", title=title)
    rows = {
        "wake-up lateness": found["wake_lateness_us"],
        "  cyclictest": bare["cyclictest_us"],
        "wake-up to command": found["tick_us"],
        **{f"  {name}": found["parts_us"][name] for name in PARTS[:4]},
        "  bare onnxruntime, reference": bare["ort_reference_us"],
        "  bare onnxruntime, the policy": bare["ort_policy_us"],
        "plant": found["parts_us"]["plant"],
        "  bare physics": bare["physics_us"],
        "account": found["parts_us"]["account"],
        "whole tick": found["whole_tick_us"],
        "intention age [ms]": found["intention_age_ms"],
    }
    for name, one in rows.items():
        table.add_row(name, *("-" if value is None else f"{value:.1f}" for value in one.values()))
    console.print(table)
    for line in figures["refused"]:
        console.print(line, markup=False, highlight=False)
    print(
        f"{found['missed_deadlines']} of {found['ticks']} deadlines missed; cyclictest late by a "
        f"period: {bare['cyclictest_late_share']}\n"
        f"shares of a tick: {found['shares']}\nratios: {figures['ratios']}\n"
        f"stalls: {figures['stalls']}"
    )
