"""A simulated subject's calibration, made once."""

import pytest

from bridges.emg.calibration import Calibration, Cut
from bridges.emg.examples import Trial
from bridges.emg.fit import fit
from bridges.emg.rehearsal import cut as cut_to
from bridges.emg.rehearsal import rehearse


@pytest.fixture(scope="session")
def cut() -> Cut:
    return cut_to(100.0)


@pytest.fixture(scope="session")
def trials() -> list[Trial]:
    return rehearse(3, record_s=1.5)


@pytest.fixture(scope="session")
def calibration(trials: list[Trial], cut: Cut) -> Calibration:
    return fit(trials, cut)
