"""``myoloop run``: one session at a fixed rate, from the first handshake to the report."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer

from controller import data, registry
from controller.board import MAX_CHANNELS, MAX_OBJECTS, BoardWriter
from controller.clock import NS, Grid
from controller.errors import ContractError, HostError, PlantError
from controller.gate import Gate
from controller.loop import REST, Loop, Tick
from controller.names import JOINTS, MUSCLES
from controller.policy import OnnxPolicy, check_fit, load
from controller.ports import PlantInfo
from controller.realtime import scheduled
from controller.report import Ledger, write_json
from controller.session import Session, load_session

BREAK_OFF_S: Final = 1.0  # the longest ramp takes 0.3 s


def run(
    config: Annotated[Path, typer.Argument(help="Session file, see configs/.")],
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Relax and end after this time.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    board: Annotated[
        Path | None, typer.Option(help="Publish every tick to this mapped file, for viewers.")
    ] = None,
) -> None:
    """Run the controller: intention in, muscle commands out, at a fixed rate.

    Nothing moves before the stream's engage was low and then rises. Ctrl-C, SIGTERM
    or --seconds relax the hand, end the loop and print the report.
    """
    config = data.find(str(config), Path.cwd())
    session = load_session(config)
    check_writable(report)
    daemon = Daemon(session, config, board)
    try:
        result = daemon.run(seconds)
    finally:
        daemon.close()
    write_json(result, report)
    if result["fault"]:
        raise PlantError(f"the loop stopped and the hand was relaxed: {result['fault']}")


def check_writable(path: Path | None) -> None:
    """Refuse an unwritable report file before the run, not after it.

    Raises:
        HostError: names the file and the reason.
    """
    if path is None:
        return
    existed = path.exists()
    try:
        path.open("ab").close()
    except OSError as error:
        raise HostError(f"report {path}: can't be written: {error.strerror}") from None
    if not existed:
        path.unlink()


class Daemon:
    """A session, its handshakes done, ready to tick."""

    def __init__(self, session: Session, origin: Path, board: Path | None) -> None:
        self.session = session
        with ExitStack() as undo:  # a handshake that fails lets go of what was taken
            self._shake_hands(origin, undo)
            self._board = BoardWriter(board) if board else None
            undo.pop_all()
        self.ledger = Ledger()

    def _shake_hands(self, origin: Path, undo: ExitStack) -> None:
        session = self.session
        skill = registry.find("skills", session.skill, f"{origin}: skill")
        self.policy = load(data.find(session.policy, origin.parent))
        check_fit(self.policy, skill, session.rate_hz)
        plant_factory = registry.find("plants", session.plant.use, f"{origin}: plant.use")
        self.plant = plant_factory(
            session.plant.options, session.rate_hz, f"{origin}: plant.options"
        )
        undo.callback(self.plant.close)
        check_plant(self.plant.info, session.rate_hz)
        _compare_versions(self.policy, self.plant.info)
        source_factory = registry.find("sources", session.source.use, f"{origin}: source.use")
        self.source = source_factory(
            session.source.options, skill.CHANNELS, f"{origin}: source.options"
        )
        undo.callback(self.source.close)
        gate = Gate(session.gate, skill.CHANNELS, 1.0 / session.rate_hz)
        self.loop = Loop(
            self.source,
            self.plant,
            skill,
            self.policy,
            gate,
            self.policy.terms,
            1.0 / session.rate_hz,
        )

    def run(self, seconds: float | None = None) -> dict[str, Any]:
        """Tick until told to stop, relax, and return the report.

        An exception inside a tick relaxes the hand at once and is the report's ``fault``.
        """
        fault = ""
        grid = Grid(self.session.rate_hz)
        with scheduled(self.session.realtime) as refused, _stop_signal() as stop:
            for line in refused:
                print(f"myoloop: {line}", file=sys.stderr)
            began = time.monotonic_ns()
            try:
                self._tick_until(stop, seconds, grid)
            except Exception as error:  # whatever it is: the hand comes first
                fault = f"tick {self.ledger.ticks}: {type(error).__name__}: {error}"
                with suppress(Exception):
                    self.plant.write(REST)
            elapsed = (time.monotonic_ns() - began) / NS
        return self._report(elapsed, grid.missed, refused, fault)

    def _tick_until(self, stop: "_Stop", seconds: float | None, grid: Grid) -> None:
        grid.start()
        began = time.monotonic_ns()
        while True:
            over = seconds is not None and time.monotonic_ns() - began >= seconds * NS
            stopping = stop.asked or over
            if stopping and self.loop.gate.resting:
                return
            now, lateness = grid.wait()
            tick = self.loop.tick(now / NS, stopping)
            took = time.monotonic_ns() - now
            if self._board:
                number = self.ledger.ticks
                _publish(self._board, tick, number, now, lateness, took, grid.missed)
            self.ledger.add(tick, lateness, took)

    def _report(
        self, elapsed_s: float, missed: int, refused: list[str], fault: str
    ) -> dict[str, Any]:
        gate = self.loop.gate
        return {
            "fault": fault,
            "rate_hz": self.session.rate_hz,
            "seconds": round(elapsed_s, 3),
            **self.ledger.timing(missed),
            "stale_ticks": gate.stale_ticks,
            "gate": gate.report(),
            "task": self.ledger.task(),
            "policy": {
                "file": self.policy.path.name,
                "sha256": self.policy.sha256,
                "contract_version": self.policy.contract.contract_version,
            },
            "realtime_refused": refused,
            "versions": {
                "python": ".".join(map(str, sys.version_info[:3])),
                **{name: version(name) for name in ("myoloop", "numpy", "onnxruntime")},
                **self.plant.info.versions,
            },
        }

    def close(self) -> None:
        """Let plant, source and board go."""
        self.source.close()
        self.plant.close()
        if self._board:
            self._board.close()


def check_plant(info: PlantInfo, rate_hz: float) -> None:
    """Hold a plant's handshake against the shared names and the session's rate.

    Raises:
        ContractError: names the first muscle or joint that differs, or the rate.
    """
    if info.rate_hz != rate_hz:
        raise ContractError(
            f"plant {info.kind}: runs at {info.rate_hz:g} Hz, the session's rate_hz is {rate_hz:g}"
        )
    for kind, found, wanted in (("muscle", info.muscles, MUSCLES), ("joint", info.joints, JOINTS)):
        if found != wanted:
            if len(found) != len(wanted):
                raise ContractError(f"plant {info.kind}: {len(found)} {kind}s, not {len(wanted)}")
            pairs = enumerate(zip(found, wanted, strict=True))
            index, (name, expected) = next((i, p) for i, p in pairs if p[0] != p[1])
            raise ContractError(f"plant {info.kind}: {kind} {index} is {name!r}, not {expected!r}")


def _compare_versions(policy: OnnxPolicy, info: PlantInfo) -> None:
    """Say when the plant is not of the versions that the policy's scores belong to."""
    for name, own in policy.contract.versions.items():
        found = info.versions.get(name, own)
        if found != own:
            print(
                f"myoloop: policy {policy.path.name} was made with {name} {own}, this is "
                f"{found}: its scores need not hold",
                file=sys.stderr,
            )


class _Stop:
    asked = False
    _since_ns = 0

    def ask(self, _signal: int, _frame: FrameType | None) -> None:
        """Ask for a stop; asked again well after the ramp's time, break off what hangs."""
        if self.asked and time.monotonic_ns() - self._since_ns > BREAK_OFF_S * NS:
            raise KeyboardInterrupt
        if not self.asked:
            self.asked, self._since_ns = True, time.monotonic_ns()


@contextmanager
def _stop_signal() -> Iterator[_Stop]:
    """SIGINT and SIGTERM ask for a stop; they interrupt nothing."""
    stop = _Stop()
    before = {s: signal.signal(s, stop.ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _publish(
    board: BoardWriter,
    tick: Tick,
    number: int,
    now_ns: int,
    lateness_ns: int,
    took_ns: int,
    missed: int,
) -> None:
    """Copy a tick into the board's preallocated record."""
    record, intention, feedback = board.record, tick.intention, tick.feedback
    objects = min(len(feedback.object_pos), MAX_OBJECTS)
    channels = min(len(intention.values), MAX_CHANNELS)
    record["time_ns"], record["lateness_ns"], record["took_ns"] = now_ns, lateness_ns, took_ns
    record["missed"], record["state"], record["reasons"] = missed, tick.state, tick.command.reasons
    record["channels"], record["engage"], record["age_s"] = (
        channels,
        intention.engage,
        intention.age_s,
    )
    record["intention"][:channels] = intention.values[:channels]
    record["excitation"], record["wished"] = tick.command.excitation, tick.wished
    record["activation"], record["joint_pos"] = feedback.activation, feedback.joint_pos
    record["objects"], record["solved"] = objects, tick.outcome.solved
    record["object_pos"][:objects] = feedback.object_pos[:objects]
    record["target_pos"][:objects] = tick.targets[:objects]
    record["error_m"][:objects] = tick.outcome.errors_m[:objects]
    board.publish(number)
