"""A calibration of the simulated subject without waiting for it: for the demo, bench and tests."""

from typing import Final

from bridges.emg.amplifier import UNIT
from bridges.emg.calibration import Cut, Electrodes
from bridges.emg.examples import Trial
from bridges.emg.guide import READY_S, RECORD_S, REPETITIONS
from bridges.emg.prompts import PROMPTS
from bridges.emg.simulated import LABELS, Forearm, activation

ELECTRODES: Final = Electrodes(labels=LABELS, units=(UNIT,) * len(LABELS), rate_hz=1000.0)


def cut(window_ms: float) -> Cut:
    """The simulated electrodes, cut as configs/emg.yaml does but for the window."""
    return Cut(electrodes=ELECTRODES, band_hz=(20.0, 450.0), mains_hz=50.0, window_ms=window_ms)


def rehearse(seed: int, repetitions: int = REPETITIONS, record_s: float = RECORD_S) -> list[Trial]:
    """What the subject of this seed does when asked for everything."""
    forearm, trials = Forearm(seed), []
    rate_hz = forearm.rate_hz
    for repetition in range(repetitions):
        for prompt, (_, rotation) in PROMPTS.items():
            wanted = activation(rotation)
            forearm.block(wanted, round(READY_S * rate_hz))
            rows = forearm.block(wanted, round(record_s * rate_hz)).rows
            trials.append(Trial(prompt, repetition, rows))
    return trials
