"""``myoloop run``: one session at a fixed rate, from the first handshake to the report."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from controller import data, registry
from controller.board import MAX_CHANNELS, MAX_OBJECTS, BoardWriter
from controller.clock import NS, Grid
from controller.errors import ContractError, HostError
from controller.gate import Gate
from controller.loop import Loop, Tick
from controller.names import JOINTS, MUSCLES
from controller.policy import check_fit, load
from controller.ports import PlantInfo
from controller.realtime import scheduled
from controller.report import Ledger, write_json
from controller.session import Session, load_session


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
        skill = registry.find("skills", session.skill, f"{origin}: skill")
        self.policy = load(data.find(session.policy, origin.parent))
        check_fit(self.policy, skill, session.rate_hz)
        plant_factory = registry.find("plants", session.plant.use, f"{origin}: plant.use")
        self.plant = plant_factory(
            session.plant.options, session.rate_hz, f"{origin}: plant.options"
        )
        check_plant(self.plant.info, session.rate_hz)
        source_factory = registry.find("sources", session.source.use, f"{origin}: source.use")
        self.source = source_factory(
            session.source.options, skill.CHANNELS, f"{origin}: source.options"
        )
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
        self.ledger = Ledger()
        self._board = BoardWriter(board) if board else None

    def run(self, seconds: float | None = None) -> dict[str, Any]:
        """Tick until told to stop, relax, and return the report."""
        with scheduled(self.session.realtime) as refused, _stop_signal() as stop:
            for line in refused:
                print(f"myoloop: {line}", file=sys.stderr)
            grid = Grid(self.session.rate_hz)
            grid.start()
            began = time.monotonic_ns()
            number = 0
            while True:
                now, lateness = grid.wait()
                over = seconds is not None and now - began >= seconds * NS
                tick = self.loop.tick(now / NS, stopping=stop.asked or over)
                took = time.monotonic_ns() - now
                self.ledger.add(tick, lateness, took)
                if self._board:
                    _publish(self._board, tick, number, now, lateness, took, grid.missed)
                number += 1
                if (stop.asked or over) and tick.command.relaxed:
                    break
            elapsed = (time.monotonic_ns() - began) / NS
        return self._report(elapsed, grid.missed, refused)

    def _report(self, elapsed_s: float, missed: int, refused: list[str]) -> dict[str, Any]:
        gate = self.loop.gate
        return {
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


class _Stop:
    asked = False

    def ask(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True


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
