"""A simulated subject's calibration, made once."""

import pytest

from bridges.emg.calibration import Calibration, Electrodes
from bridges.emg.fit import Settings, Trial, fit
from bridges.emg.prompts import PROMPTS
from bridges.emg.simulated import LABELS, RATE_HZ, Forearm, activation


@pytest.fixture(scope="session")
def settings() -> Settings:
    electrodes = Electrodes(labels=LABELS, units=("microvolts",) * len(LABELS), rate_hz=RATE_HZ)
    return Settings(electrodes, (20.0, 450.0), 50.0, 150.0)


@pytest.fixture(scope="session")
def trials() -> list[Trial]:
    forearm, found = Forearm(seed=3), []
    for repetition in range(4):
        for prompt, (_, rotation) in PROMPTS.items():
            forearm.block(activation(rotation), 500)
            found.append(Trial(prompt, repetition, forearm.block(activation(rotation), 1500).rows))
    return found


@pytest.fixture(scope="session")
def calibration(trials: list[Trial], settings: Settings) -> Calibration:
    return fit(trials, settings)
