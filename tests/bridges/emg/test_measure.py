"""What ``myoloop bench emg`` counts, on one subject."""

import msgspec
import numpy as np
import pytest

from bridges.emg.measure import Score, delays_ms, reaction, score
from controller.board import RECORD
from controller.supervisor.states import State


def test_a_good_signal_is_decoded_in_time_and_never_moves_at_rest(calibration):
    found = Score()
    score(calibration, "lda", 1000, "none", found)
    told = found.summary()
    assert told["right"] > 0.9
    assert told["wrong"] == told["moves_at_rest"] == 0.0
    assert 40.0 < told["start_ms"]["p50"] < 200.0
    assert len(found.start_ms) == 4
    assert reaction(calibration, "none", "lda") == {
        "holds_after_ms": None,
        "lets_go_after_ms": None,
    }


def test_a_fault_is_timed(calibration):
    told = reaction(calibration, "dead", "lda")
    assert 0 < told["holds_after_ms"] < 500
    assert told["holds_after_ms"] < told["lets_go_after_ms"] < 1000


def test_a_delay_counts_from_the_emg_to_the_command_while_it_works():
    records = np.zeros(3, RECORD)
    records["age_s"], records["fresh"] = 0.02, (1, 1, 0)
    records["state"] = (State.ACTIVE, State.DISARMED, State.ACTIVE)
    records["read_ns"], records["think_ns"], records["gate_ns"] = 1_000_000, 2_000_000, 500_000
    found = delays_ms(list(records))
    assert found == pytest.approx([23.5])
    assert msgspec.json.encode(found) == b"[23.5]"
