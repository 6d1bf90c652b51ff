"""The measurements of ``myoloop bench emg``."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridges.emg.calibration import MODELS, Calibration, Model, Verdict
from bridges.emg.decoder import Decision, Decoder
from bridges.emg.demo import EmgStage
from bridges.emg.filters import design, group_delay_s
from bridges.emg.fit import fit
from bridges.emg.prompts import FASTER, TURN
from bridges.emg.rehearsal import cut, rehearse
from bridges.emg.settings import EmgSettings, EmgStream, Pedal
from bridges.emg.simulated import FAULTS, RISE_S, Fault, Forearm, activation
from bridges.lsl_match import RATE_HZ
from controller.board import BoardReader
from controller.errors import HostError
from controller.supervisor.states import State

HOP_S: Final = 1.0 / RATE_HZ
SCENE_S: Final = 1.5
WISHES: Final = (0.0, TURN, 0.0, -TURN, 0.0, FASTER, 0.0, -FASTER)
SETTLED_S: Final = 0.5  # of each scene: from then on it should be as wished
FAULT_AT_S: Final = 2.0  # into a turn
WATCH_S: Final = 2.0  # after a fault
WINDOWS_MS: Final = (50.0, 100.0, 150.0, 200.0, 250.0)
TOLERATED_MS: Final = (100, 125)  # Farrell and Weir 2007: the best controller delay
MIDDLE_HZ: Final = 85.0  # of surface EMG
FIRST_SUBJECT: Final = 100
OF_OTHERS: Final = 1000  # added to a subject's seed for what is decoded
LOOK_S: Final = 0.05
STEPPED_S: Final = 15.0
DEFAULTS: Final = EmgSettings(
    emg=EmgStream(source_id="bench"), engage=Pedal(source_id="bench"), calibration="bench"
)


@dataclass
class Score:
    """What came of wishes."""

    right: list[bool] = field(default_factory=list)
    wrong: list[bool] = field(default_factory=list)
    moved: list[bool] = field(default_factory=list)
    start_ms: list[float] = field(default_factory=list)
    stop_ms: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Shares of the hops, and delays from the wish to the decision."""
        return {
            "right": _share(self.right),
            "wrong": _share(self.wrong),
            "moves_at_rest": _share(self.moved),
            "start_ms": _quantiles(self.start_ms),
            "stop_ms": _quantiles(self.stop_ms),
        }


def _share(flags: list[bool]) -> float:
    return round(float(np.mean(flags)), 4)


def _quantiles(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p95": None}
    return {f"p{q}": round(float(np.percentile(values, q)), 1) for q in (50, 95)}


def calibrations(subjects: int, window_ms: float) -> list[Calibration]:
    """One for each simulated subject."""
    return [fit(rehearse(FIRST_SUBJECT + k), cut(window_ms)) for k in range(subjects)]


def decoder_of(calibration: Calibration, model: Model) -> Decoder:
    """With the confidence and debounce of the shipped settings."""
    return Decoder(calibration, model, DEFAULTS.confidence, DEFAULTS.debounce_ms * 1e-3)


def decisions(
    decoder: Decoder,
    seed: int,
    scenes: Sequence[tuple[float, float]],
    fault: Fault = "none",
    fault_from_s: float = 0.0,
) -> Iterator[tuple[float, float, Decision]]:
    """Time [s], wish and decision of each hop, in the signal's own time.

    Args:
        decoder: fresh.
        seed: of the subject.
        scenes: wish and duration [s], one after the other.
        fault: what is wrong,
        fault_from_s: and from when on.
    """
    forearm, hops = Forearm(seed, fault, fault_from_s), 0
    for wish, seconds in scenes:
        block = forearm.block(activation(wish), round(seconds * forearm.rate_hz))
        for _ in range(round(seconds / HOP_S)):
            hops += 1
            first, last = np.searchsorted(block.times_s, ((hops - 1) * HOP_S, hops * HOP_S))
            rows, times_s = block.rows[first:last], block.times_s[first:last]
            time_s = hops * HOP_S
            yield time_s, wish, decoder.step(rows, times_s, time_s, pedal=1.0)


def score(calibration: Calibration, model: Model, seed: int, fault: Fault, into: Score) -> None:
    """Play all wishes once; a scene is timed from the change of the wish."""
    began_s, before, waiting, moving = 0.0, 0.0, False, False
    scenes = [(wish, SCENE_S) for wish in WISHES]
    for time_s, wish, decision in decisions(decoder_of(calibration, model), seed, scenes, fault):
        if wish != before:
            began_s, before = time_s - HOP_S, wish
            waiting = wish != 0.0 or moving  # what holds already can not stop
        moving = decision.rotation != 0.0
        as_wished = np.sign(decision.rotation) == np.sign(wish)
        if waiting and as_wished:
            (into.start_ms if wish else into.stop_ms).append((time_s - began_s) * 1e3)
            waiting = False
        if time_s - began_s <= SETTLED_S:
            continue
        if wish:
            into.right.append(bool(as_wished))
            into.wrong.append(bool(np.sign(decision.rotation) == -np.sign(wish)))
        else:
            into.moved.append(moving)


def faults(subjects: int) -> list[dict[str, Any]]:
    """Accuracy and delay of every model under every fault."""
    known = calibrations(subjects, DEFAULTS.window_ms)
    rows = []
    for fault in FAULTS:
        for model in MODELS:
            found = Score()
            for k, calibration in enumerate(known):
                score(calibration, model, OF_OTHERS + k, fault, found)
            about = {"fault": fault, "model": model}
            rows.append({**about, **found.summary(), **reaction(known[0], fault, model)})
    return rows


def reaction(calibration: Calibration, fault: Fault, model: Model) -> dict[str, Any]:
    """How long after the fault, in a turn, it holds for good and lets go [ms]; None: never."""
    decoder, scenes = decoder_of(calibration, model), [(TURN, FAULT_AT_S + WATCH_S)]
    story = list(decisions(decoder, OF_OTHERS, scenes, fault, FAULT_AT_S))
    moving = [time_s for time_s, _, d in story if d.rotation != 0.0]
    holding = [time_s for time_s, _, d in story if d.engage < 0.5 and time_s > FAULT_AT_S]
    last_s = max(moving, default=0.0)
    held = fault != "none" and last_s < FAULT_AT_S + WATCH_S - SETTLED_S
    return {
        "holds_after_ms": round(max(0.0, last_s + HOP_S - FAULT_AT_S) * 1e3) if held else None,
        "lets_go_after_ms": round((holding[0] - FAULT_AT_S) * 1e3) if holding else None,
    }


def shares(subjects: int) -> dict[str, Any]:
    """Window, hop, model, debounce and filter: what each adds to the delay."""
    windows = []
    for window_ms in WINDOWS_MS:
        found = Score()
        for k, calibration in enumerate(calibrations(subjects, window_ms)):
            score(calibration, "lda", OF_OTHERS + k, "none", found)
        windows.append({"window_ms": window_ms, **found.summary()})
    rate_hz = Forearm(0).rate_hz
    sections = design(rate_hz, DEFAULTS.band_hz, DEFAULTS.mains_hz)
    return {
        "tolerated_ms": TOLERATED_MS,
        "windows": windows,
        "hop_ms": HOP_S * 1e3,
        "debounce_ms": DEFAULTS.debounce_ms,
        "filter_ms": round(group_delay_s(sections, rate_hz, MIDDLE_HZ) * 1e3, 2),
        "muscle_rise_ms": RISE_S * 1e3,
    }


def steps_ms() -> dict[str, dict[str, float]]:
    """What a step takes on this machine, by model [ms]."""
    (calibration,) = calibrations(1, DEFAULTS.window_ms)
    return {model: _step_ms(calibration, model) for model in MODELS}


def _step_ms(calibration: Calibration, model: Model) -> dict[str, float]:
    decoder = decoder_of(calibration, model)
    story, took, more = decisions(decoder, OF_OTHERS, [(TURN, STEPPED_S)]), [], True
    while more:
        began = time.perf_counter()
        more = next(story, None) is not None
        took.append((time.perf_counter() - began) * 1e3)
    took = took[1:-1]  # the first makes the signal, the last is the end
    return _tail(took)


class _QuietStage(EmgStage):
    """The demo's processes, watched by nobody."""

    def announce(self, verdict: Verdict) -> None:
        """Say nothing."""

    def watch(self, reader: BoardReader, over: Callable[[], bool], hint: str) -> None:
        """Only wait."""
        while not over() and not reader.closed:
            time.sleep(LOOK_S)


def end_to_end(seconds: float) -> dict[str, Any]:
    """From the newest EMG sample of an intention to the command that it led to [ms].

    Live: amplifier process, decoder process, daemon, over Lab Streaming Layer.

    Raises:
        HostError: the hand never worked.
    """
    with tempfile.TemporaryDirectory(prefix="myoloop-bench-") as folder:
        stage = _QuietStage(Path(folder), seconds, "lda", ("--fault", "none"), 0.0)
        try:
            records = stage.play(keep=True, window=False)
        finally:
            stage.end()
    delays = delays_ms(records)
    if not delays:
        raise HostError("the hand never worked: no command to measure")
    return {**_tail(delays), "ticks": len(delays)}


def delays_ms(records: Sequence[NDArray[np.void]]) -> list[float]:
    """Age of the EMG behind each command that a fresh intention led to, when it left [ms]."""
    return [
        float(record["age_s"]) * 1e3
        + float(record["read_ns"] + record["think_ns"] + record["gate_ns"]) * 1e-6
        for record in records
        if record["fresh"] and record["state"] == State.ACTIVE
    ]


def _tail(values: Sequence[float]) -> dict[str, float]:
    quantiles = {f"p{q}": round(float(np.percentile(values, q)), 3) for q in (50, 99)}
    return {**quantiles, "max": round(float(max(values)), 3)}
