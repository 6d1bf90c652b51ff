"""``myoloop run``: one session at a fixed rate, from the first handshake to the report."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final, cast

import msgspec
import typer

from controller import data, registry
from controller.board import BoardWriter
from controller.clock import NS, Grid
from controller.errors import ContractError, HostError, MyoloopError, PlantError, SettingsError
from controller.follower import Follower, FollowerContext
from controller.loop import REST, Loop, Tick
from controller.names import JOINTS, MUSCLES
from controller.orders import OrderReader
from controller.policy import OnnxPolicy, check_fit, load
from controller.ports import Plant, PlantInfo, Posable, Posing, Rejecting, Skill
from controller.processor import processor
from controller.publisher import Publisher
from controller.realtime import other_threads, raised, scheduled
from controller.report import Ledger, write_json
from controller.rundir import RunFolder
from controller.session import FollowerSettings, Session, load_session
from controller.shadow import Shadow
from controller.skills.passthrough import PassOn, Passthrough
from controller.supervisor.judge import Machine
from controller.supervisor.limits import load_limits
from controller.supervisor.states import Order, State
from controller.supervisor.supervisor import Supervisor
from controller.systemd import Notifier

AWAKE_NS: Final = 100_000  # before each tick: most wake-ups take less
BREAK_OFF_S: Final = 1.0  # the longest ramp takes 0.3 s
CONTROL: Final = "control"
CONTROL_PRIORITY: Final = 1  # an e-stop comes before everything ordinary, after all drivers
RECORDER: Final = "recorder"


def run(
    config: Annotated[Path, typer.Argument(help="Session file, see configs/.")],
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Relax and end after this time.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    record: Annotated[Path | None, typer.Option(help="Record every tick: a new FILE.mcap.")] = None,
) -> None:
    """Run the controller: intention in, muscle commands out, at a fixed rate.

    It starts disarmed and never arms itself: 'myoloop arm' does, and then the stream's
    engage has to rise. Ctrl-C, SIGTERM or --seconds relax the hand, end the loop and
    print the report; SIGUSR1 is an e-stop.
    """
    config = data.find(str(config), Path.cwd())
    session = load_session(config)
    if record:
        session = with_follower(session, RECORDER, {"file": str(record.absolute())})
    check_writable(report)
    daemon = Daemon(session, config)
    with _signals():  # once it ticked, nobody's impatience costs the report or the recording
        try:
            result = daemon.run(seconds)
        finally:
            daemon.close()
        write_json(result, report)
        if record:
            write_page(record)
    if result["fault"]:
        raise PlantError(f"the loop stopped and the hand was relaxed: {result['fault']}")


def with_follower(session: Session, use: str, options: dict[str, Any]) -> Session:
    """The session with one more process beside the loop."""
    one = FollowerSettings(use=use, options=options)
    return msgspec.structs.replace(session, followers=[*session.followers, one])


def write_page(record: Path) -> None:
    """Have the report's page made, beside the recording."""
    subprocess.run([sys.executable, "-m", "controller.cli", "report", str(record)], check=False)


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

    def __init__(self, session: Session, origin: Path) -> None:
        self.session = session
        with ExitStack() as undo:  # a handshake that fails lets go of what was taken
            self._folder = RunFolder(session.name, origin)
            undo.callback(self._folder.close)
            self._shake_hands(origin, undo)
            self._follow(origin, undo)
            self._undo = undo.pop_all()
        self.ledger = Ledger()
        self._swap_to = ""

    def _shake_hands(self, origin: Path, undo: ExitStack) -> None:
        session = self.session
        self._limits = load_limits(data.find(session.safety, origin.parent))
        self._skill = registry.find("skills", session.skill, f"{origin}: skill")
        self.policy = self._policy(origin)
        plant_factory = registry.find("plants", session.plant.use, f"{origin}: plant.use")
        self.plant = plant_factory(
            session.plant.options, session.rate_hz, f"{origin}: plant.options"
        )
        undo.callback(self.plant.close)
        check_plant(self.plant.info, session.rate_hz)
        check_objects(self.plant, self._skill)
        check_posable(self.plant, self._skill)
        _compare_versions(self.policy, self.plant.info)

    def _policy(self, origin: Path) -> OnnxPolicy | PassOn:
        session, skill = self.session, self._skill
        if session.policy:
            policy = load(data.find(session.policy, origin.parent))
            check_fit(policy, skill, session.rate_hz)
            return policy
        if not isinstance(skill, Passthrough):
            raise SettingsError(f"{origin}: policy: the skill {session.skill!r} needs one")
        return PassOn(skill.NAME, session.rate_hz)

    def _follow(self, origin: Path, undo: ExitStack) -> None:
        """Lay out the board, start everything that reads it, then the loop that writes it.

        The source comes last: it may take seconds to appear, and all else is known before.
        """
        session, rate_hz = self.session, self.session.rate_hz
        self.context = FollowerContext(
            session=session.name,
            board=str(self._folder.board),
            folder=str(self._folder.path),
            rate_hz=rate_hz,
            about=self._about(origin),
        )
        self._folder.tell(self.context)
        self._board = BoardWriter(self._folder.board)
        undo.callback(self._board.close)
        self.followers: list[Follower] = []
        self.refused: list[str] = []
        control = FollowerSettings(
            use=CONTROL,
            required=True,
            options=msgspec.to_builtins(session.control),
        )
        asked = session.realtime.priority  # where it is refused, the loop's own refusal says so
        with raised(min(asked, CONTROL_PRIORITY), "realtime.priority"):
            self._start_follower(control, f"{origin}: control", undo)
        for one in session.followers:
            self._start_follower(one, f"{origin}: followers.{one.name or one.use}", undo)
        source_factory = registry.find("sources", session.source.use, f"{origin}: source.use")
        with raised(max(0, asked - 1), "realtime.priority"):
            self.source = source_factory(
                session.source.options, self._skill.CHANNELS, f"{origin}: source.options"
            )
        undo.callback(self.source.close)
        self._orders = OrderReader(self._folder.orders)
        supervisor = Supervisor(self._limits, self._skill.CHANNELS, 1.0 / rate_hz)
        self._publisher = Publisher(self._board, self.followers, supervisor, self._orders.taken)
        self.loop = Loop(
            self.source,
            self.plant,
            self._skill,
            self.policy,
            supervisor,
            1.0 / rate_hz,
            every=round(rate_hz / self.policy.contract.rate_hz),
            publish=lambda tick: self._publisher.publish(tick, self.loop),
            clock=time.monotonic_ns,
        )

    def _start_follower(self, one: FollowerSettings, origin: str, undo: ExitStack) -> None:
        name, factory = one.name or one.use, registry.find("followers", one.use, origin)
        with raised(one.priority, f"followers.{name}.priority") as refused:
            follower: Follower = factory(name, one.options, one.required, self.context, origin)
        self.refused += refused
        undo.callback(follower.close)
        self.followers.append(follower)
        for loss in follower.info.loses:
            print(f"myoloop: {name}: {loss}", file=sys.stderr)

    def run(self, seconds: float | None = None) -> dict[str, Any]:
        """Tick until told to stop, relax, and return the report.

        An exception inside a tick relaxes the hand at once and is the report's ``fault``.
        """
        fault = ""
        grid = Grid(self.session.rate_hz, AWAKE_NS)
        with scheduled(self.session.realtime) as refused, _signals() as signals:
            refused += self.refused
            for line in refused:
                print(f"myoloop: {line}", file=sys.stderr)
            began = time.monotonic_ns()
            try:
                with closing(Notifier()) as notifier:
                    self._tick_until(signals, seconds, grid, notifier)
            except Exception as error:  # whatever it is: the hand comes first
                fault = f"tick {self.ledger.ticks}: {type(error).__name__}: {error}"
                self.loop.supervisor.fail(fault)
                with suppress(Exception):
                    self.plant.write(REST)
                with suppress(Exception):
                    self._publisher.stop()
            elapsed = (time.monotonic_ns() - began) / NS
        self._board.close()  # each follower stops its device now, whatever else takes time
        return self._report(elapsed, grid.missed, refused, fault)

    def _tick_until(
        self, signals: "_Signals", seconds: float | None, grid: Grid, notifier: Notifier
    ) -> None:
        grid.start()
        began = time.monotonic_ns()
        while True:
            over = seconds is not None and time.monotonic_ns() - began >= seconds * NS
            stopping = signals.stop_asked or over
            if stopping and self.loop.supervisor.resting:
                return
            missed = grid.missed
            now, lateness = grid.wait()
            machine = self._look_round(now, grid.missed - missed, stopping, signals)
            self._publisher.begin(now, lateness, grid.missed)
            tick = self.loop.tick(now / NS, machine)
            took = time.monotonic_ns() - now
            self._publisher.settle(tick, self.loop, took)
            self.ledger.add(tick, lateness, took)
            notifier.alive(now)
            if self._swap_to:
                self._take_on(tick)

    def _look_round(self, now_ns: int, missed: int, stopping: bool, signals: "_Signals") -> Machine:
        """Orders, followers and deadlines, as they are now."""
        orders = self._orders.read(now_ns)
        if signals.estop_asked:
            signals.estop_asked = False
            orders = replace(orders, order=orders.order | Order.ESTOP)
        self._swap_to = orders.swap_to or self._swap_to
        return Machine(
            now_ns=now_ns,
            missed=missed,
            orders=orders,
            followers={f.info.name: f.health() for f in self.followers if f.info.required},
            attendant_wanted=self.session.control.attended,
            stopping=stopping,
        )

    def _take_on(self, tick: Tick) -> None:
        """Load a policy that was vetted outside, between two ticks; it starts in shadow.

        Loading holds this process for some milliseconds: never while the hand works.
        """
        if tick.state in (State.ACTIVE, State.RELAXING):
            return
        sha256, _, path = self._swap_to.partition(" ")
        self._swap_to = ""
        try:
            policy = load(Path(path))
            if policy.sha256 != sha256:
                raise ContractError(f"policy {path}: changed since it was checked")
            check_fit(policy, self._skill, self.session.rate_hz)
            if policy.contract.rate_hz != self.policy.contract.rate_hz:
                raise ContractError(f"policy {path}: its rate is not that of the running one")
        except MyoloopError as error:  # nothing changes
            self.loop.supervisor.note = f"swap refused: {error}"
            return
        self.loop.shadow = Shadow(policy, self._skill)

    def _about(self, origin: Path) -> dict[str, Any]:
        """What the run is made of, for the report and for everything that follows."""
        return {
            "session": {"name": self.session.name, "file": str(origin)},
            "settings": msgspec.to_builtins(self.session),
            "skill": self.session.skill,
            "channels": [channel.label for channel in self._skill.CHANNELS],
            "policy": _about_policy(self.policy),
            "safety": {"sha256": self._limits.sha256, **msgspec.to_builtins(self._limits)},
            "processor": processor(),
            "versions": {
                "python": ".".join(map(str, sys.version_info[:3])),
                **{name: version(name) for name in ("myoloop", "numpy", "onnxruntime")},
                **self.plant.info.versions,
            },
        }

    def _report(
        self, elapsed_s: float, missed: int, refused: list[str], fault: str
    ) -> dict[str, Any]:
        supervisor, about = self.loop.supervisor, self.context.about
        return {
            "fault": fault,
            "state": supervisor.state.name,
            "rate_hz": self.session.rate_hz,
            "seconds": round(elapsed_s, 3),
            **self.ledger.timing(missed),
            "stale_ticks": supervisor.stale_ticks,
            "gate": supervisor.report(),
            "note": supervisor.note,
            "armings": supervisor.arming,
            "followers": {one.info.name: _about_follower(one) for one in self.followers},
            "rejected": {
                name: one.rejected
                for name, one in (("source", self.source), ("plant", self.plant))
                if isinstance(one, Rejecting)
            },
            "task": self.ledger.task(),
            "policy": _about_policy(cast(OnnxPolicy | PassOn, self.loop.policy)),
            "safety_sha256": self._limits.sha256,
            "realtime_refused": refused,
            "other_python_threads": other_threads(),
            "versions": about["versions"],
        }

    def close(self) -> None:
        """Let followers, board, source, plant and the session's name go, in this order."""
        self._undo.close()


def _about_follower(follower: Follower) -> dict[str, str]:
    health = follower.health()
    return {"state": health.state.name, "reason": health.reason}


def _about_policy(policy: OnnxPolicy | PassOn) -> dict[str, Any]:
    if isinstance(policy, PassOn):
        return {"file": "none", "path": "", "sha256": "", "rate_hz": policy.contract.rate_hz}
    return {
        "file": policy.path.name,
        "path": str(policy.path.resolve()),
        "sha256": policy.sha256,
        "contract_version": policy.contract.contract_version,
        "rate_hz": policy.contract.rate_hz,
    }


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


def check_objects(plant: Plant, skill: Skill) -> None:
    """Refuse a plant that does not report the objects that the skill handles.

    Raises:
        ContractError: says how many there are, and how many are needed.
    """
    found = len(plant.read().object_pos)
    if found < skill.OBJECTS:
        raise ContractError(
            f"plant {plant.info.kind}: reports {found} objects, "
            f"the skill {skill.NAME!r} needs {skill.OBJECTS}"
        )


def check_posable(plant: Plant, skill: Skill) -> None:
    """Refuse a skill that asks for joint angles of a plant that has its own.

    Raises:
        ContractError: names both.
    """
    if isinstance(skill, Posing) and not isinstance(plant, Posable):
        raise ContractError(
            f"plant {plant.info.kind}: its joints can't be told where to go, as the skill "
            f"{skill.NAME!r} does; use echo or zmq (docs/passthrough.md)"
        )


def _compare_versions(policy: OnnxPolicy | PassOn, info: PlantInfo) -> None:
    """Say when the plant is not of the versions that the policy's scores belong to."""
    for name, own in policy.contract.versions.items():
        found = info.versions.get(name, own)
        if found != own:
            print(
                f"myoloop: policy {policy.path.name} was made with {name} {own}, this is "
                f"{found}: its scores need not hold",
                file=sys.stderr,
            )


class _Signals:
    """SIGINT and SIGTERM ask for a stop, SIGUSR1 for an e-stop; they interrupt nothing."""

    def __init__(self) -> None:
        self.stop_asked = self.estop_asked = False
        self._since_ns = 0

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Ask for a stop; asked again well after the ramp's time, break off what hangs."""
        if self.stop_asked and time.monotonic_ns() - self._since_ns > BREAK_OFF_S * NS:
            raise KeyboardInterrupt
        if not self.stop_asked:
            self.stop_asked, self._since_ns = True, time.monotonic_ns()

    def estop(self, _signal: int, _frame: FrameType | None) -> None:
        """Ask for an e-stop at the next tick."""
        self.estop_asked = True


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Listen to signals instead of being ended by them."""
    signals = _Signals()
    handlers = {
        signal.SIGINT: signals.stop,
        signal.SIGTERM: signals.stop,
        signal.SIGUSR1: signals.estop,
    }
    before = {number: signal.signal(number, to) for number, to in handlers.items()}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
