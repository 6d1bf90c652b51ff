"""What the bench of the page makes of ticks."""

import numpy as np

from controller.board import RECORD
from hil.bench_page import figures_of


def test_only_deadlines_missed_in_this_part_count():
    ticks = np.zeros(100, RECORD)
    ticks["missed"], ticks["lateness_ns"] = np.arange(100) // 50 + 7, np.arange(100) * 1000
    found = figures_of(ticks)
    assert (found["ticks"], found["missed_deadlines"]) == (100, 1)
    assert found["lateness_us"]["max"] == 99.0 and found["took_us"]["max"] == 0.0
