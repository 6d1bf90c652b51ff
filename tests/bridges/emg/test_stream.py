"""The amplifier's stream over real LSL: found, lost, and found again only when it is the same."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from bridges.emg.amplifier import EmgOutlet
from bridges.emg.settings import EmgSettings, EmgStream, Pedal
from bridges.emg.stream import EmgInlet, open_emg
from bridges.lsl_api import local_clock_s

PATIENCE_S = 15.0

IN_VOLTS = """
import sys, time
from bridges.emg.amplifier import EmgOutlet
outlet = EmgOutlet(*sys.argv[1:], unit="volts")
time.sleep(60.0)
"""


@pytest.fixture
def amplifier(lsl_session: str, source_id: str) -> Callable[..., EmgOutlet]:
    def switch_on(**options) -> EmgOutlet:
        return EmgOutlet(source_id, lsl_session, **options)

    return switch_on


@pytest.fixture
def inlet(lsl_session: str, source_id: str, amplifier) -> Iterator[tuple[EmgInlet, EmgOutlet]]:
    outlet = amplifier()
    settings = EmgSettings(
        emg=EmgStream(source_id=source_id),
        engage=Pedal(source_id=source_id),
        calibration="none.json",
        session=lsl_session,
    )
    found = open_emg(settings, "test")
    yield found, outlet
    found.close()


def pull_until(inlet: EmgInlet, outlet: EmgOutlet | None, wanted) -> tuple:
    """Samples flow, if there is an amplifier, until what is pulled is as wanted."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if outlet:
            outlet.push(np.ones((1, 8)), np.array([local_clock_s()]))
        pulled = inlet.pull()
        if wanted(*pulled):
            return pulled
        time.sleep(0.01)
    raise AssertionError(f"not within {PATIENCE_S} s; the last was {pulled}")


def arrived(rows, stamps_s, lost) -> bool:
    return len(rows) > 0 and not lost


def test_an_amplifier_that_restarts_is_found_again_but_none_with_other_units(
    inlet, amplifier, start, source_id, lsl_session
):
    emg, outlet = inlet
    pull_until(emg, outlet, arrived)
    outlet.close()
    other = start("-c", IN_VOLTS, source_id, lsl_session)  # liblsl: it is asked while it ends
    rows, _, lost = pull_until(emg, None, lambda rows, stamps_s, lost: "units" in lost)
    assert not len(rows)
    assert "units volts/" in lost and "instead of microvolts/" in lost
    other.kill()
    rows, stamps_s, _ = pull_until(emg, amplifier(), arrived)
    assert emg.links == 2
    assert len(rows) == len(stamps_s)
    assert abs(stamps_s[-1] - local_clock_s()) < 1.0
