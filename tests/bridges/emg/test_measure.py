"""What ``myoloop bench emg`` counts, on one subject."""

import pytest

from bridges.emg.measure import Score, calibrations, reaction, score


@pytest.fixture(scope="module")
def known():
    return calibrations(1, 100.0)[0]


def test_a_good_signal_is_decoded_in_time_and_never_moves_at_rest(known):
    found = Score()
    score(known, "lda", 1000, "none", found)
    told = found.summary()
    assert told["right"] > 0.9
    assert told["wrong"] == told["moves_at_rest"] == 0.0
    assert 40.0 < told["start_ms"]["p50"] < 200.0
    assert len(found.start_ms) == 4
    assert reaction(known, "none", "lda") == {"holds_after_ms": None, "lets_go_after_ms": None}


def test_a_fault_is_timed(known):
    told = reaction(known, "dead", "lda")
    assert 0 < told["holds_after_ms"] < 500
    assert told["holds_after_ms"] < told["lets_go_after_ms"] < 1000
