"""The dashboard: on a recorded console, and as lines for a log."""

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from bridges import dashboard, palette, terminal
from bridges.dashboard import View
from bridges.terminal import Watch, show
from controller.board import RECORD, BoardReader, BoardWriter
from controller.cell import CellWriter
from controller.follower import STATUS, FollowerState
from controller.names import MUSCLES
from controller.skills import baoding
from controller.supervisor.states import Reason, State

COLUMNS, LINES = 80, 24
PERIOD_NS = 25_000_000
Fill = Callable[[NDArray[np.void]], None]


def fill(record: NDArray[np.void]) -> None:
    """A tick of a loop at work."""
    record["time_ns"] = 10**12
    record["state"] = State.HOLD
    record["reasons"] = Reason.INTENTION_HOLD | Reason.SLEW
    record["intention"][0] = -0.62
    record["engage"], record["age_s"] = 1.0, 0.231
    record["objects"], record["solved"] = 2, 1
    record["error_m"] = 0.0061, 0.0073
    record["lateness_ns"], record["took_ns"] = 58_300, 1_930_000


@pytest.fixture
def record() -> NDArray[np.void]:
    made = np.zeros((), RECORD)
    fill(made)
    return made


@pytest.fixture
def board(tmp_path: Path) -> BoardWriter:
    """Nothing published yet."""
    made = BoardWriter(tmp_path / "board", slots=64)
    fill(made.record)
    return made


@pytest.fixture
def reader(board: BoardWriter) -> BoardReader:
    return BoardReader(board.path)


@pytest.fixture
def log() -> Console:
    """Not a terminal."""
    return Console(file=io.StringIO(), force_terminal=False, width=COLUMNS)


@pytest.fixture
def tty() -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        force_interactive=True,
        color_system="truecolor",
        width=COLUMNS,
        height=LINES,
    )


def publish(board: BoardWriter, number: int, lateness_ns: int = 58_300) -> None:
    """Tick ``number`` of a loop at 40 Hz."""
    board.record["time_ns"] = 10**12 + number * PERIOD_NS
    board.record["lateness_ns"] = lateness_ns
    board.publish(number)


def output(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def screen(record: NDArray[np.void], silent_s: float = 0.0, styles: bool = False) -> str:
    console = Console(
        record=True,
        force_terminal=True,
        width=COLUMNS,
        color_system="truecolor",
        file=io.StringIO(),
    )
    console.print(dashboard.screen(View(record, baoding, 12.34, 39.96, 312_000, silent_s)))
    return console.export_text(styles=styles)


def colour(code: str) -> str:
    """As it stands in an escape sequence."""
    return ";".join(str(round(255 * part)) for part in palette.rgb(code))


def test_the_screen_tells_what_the_tick_holds(record: NDArray[np.void]) -> None:
    shown = screen(record)
    for text in ("HOLD", "intention hold, slew", "12.3 s", "-0.62", "● engaged"):
        assert text in shown
    for text in ("6.1 mm", "7.3 mm", "● solved", "age 231 ms", "40.0 Hz", "58 µs", "312 µs"):
        assert text in shown
    assert "1.93 ms" in shown


@pytest.mark.parametrize("state", State)
def test_each_state_has_its_word_and_colour(record: NDArray[np.void], state: State) -> None:
    record["state"] = state
    assert f"● {state.name}" in screen(record)
    assert colour(palette.STATES[state]) in screen(record, styles=True)


@pytest.mark.parametrize("extreme", [0.0, 1e9, -1e9, np.inf, np.nan])
def test_the_screen_fits_a_small_terminal(record: NDArray[np.void], extreme: float) -> None:
    for field in ("intention", "age_s", "error_m", "activation"):
        record[field] = extreme
    record["reasons"] = sum(Reason)
    lines = screen(record).splitlines()
    assert len(lines) < LINES
    assert {len(line) for line in lines} == {COLUMNS}


def test_bars_are_whole(record: NDArray[np.void]) -> None:
    record["intention"][0] = -1.0
    record["error_m"] = 1.0
    assert "…" not in screen(record)


def test_what_is_out_of_order_looks_different(record: NDArray[np.void]) -> None:
    assert colour(palette.BAD) not in screen(record, styles=True)
    record["error_m"][1] = 0.016
    assert colour(palette.BAD) in screen(record, styles=True)
    record["solved"], record["engage"], record["age_s"] = 0, 0.49, np.inf
    shown = screen(record)
    assert "○ not solved" in shown
    assert "○ let go" in shown
    assert "age -" in shown


def test_a_silent_loop_is_told(record: NDArray[np.void]) -> None:
    assert "no tick" not in screen(record, silent_s=0.9)
    assert "no tick for 3 s" in screen(record, silent_s=3.0)


def test_the_trouble_of_a_process_beside_the_loop_is_told(
    board: BoardWriter, reader: BoardReader, log: Console
) -> None:
    publish(board, 0)
    for name, state, dropped, age_s in (
        ("fine", FollowerState.READY, 0, 0.0),
        ("recorder", FollowerState.READY, 12, 0.0),
        ("hand", FollowerState.FAULT, 0, 0.0),
        ("probe", FollowerState.READY, 0, 5.0),
    ):
        cell = CellWriter(board.path.parent / f"{name}.status", STATUS)
        cell.record["state"], cell.record["dropped"] = state, dropped
        cell.record["reason"] = b"unplugged"
        cell.record["beat_ns"] = time.monotonic_ns() - age_s * 1e9
        cell.publish()
    view = Watch(reader, board.path.parent, baoding).look(0)
    assert view is not None
    told = ("hand: unplugged", "probe: silent for 5 s", "recorder: 12 ticks lost")
    assert view.troubles == told
    log.print(dashboard.screen(view))
    assert all(f"! {one}" in output(log) for one in told)
    assert dashboard.line(view).endswith("; ".join(told))


def test_every_muscle_has_a_block(record: NDArray[np.void]) -> None:
    assert sum(size for _, size in dashboard.MUSCLE_GROUPS) == len(MUSCLES)
    shown = screen(record)
    assert shown.count(dashboard.HEIGHTS[0]) == 2 * len(MUSCLES)
    record["activation"][MUSCLES.index("FPL")] = 1.0
    changed = [line for line in screen(record).splitlines() if dashboard.HEIGHTS[-1] in line]
    assert len(changed) == 1
    assert "thumb" in changed[0]


@pytest.mark.parametrize(("name", "first", "last"), [("wrist", "ECRL", "PQ"),
    ("finger flexors", "FDS5", "FDP2"), ("finger extensors", "EDC5", "EIP"),
    ("thumb", "EPL", "OP"), ("intrinsics", "RI2", "UI_UB5")])  # fmt: skip
def test_muscle_groups_are_those_of_the_names(
    record: NDArray[np.void], name: str, first: str, last: str
) -> None:
    record["activation"][MUSCLES.index(first) : MUSCLES.index(last) + 1] = 1.0
    full, rest = dashboard.HEIGHTS[-1], dashboard.HEIGHTS[0]
    for line in screen(record).splitlines():
        assert not (full in line and rest in line.split(full)[-1])
        assert (full in line) == (name in line)


def test_a_watch_misses_no_maximum(board: BoardWriter, reader: BoardReader) -> None:
    watch = Watch(reader, board.path.parent, baoding)
    assert watch.look(0) is None
    for number, lateness_ns in enumerate([10, 900, 20]):
        publish(board, number, lateness_ns)
    first = watch.look(10**12 + 3 * PERIOD_NS)
    assert first is not None
    assert (first.worst_lateness_ns, first.elapsed_s) == (900, 0.05)
    assert first.silent_s == pytest.approx(0.025)
    assert np.isnan(first.rate_hz)
    for number in range(3, 43):
        publish(board, number)
    second = watch.look(0)
    assert second is not None
    assert second.rate_hz == pytest.approx(40.0)
    assert second.elapsed_s == pytest.approx(42 * 0.025)
    assert int(second.record["number"]) == 42


def test_a_closed_board_ends_the_view(
    board: BoardWriter, reader: BoardReader, tty: Console, log: Console
) -> None:
    publish(board, 0)
    board.close()
    for console in (tty, log):
        show(reader, board.path.parent, baoding, lambda: False, console)
    on_screen, left = output(tty).split("\x1b[?1049l")  # back from the screen of its own
    for text in (on_screen, left):
        assert "HOLD" in text
        assert "6.1 mm" in text
    assert output(log).count("\n") == 1


def test_an_empty_board_waits(board: BoardWriter, reader: BoardReader, tty: Console) -> None:
    board.close()
    show(reader, board.path.parent, baoding, lambda: False, tty)
    assert "waiting for the first tick" in output(tty)


def test_a_log_gets_a_line_a_second(
    board: BoardWriter, reader: BoardReader, log: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "LOOK_S", 0.0)
    numbers = iter(range(0, 101, 4))  # 0.1 s between looks

    def stop() -> bool:
        number = next(numbers)
        publish(board, number)
        return number == 100

    show(reader, board.path.parent, baoding, stop, log)
    lines = output(log).splitlines()
    assert [line.split(" s ")[0].strip() for line in lines] == ["0.0", "1.0", "2.0"]
    for text in ("hold ", "rotation -0.62", "error 6.1 7.3 mm, solved", "intention hold, slew"):
        assert all(text in line for line in lines)


def test_ctrl_c_leaves_the_last_look(board: BoardWriter, reader: BoardReader, tty: Console) -> None:
    publish(board, 0)
    answers = iter([False])

    def stop() -> bool:
        for answer in answers:
            return answer
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show(reader, board.path.parent, baoding, stop, tty)
    assert "HOLD" in output(tty).split("\x1b[?1049l")[1]


def test_a_muscle_at_work_shows_at_a_few_percent(record: NDArray[np.void]) -> None:
    rest = screen(record)
    record["activation"] = 0.01
    assert screen(record) != rest
    assert palette.tone(0.0) == 0.0
    assert palette.tone(1.0) == 1.0
    assert palette.tone(1.5) == 1.0
    assert palette.tone(-0.5) == 0.0
