"""The grid on a clock of the test's own: no real time passes."""

import pytest

from controller import clock
from controller.clock import Grid

MS = 1_000_000
PERIOD = 25 * MS


class Time:
    """Stands in for the module ``time``; sleeping takes as long as asked plus ``oversleep``."""

    def __init__(self):
        self.now = 7_000 * MS + 1
        self.oversleep = 0
        self.slept = []

    def monotonic_ns(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self.now += round(seconds * 1e9) + self.oversleep


@pytest.fixture
def time(monkeypatch):
    fake = Time()
    monkeypatch.setattr(clock, "time", fake)
    return fake


def ticks(grid, time, work_ns):
    """Wake-up times relative to the start, a tick for each time of work."""
    origin = time.now
    grid.start()
    found = []
    for work in work_ns:
        found.append(grid.wait()[0] - origin)
        time.now += work
    return found


def test_first_tick_is_one_period_after_the_start(time):
    assert ticks(Grid(40.0), time, [0]) == [PERIOD]


def test_ticks_lie_on_the_grid_whatever_the_work_takes(time):
    work = [0, 1 * MS, 24 * MS, 3 * MS, 0]
    assert ticks(Grid(40.0), time, work) == [PERIOD * k for k in range(1, 6)]


def test_oversleeping_does_not_drift(time):
    time.oversleep = 2 * MS
    found = ticks(Grid(40.0), time, [5 * MS] * 1000)
    assert found[-1] == 1000 * PERIOD + 2 * MS


def test_lateness_is_how_long_after_the_grid_point(time):
    grid = Grid(40.0)
    grid.start()
    assert grid.wait() == (time.now, 0)
    time.oversleep = 3 * MS
    assert grid.wait() == (time.now, 3 * MS)


def test_waking_early_is_not_late(time):
    time.oversleep = -1000
    grid = Grid(40.0)
    grid.start()
    assert grid.wait()[1] == 0


@pytest.mark.parametrize("oversleep_us, late_us", [(0, 0), (60, 0), (98, 0), (130, 31)])
def test_who_is_awake_in_time_is_only_late_by_what_waking_up_takes_longer(
    time, monkeypatch, oversleep_us, late_us
):
    def look():
        time.now += 1_000
        return time.now

    monkeypatch.setattr(time, "monotonic_ns", look)
    time.oversleep = oversleep_us * 1_000
    grid = Grid(40.0, awake_ns=100_000)
    grid.start()
    assert [grid.wait()[1] // 1_000 for _ in range(3)] == [late_us] * 3


@pytest.mark.parametrize(
    "work_ms, missed, next_ms",
    [
        (24, 0, 25),
        (25, 0, 25),
        (26, 0, 26),
        (49, 0, 49),
        (50, 1, 50),
        (51, 1, 51),
        (74, 1, 74),
        (75, 2, 75),
        (1000, 39, 1000),
        (1001, 39, 1001),
    ],
)
def test_a_stall_skips_whole_periods_and_counts_them(time, work_ms, missed, next_ms):
    grid = Grid(40.0)
    first, late = ticks(grid, time, [work_ms * MS, 0])
    assert grid.missed == missed
    assert late - first == next_ms * MS, "the first tick after a stall comes at once"


def test_after_a_stall_no_burst_and_the_same_grid(time):
    grid = Grid(40.0)
    found = ticks(grid, time, [0, 110 * MS, *[MS] * 20])
    assert found[2] == 50 * MS + 110 * MS
    assert [at % PERIOD for at in found[3:]] == [0] * 19
    assert found[3:6] == [175 * MS, 200 * MS, 225 * MS]
    assert grid.missed == 3


def test_lateness_after_a_stall_counts_from_the_newest_grid_point(time):
    grid = Grid(40.0)
    grid.start()
    grid.wait()
    time.now += 110 * MS
    assert grid.wait()[1] == 10 * MS


def test_every_grid_point_is_ticked_or_counted(time):
    grid = Grid(40.0)
    work = [(37 * k % 91) * MS for k in range(500)]
    found = ticks(grid, time, work)
    assert found[-1] // PERIOD == len(found) + grid.missed
    points = [at // PERIOD for at in found]
    assert len(set(points)) == len(points), "no grid point twice"


def test_no_sleep_when_late(time):
    grid = Grid(40.0)
    grid.start()
    time.now += PERIOD
    grid.wait()
    assert time.slept == []


def test_start_lays_a_new_grid(time):
    grid = Grid(40.0)
    grid.start()
    time.now += 900 * MS
    grid.start()
    origin = time.now
    assert grid.wait()[0] == origin + PERIOD and grid.missed == 0


@pytest.mark.parametrize("rate, period_ns", [(40, 25_000_000), (60, 16_666_667), (1000, 1_000_000)])
def test_period(rate, period_ns):
    assert Grid(rate).period_ns == period_ns


def test_what_remains_until_the_next_point(monkeypatch):
    now = [0]
    monkeypatch.setattr("time.monotonic_ns", lambda: now[0])
    grid = Grid(500.0)
    grid.start()
    looks = []
    for now[0] in (500_000, 1_999_999, 2_300_000, 9_000_000, 10_000_000):
        looks.append(round(grid.remaining_s() * 1e9))
    assert looks == [1_500_000, 1, 1_700_000, 1_000_000, 0]
