"""``myoloop demo``: a simulated intention over real LSL, the real daemon, the simulated hand.

Three processes, as in a laboratory: a source, ``myoloop run`` and the one that watches.
"""

import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import typer
import yaml
from numpy.typing import NDArray
from rich.console import RenderableType

from bridges import processes
from bridges.operator import HINT, Keys, Operator
from bridges.view.command import free_port, has_display
from controller import data, registry, rundir
from controller.board import BoardReader
from controller.daemon import check_writable
from controller.errors import HostError, MyoloopError
from controller.ports import Skill
from controller.report import write_json
from controller.session import load_session

SESSION_FILE = "configs/baoding.yaml"
START_UP_S = 30.0  # a cold disk and a busy machine included
END_S = 10.0


def demo(
    seconds: Annotated[
        float | None, typer.Option(min=1.0, help="End after this time (default: one story, 23 s).")
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Open no page; the terminal is enough.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    record: Annotated[Path | None, typer.Option(help="Record every tick: a new FILE.mcap.")] = None,
    render: Annotated[
        Path | None, typer.Option(help="Write what was seen, as .gif or .mp4.")
    ] = None,
    skill: Annotated[
        Literal["baoding", "posture"],
        typer.Option(help="Turn two balls, or count from zero to nine and grasp."),
    ] = "baoding",
    lsl: Annotated[
        str, typer.Option(metavar="SESSION", help="Stream all out over LSL, in this LSL session.")
    ] = "",
) -> None:
    """Watch the policy close the loop: hold, turn, faster, reverse, silence, start again.

    A simulated decoder plays a scripted story over Lab Streaming Layer, in a session of
    its own; 'myoloop run' reads it at 40 Hz and moves 39 muscles of the MuJoCo hand.
    With --skill posture the hand counts from zero to nine and grasps instead, at 50 Hz.
    Ctrl-C or --seconds ends it with a summary.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, in order
    check_writable(report)
    if render:
        from bridges.render import check_target

        check_target(render)
    with tempfile.TemporaryDirectory(prefix="myoloop-demo-") as folder:
        stage = STAGES[skill](Path(folder), seconds, record, lsl)
        try:
            records = stage.play(keep=render is not None, window=not headless)
        finally:
            stage.end()
        result = stage.report()
    if report:
        write_json(result, report)
    print_summary(result, stage.skill)
    if render:
        from bridges.render import render as draw

        draw(records, render, stage.skill)


class Stage:
    """The processes of one demo; ``end`` leaves none behind.

    Attributes:
        session: the session file that is played.
        source: the module that sends the intention.
        skill: that the hand works at.
    """

    session = SESSION_FILE
    source = "bridges.simulated_intention"

    def __init__(
        self,
        folder: Path,
        seconds: float | None,
        record: Path | None = None,
        lsl: str = "",
        source_wait_s: float = 10.0,
    ) -> None:
        self._folder, self._seconds, self._record = folder, seconds, record
        self._session_file = folder / "session.yaml"
        self._report = folder / "report.json"
        self._name = f"myoloop-demo-{uuid.uuid4()}"  # two demos on a host do not meet
        self._streams_out = bool(lsl)
        self._lsl = lsl or self._name
        self._source_wait_s = source_wait_s
        self._board = rundir.root() / self._name / "board"
        self._write_session()
        self._processes: list[subprocess.Popen[bytes]] = []

    def _write_session(self) -> None:
        template = data.find(self.session)
        session = load_session(template)
        self.skill: Skill = registry.find("skills", session.skill, str(template))
        plain: dict[str, Any] = msgspec.to_builtins(session)
        plain["name"] = self._name
        plain["policy"] = str(data.find(session.policy, template.parent))
        plain["safety"] = str(data.find(session.safety, template.parent))
        plain["source"]["options"]["session"] = self._lsl
        plain["source"]["options"]["source_id"] = self._name
        plain["source"]["options"]["wait_s"] = self._source_wait_s
        if self._streams_out:
            plain["followers"].append({"use": "lsl-out", "options": {"session": self._lsl}})
        self._session_file.write_text(yaml.safe_dump(plain), encoding="utf-8")

    def _start(self, *arguments: str, silent: bool = False) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if silent else None,
            start_new_session=True,  # Ctrl-C reaches the demo, which ends the others in order
            preexec_fn=processes.end_with_parent,  # safe: this process has no threads
        )
        self._processes.append(process)
        return process

    def start_sources(self) -> subprocess.Popen[bytes]:
        """Start what sends the intention; return the person's process, whose end ends it all."""
        loop = ["--loop"] if self._seconds else []
        return self._start(self.source, "--session", self._lsl, "--source-id", self._name, *loop)

    def beside(self) -> Sequence[RenderableType]:
        """Further panels below those of the loop."""
        return ()

    def watch(self, reader: BoardReader, over: Callable[[], bool], hint: str) -> None:
        """Show the loop until it is over."""
        from bridges.terminal import show

        show(reader, self._board.parent, self.skill, over, hint=hint, beside=self.beside)

    def play(self, keep: bool, window: bool) -> list[NDArray[np.void]]:
        """Run to the end of the story; return the ticks if they are to be kept."""
        source = self.start_sources()
        limit = ["--seconds", str(self._seconds)] if self._seconds else []
        daemon = self._start(
            *("controller.cli", "run", str(self._session_file)),
            *("--report", str(self._report), *limit),
            *(("--record", str(self._record)) if self._record else ()),
        )
        reader = self._wait_for_board(daemon)
        hints = [HINT, self._open_view()] if window else [HINT]
        hint = "\n".join(filter(None, hints))
        keeper = Keeper(reader) if keep else None

        def let_go() -> None:
            source.send_signal(signal.SIGUSR1)

        with Keys() as keys, Operator(self._name, reader, let_go) as operator:

            def over() -> bool:
                if keeper:
                    keeper.collect()
                operator.look(keys.pressed())
                return source.poll() is not None or daemon.poll() is not None

            with suppress(KeyboardInterrupt):  # the way to end the demo
                self.watch(reader, over, hint if keys.live else "")
        self.end()
        if keeper:
            keeper.collect()
        return keeper.records if keeper else []

    def _open_view(self) -> str:
        """Show the hand where somebody may look: on the page, else in a window; a hint."""
        display = has_display()
        if find_spec("viser") and (display or sys.stdout.isatty()):
            port = free_port()
            arguments = ("view", "--session", self._name, "--port", str(port))
            self._start("controller.cli", *arguments, silent=True)
            return f"the hand, its signals and buttons: http://127.0.0.1:{port}"
        if display:
            self._start("bridges.window", str(self._board))
        return ""

    def _wait_for_board(self, daemon: subprocess.Popen[bytes]) -> BoardReader:
        """The daemon's board, once it ticks."""
        deadline = time.monotonic() + START_UP_S
        while time.monotonic() < deadline:
            if daemon.poll() is not None:
                raise MyoloopError("the daemon did not start; its reason stands above")
            if self._board.exists():
                reader = BoardReader(self._board)
                if reader.newest >= 0:
                    return reader
            time.sleep(0.05)
        raise HostError(f"the daemon did not tick within {START_UP_S:g} s")

    def end(self) -> None:
        """Ask each process to end, the daemon first so that the hand relaxes; then make sure."""
        for process in reversed(self._processes):
            processes.end(process, END_S)

    def report(self) -> dict[str, Any]:
        """The daemon's report.

        Raises:
            MyoloopError: it ended without one.
        """
        try:
            content = self._report.read_bytes()
        except OSError:
            raise MyoloopError("the daemon ended without a report") from None
        found: dict[str, Any] = msgspec.json.decode(content)
        return found


class PostureStage(Stage):
    """The hand alone, counting and grasping."""

    session = "configs/posture.yaml"
    source = "bridges.simulated_posture"


STAGES: Final = {"baoding": Stage, "posture": PostureStage}


class Keeper:
    """Collects every tick from the board before its ring comes round (100 s)."""

    def __init__(self, reader: BoardReader) -> None:
        self.records: list[NDArray[np.void]] = []
        self._reader, self._next = reader, 0

    def collect(self) -> None:
        """Take over what is new."""
        while self._next <= self._reader.newest:
            record = self._reader.read(self._next)
            if record is not None:
                self.records.append(record)
            self._next += 1


def print_summary(report: dict[str, Any], skill: Skill) -> None:
    """The run in words."""
    task, lateness, age = report["task"], report["wake_lateness_us"], report["intention_age_ms"]
    lines = [
        f"{report['ticks']} ticks at {report['rate_hz']:g} Hz in {report['seconds']:.1f} s, "
        f"{report['missed_deadlines']} deadlines missed",
        f"wake-up lateness p50 {_number(lateness['p50'], 'us')}, "
        f"p99 {_number(lateness['p99'], 'us')}, max {_number(lateness['max'], 'us')}; "
        f"tick p50 {_number(report['tick_us']['p50'], 'us')}",
        f"intention age p50 {_number(age['p50'], 'ms')}, max {_number(age['max'], 'ms')}",
        _success(task, skill),
        "gate: " + (", ".join(f"{k} {n}" for k, n in report["gate"].items()) or "no intervention"),
    ]
    print("\n".join(lines))


def _success(task: dict[str, Any], skill: Skill) -> str:
    """How well the policy did."""
    solved, error = task["solved_fraction"], task["error_mm"]["p50"]
    if solved is None:
        return "the hand never worked: engage did not rise"
    words = f"{skill.SUCCESS} on {solved:.0%} of the working ticks"
    if error is None:  # a hand alone
        return words
    return f"{words}, {task['drops']} drops, median error {error} mm"


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.1f} {unit}"
