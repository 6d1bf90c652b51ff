"""What grows is told by name; what came later is not taken for growth."""

import os

from hil.bench_soak import Window, draw, growth, memory_kb, processes


def window(number: int, loop_kb: int, **more: object) -> Window:
    values = {
        "at_s": 10.0 * number,
        "memory_kb": {"loop": loop_kb, "recorder": 500},
        "handles": {"loop": 20, "recorder": 9},
        "lateness_us": {"p50": 40.0, "p99": 80.0, "p999": 90.0, "max": 100.0 + number},
        "took_us": {"p50": 1000.0, "p99": 2000.0, "p999": 2000.0, "max": 2000.0},
        "missed": 0,
    }
    return Window(**(values | more))


def test_growth_counts_after_the_warm_up():
    windows = [window(number, 1000 - 100 * (6 - min(6, number))) for number in range(60)]
    found = growth(windows)
    assert found["memory_grew_kb"] == {"loop": 0.0, "recorder": 0.0}
    assert found["windows"] == 54 and found["lateness_us"]["max"] == 159.0


def test_what_grows_is_told():
    windows = [
        window(
            number,
            1000 + 10 * number,
            handles={"loop": 20 + number, "recorder": 9},
            lateness_us={"p50": 40.0 + number, "p99": 80.0, "p999": 90.0, "max": 100.0},
            missed=1,
        )
        for number in range(106)
    ]
    found = growth(windows)
    assert found["memory_grew_kb"]["loop"] == 900.0
    assert found["handles_grew"] == {"loop": 90.0, "recorder": 0.0}
    assert (found["lateness_us"]["first"]["p50"], found["lateness_us"]["last"]["p50"]) == (
        50.5,
        140.5,
    )
    assert found["missed_deadlines"] == 100


def test_a_process_that_went_away_has_no_growth():
    windows = [window(number, 1000) for number in range(20)]
    windows[6] = window(6, 1000, memory_kb={"loop": 1000}, handles={"loop": 20})
    assert growth(windows)["memory_grew_kb"] == {"loop": 0.0, "recorder": None}


def test_a_process_is_measured():
    assert processes(os.getpid())["loop"] == os.getpid()
    assert memory_kb(os.getpid()) > 1000


def test_the_course_is_drawn(tmp_path):
    draw([window(number, 1000) for number in range(3)], tmp_path / "soak.png")
    assert (tmp_path / "soak.png").stat().st_size > 1000
