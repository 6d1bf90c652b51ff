"""A simulated subject's calibration, made once."""

import pytest

from bridges.emg.calibration import Calibration
from bridges.emg.fit import Settings, Trial, fit
from bridges.emg.rehearsal import cut, rehearse


@pytest.fixture(scope="session")
def settings() -> Settings:
    return cut(100.0)


@pytest.fixture(scope="session")
def trials() -> list[Trial]:
    return rehearse(3, record_s=1.5)


@pytest.fixture(scope="session")
def calibration(trials: list[Trial], settings: Settings) -> Calibration:
    return fit(trials, settings)
