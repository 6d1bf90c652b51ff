"""``myoloop replay``: the recorded intention and feedback through the same loop once more."""

import platform
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from controller import registry
from controller.errors import ContractError, MyoloopError
from controller.follower import FollowerHealth, FollowerState
from controller.loop import Loop
from controller.messages import Excitation, Feedback, Intention
from controller.names import JOINTS, MUSCLES
from controller.orders import ORDERS, Orders
from controller.policy import OnnxPolicy, check_fit, load
from controller.ports import PlantInfo, Policy, Skill
from controller.processor import processor
from controller.skills.passthrough import PassOn, Passthrough
from controller.supervisor.judge import Machine
from controller.supervisor.limits import Limits
from controller.supervisor.states import Order, Reason, State
from controller.supervisor.supervisor import Supervisor

FAULTY: Final = {"recorded": FollowerHealth(FollowerState.FAULT, 0, "as recorded")}
COMPARED: Final = ("excitation", "wished", "state")


class Tape:
    """Source and plant of a replay: both give what the recorded tick says.

    Attributes:
        record: the tick that is played.
    """

    def __init__(self, first: NDArray[np.void]) -> None:
        self.record = first

    def intention(self) -> Intention:
        """The intention as the loop had it."""
        record = self.record
        return Intention(
            values=record["intention"][: int(record["channels"])].copy(),
            engage=float(record["engage"]),
            age_s=float(record["age_s"]),
            fault=bytes(record["fault"]).decode(errors="replace"),
            raw_stamp_s=float(record["raw_stamp_s"]),
            correction_s=float(record["correction_s"]),
            fresh=bool(record["fresh"]),
        )

    def feedback(self) -> Feedback:
        """The feedback as the loop had it, after a reset if there was one."""
        record, count = self.record, int(self.record["objects"])
        return Feedback(
            time_s=record["plant_time_s"],
            joint_pos=record["joint_pos"].copy(),
            joint_vel=record["joint_vel"].copy(),
            activation=record["activation"].copy(),
            palm_pos=record["palm_pos"].copy(),
            palm_rot=record["palm_rot"].copy(),
            object_pos=record["object_pos"][:count].copy(),
            object_vel=record["object_vel"][:count].copy(),
            age_s=float(record["feedback_age_s"]),
        )

    def machine(self, before: NDArray[np.void] | None) -> Machine:
        """Orders and machine, from what the tick says of them.

        Args:
            before: the tick before, None for the first.
        """
        record = self.record
        taken = record["taken"] if before is None else record["taken"] - before["taken"]
        order = Order(0)
        for one, count in zip(ORDERS, taken, strict=False):
            order |= one if count > 0 else Order(0)
        broken = Reason(int(record["violations"]))
        known = 0 if before is None else int(before["reasons"])
        if Reason.ESTOP in Reason(int(record["reasons"]) & ~known):
            order |= Order.ESTOP  # one by signal is not among the orders taken
        missed = int(record["missed"]) - (0 if before is None else int(before["missed"]))
        return Machine(
            now_ns=int(record["time_ns"]),
            missed=missed,
            orders=Orders(order, attended=Reason.ATTENDANT_LOST not in broken),
            followers=FAULTY if Reason.FOLLOWER in broken else {},
            attendant_wanted=Reason.ATTENDANT_LOST in broken,
            stopping=Reason.STOPPING in broken,
        )


class TapeSource:
    """The tape as an intention source."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def read(self, _now_s: float) -> Intention:
        """As recorded."""
        return self._tape.intention()

    def close(self) -> None:
        """Nothing to let go."""


class TapePlant:
    """The tape as a plant; commands go nowhere."""

    def __init__(self, tape: Tape, rate_hz: float) -> None:
        self._tape = tape
        self.info = PlantInfo("tape", MUSCLES, JOINTS, rate_hz, {})

    def reset(self) -> None:
        """The recorded feedback is that after the reset."""

    def read(self) -> Feedback:
        """As recorded."""
        return self._tape.feedback()

    def write(self, excitation: Excitation) -> Excitation:
        """Taken, and not carried out."""
        return excitation

    def close(self) -> None:
        """Nothing to let go."""


@dataclass
class Comparison:
    """How a replay differs from its recording.

    Attributes:
        compared: fields of the tick.
        ticks: how many were compared.
        differing: of them, the ticks with another command, by number.
        largest: largest difference of an excitation, by state.
        first_field: what differed first.
    """

    compared: tuple[str, ...] = COMPARED
    ticks: int = 0
    differing: list[int] = field(default_factory=list)
    largest: dict[str, float] = field(default_factory=dict)
    count: dict[str, int] = field(default_factory=dict)
    first_field: str = ""

    def add(self, recorded: NDArray[np.void], replayed: dict[str, Any]) -> None:
        """Compare one tick, bit by bit."""
        self.ticks += 1
        apart = [
            name
            for name in self.compared
            if np.asarray(replayed[name], recorded[name].dtype).tobytes()
            != recorded[name].tobytes()
        ]
        if not apart:
            return
        self.first_field = self.first_field or apart[0]
        self.differing.append(int(recorded["number"]))
        state = State(int(recorded["state"])).name
        off = float(np.abs(replayed["excitation"] - recorded["excitation"]).max())
        self.largest[state] = max(self.largest.get(state, 0.0), off)
        self.count[state] = self.count.get(state, 0) + 1


def run_again(
    ticks: NDArray[np.void], about: dict[str, Any], policy: Policy, skill: Skill
) -> Comparison:
    """Play every tick through a loop of its own and compare.

    Args:
        ticks: (n,) board records without gaps; they end before a policy was swapped in.
        about: what the recorded run was made of.
        policy: the recorded one, or another.
        skill: what the intention means.
    """
    limits = msgspec.convert({k: v for k, v in about["safety"].items() if k != "sha256"}, Limits)
    period_s = 1.0 / about["settings"]["rate_hz"]
    tape = Tape(ticks[0])
    loop = Loop(
        TapeSource(tape),
        TapePlant(tape, about["settings"]["rate_hz"]),
        skill,
        policy,
        Supervisor(limits, skill.CHANNELS, period_s),
        period_s,
        every=round(1.0 / period_s / about["policy"]["rate_hz"]),
    )
    same_policy = policy.sha256 == about["policy"]["sha256"]
    found, before = Comparison((*COMPARED, "policy_state") if same_policy else COMPARED), None
    for record in ticks:
        tape.record = record
        tick = loop.tick(int(record["time_ns"]) / 1e9, tape.machine(before))
        replayed = {
            "excitation": tick.command.excitation,
            "wished": tick.wished,
            "policy_state": policy.state_crc(),
            "state": tick.state,
        }
        found.add(record, replayed)
        before = record
    return found


def replay(
    recording: Annotated[Path, typer.Argument(help="An MCAP file of 'run --record'.")],
    policy: Annotated[
        Path | None, typer.Option(help="Another policy than the recorded one.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Feed a recording to the loop again and compare every command, bit by bit.

    On the same versions and processor the commands are identical. Exit code 1 when they are
    not, except with --policy, which is there to see the difference.
    """
    from bridges.recording.reader import read

    tape = read(recording)
    skill = registry.find("skills", tape.about["skill"], f"{recording}: skill")
    chosen = _policy(policy, tape.policy, skill, tape.about["settings"]["rate_hz"], recording)
    ticks, notes = comparable(tape.ticks)
    if tape.torn:
        notes.append(f"the file is torn: {tape.torn}")
    found = run_again(ticks, tape.about, chosen, skill)
    changed = changes(tape.about)
    result = {
        "identical": not found.differing,
        "ticks": found.ticks,
        "first_difference": found.differing[0] if found.differing else None,
        "first_field": found.first_field,
        "differing_ticks": len(found.differing),
        "largest_by_state": found.largest,
        "ticks_by_state": found.count,
        "recorded_policy": tape.about["policy"]["sha256"],
        "policy": chosen.sha256,
        "changed": changed,
        "notes": notes,
    }
    if json:
        print(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
    else:
        _print(result)
    raise typer.Exit(int(bool(found.differing) and policy is None))


def _policy(
    file: Path | None, recorded: bytes, skill: Skill, rate_hz: float, recording: Path
) -> OnnxPolicy | PassOn:
    if isinstance(skill, Passthrough) and file is None:
        return PassOn(skill.NAME, rate_hz)
    with tempfile.TemporaryDirectory(prefix="myoloop-replay-") as folder:
        chosen = load(file or _unpack(recorded, Path(folder), recording))
    check_fit(chosen, skill, rate_hz)
    return chosen


def _unpack(content: bytes, folder: Path, recording: Path) -> Path:
    if not content:
        raise ContractError(f"{recording}: holds no policy; give one with --policy")
    path = folder / "policy.onnx"
    path.write_bytes(content)
    return path


def comparable(ticks: NDArray[np.void]) -> tuple[NDArray[np.void], list[str]]:
    """The ticks that can be played again, and in words why others can't.

    Raises:
        MyoloopError: the first tick is missing: what the policy remembered then is unknown.
    """
    if ticks["number"][0] != 0:
        raise MyoloopError(f"the recording begins at tick {ticks['number'][0]}, not at the start")
    notes = []
    gap = np.flatnonzero(np.diff(ticks["number"]) != 1)
    if len(gap):
        notes.append(f"ticks are missing after {ticks['number'][gap[0]]}: compared up to there")
        ticks = ticks[: gap[0] + 1]
    swapped = np.flatnonzero(ticks["policy"] > 0)
    if len(swapped):
        notes.append(f"another policy took over at tick {swapped[0]}: compared up to there")
        ticks = ticks[: swapped[0]]
    failed = np.flatnonzero(np.diff(ticks["time_ns"]) == 0)  # the loop's last word, no tick
    if len(failed):
        notes.append(f"the loop failed at tick {ticks['number'][failed[0] + 1]}")
        ticks = ticks[: failed[0] + 1]
    return ticks, notes


def changes(about: dict[str, Any]) -> dict[str, list[str]]:
    """What is not as it was: name -> recorded, now."""
    now = {name: _version(name) for name in about["versions"]} | {"processor": processor()}
    recorded = about["versions"] | {"processor": about["processor"]}
    return {name: [recorded[name], now[name]] for name in now if now[name] != recorded[name]}


def _version(name: str) -> str:
    if name == "python":
        return platform.python_version()
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _print(result: dict[str, Any]) -> None:
    console = Console(soft_wrap=True)
    if result["identical"]:
        print(f"identical: {result['ticks']} ticks, every command bit by bit")
    else:
        print(
            f"{result['differing_ticks']} of {result['ticks']} ticks differ, the first is tick "
            f"{result['first_difference']} ({result['first_field']})"
        )
        table = Table("state", "ticks that differ", "largest difference of an excitation")
        for state, largest in result["largest_by_state"].items():
            table.add_row(state, str(result["ticks_by_state"][state]), f"{largest:.3g}")
        console.print(table)
    for name, (recorded, now) in result["changed"].items():
        print(f"recorded with {name} {recorded}, this is {now}")
    for note in result["notes"]:
        print(note)
