"""The steps of ``myoloop hil`` for a HASOMED stimulator, in their order."""

import time
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import yaml

from bridges.devices.port import Port
from bridges.devices.sciencemode import BAUD
from bridges.devices.sciencemode_messages import (
    CHANNELS,
    EDITIONS,
    FOUR_CHANNELS,
    Answer,
    Command,
    CurrentData,
    DeviceId,
    MainVersion,
    MlGetCurrentData,
    MlInit,
    MlStop,
    MlUpdate,
    Plain,
    Reply,
    Request,
    Result,
    Status,
    StimStatus,
    Version,
)
from bridges.devices.sciencemode_talk import Talk, in_words
from bridges.devices.stimulation_calibration import load_calibration
from bridges.devices.stimulation_limits import StimulationLimits
from bridges.devices.stimulation_mapping import StimulationMapping
from bridges.devices.stimulation_pools import POOLS
from controller import data
from controller.closing import Closing
from controller.errors import HostError, MyoloopError
from controller.names import MUSCLES
from controller.skills.passthrough import muscles
from hil.bring_up import Bench, Outcome, Step, milliseconds, timed
from hil.chain import Chain
from hil.chain_steps import (
    LINE_FAULTS,
    OFF,
    PULLED,
    Fault,
    Subject,
    faults,
    let_go,
    pulled,
    steps,
)

SESSION: Final = "configs/passthrough_muscles.yaml"
EMULATED: Final = "configs/fes_emulated_calibration.yaml"
ANSWER_S: Final = 0.25
LOOK_S: Final = 0.0002
QUESTIONS: Final = 200
ROUND_TRIPS: Final = 500
ROUND_TRIP_MS: Final = 50.0
UPDATE_S: Final = 0.025
UPDATES: Final = 60
SILENCE_S: Final = 2.5  # the device's watchdog is 2 s
SILENT: Final = MlUpdate((None,) * CHANNELS)
FLEXORS: Final = ("FDS", "FDP")

R = TypeVar("R", bound=Reply)


class Wire(Closing):
    """A stimulator at the end of a line, spoken to directly: no daemon, no driver."""

    def __init__(self, bench: Bench) -> None:
        self._port = Port(bench.port, BAUD, two_stop_bits=True, flow_control=True)
        self._talk, self._edition = Talk(), EDITIONS[bench.outputs]

    def ask(self, request: Request, kind: type[R]) -> R:
        """Say it and wait for its answer.

        Raises:
            MyoloopError: no answer, or another.
        """
        self._port.write(self._talk.say(request))
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            for reply in self._talk.hear(self._port.read()):
                if isinstance(reply, kind):
                    return reply
                raise MyoloopError(f"answered with {_shown(reply)}")
            time.sleep(LOOK_S)
        raise MyoloopError(f"no answer within {ANSWER_S * 1e3:.0f} ms")

    def do(self, request: Request) -> None:
        """Say it; it has to be answered with ok.

        Raises:
            MyoloopError: it was not.
        """
        result = self.ask(request, Answer).result
        if result != Result.OK:
            raise MyoloopError(f"{type(request).__name__}: {in_words(result)}")

    def status(self) -> int:
        """What it is ready for."""
        return self.ask(Plain(Command.GET_STIM_STATUS), StimStatus).status

    def protocol(self) -> tuple[int, int, int]:
        """The version of ScienceMode that it speaks."""
        if self._edition.version_question is Command.GET_VERSION_MAIN:
            return self.ask(Plain(Command.GET_VERSION_MAIN), MainVersion).protocol
        return self.ask(Plain(Command.GET_EXTENDED_VERSION), Version).protocol

    def ready(self) -> None:
        """Make the mid level ready."""
        self.do(MlInit(self._edition.stops_on_error))

    def active(self) -> tuple[bool, ...]:
        """Whether each output is at work; those of a RehaMove3 all say the same."""
        return self.ask(MlGetCurrentData(self._edition.selection), CurrentData).active

    def close(self) -> None:
        """Give the port back."""
        self._port.close()


def _shown(reply: Reply) -> str:
    """An answer for a person."""
    if isinstance(reply, Answer):
        return f"{reply.to.name.lower()}: {in_words(reply.result)}"
    return str(reply)


def _link(bench: Bench) -> Outcome:
    edition = EDITIONS[bench.outputs]
    with Wire(bench) as wire:
        name = wire.ask(Plain(Command.GET_DEVICE_ID), DeviceId).name
        version = wire.protocol()
    speaks = f"{name}, ScienceMode {'.'.join(map(str, version))}"
    return Outcome(version[0] == edition.protocol, f"{speaks}, {bench.outputs} outputs")


def _replies(bench: Bench) -> Outcome:
    with Wire(bench) as wire:
        for _ in range(QUESTIONS):
            wire.status()
    return Outcome(True, f"{QUESTIONS} of {QUESTIONS}")


def _exclusive(bench: Bench) -> Outcome:
    with Wire(bench):
        try:
            Port(bench.port, BAUD).close()
        except HostError as error:
            return Outcome(True, str(error))
    return Outcome(False, "it was opened twice")


def _round_trip(bench: Bench) -> Outcome:
    with Wire(bench) as wire:
        took = timed(wire.status, ROUND_TRIPS)
    bench.latencies_ms["question to answer"] = took
    return Outcome(max(took) <= ROUND_TRIP_MS, milliseconds(took))


def _not_initialised(bench: Bench) -> Outcome:
    with Wire(bench) as wire:
        wire.ask(MlStop(), Answer)
        result = wire.ask(SILENT, Answer).result
    return Outcome(result == Result.NOT_INITIALISED, in_words(result))


def _pulses(bench: Bench, wire: Wire) -> list[float]:
    """Flexors rise to a third, within the caps; what each update took to be answered [ms]."""
    limits = StimulationLimits()
    calibration = load_calibration(_calibration(bench), limits, bench.outputs)
    mapping = StimulationMapping(calibration, limits, bench.outputs)
    name = wire.ask(Plain(Command.GET_DEVICE_ID), DeviceId).name
    if name != calibration.device:
        raise MyoloopError(f"the calibration is of {calibration.device}, this is {name}")
    wire.ready()
    took = []
    for _ in range(UPDATES):
        update = mapping.step(_flexors(0.3), UPDATE_S)
        if why := limits.refuse(update, calibration.areas_cm2):
            raise MyoloopError(f"refused to send a pulse: {why}")
        began = time.perf_counter()
        wire.do(update)
        took.append((time.perf_counter() - began) * 1e3)
        time.sleep(UPDATE_S)
    return took


def _stimulates(bench: Bench) -> Outcome:
    with Wire(bench) as wire:
        took = _pulses(bench, wire)
        at_work = wire.active()
        running = wire.status() == Status.RUNNING
        wire.do(MlStop())
    bench.latencies_ms["update to answer"] = took
    good = running and any(at_work) and max(took) <= ROUND_TRIP_MS
    return Outcome(good, f"{_outputs(bench, at_work)}; {milliseconds(took)}")


def _outputs(bench: Bench, at_work: tuple[bool, ...]) -> str:
    if EDITIONS[bench.outputs].selection == FOUR_CHANNELS:
        return f"{'outputs' if any(at_work) else 'no output'} at work"  # it does not say which
    return f"outputs {', '.join(str(at + 1) for at, on in enumerate(at_work) if on) or 'none'}"


def _planned_stop(bench: Bench) -> Outcome:
    with Wire(bench) as wire:
        _pulses(bench, wire)
        wire.do(MlStop())
        status = wire.status()
    return Outcome(status != Status.RUNNING, Status(status).name)


def _watchdog(bench: Bench) -> Outcome:
    with Wire(bench) as wire:
        _pulses(bench, wire)
        time.sleep(SILENCE_S)
        at_work = any(wire.active())
        wire.do(MlStop())
    return Outcome(not at_work, "outputs at work" if at_work else "paused")


# --- with the daemon -------------------------------------------------------------------


def _calibration(bench: Bench) -> Path:
    """The person's file; for an emulator the one that is shipped, as far as it has outputs."""
    if bench.calibration:
        return data.find(bench.calibration, Path.cwd()).absolute()
    made = yaml.safe_load(data.find(EMULATED).read_text(encoding="utf-8"))
    made["channels"] = {pool.name: made["channels"][pool.name] for pool in POOLS[: bench.outputs]}
    file = bench.folder / "calibration.yaml"
    file.write_text(yaml.safe_dump(made), encoding="utf-8")
    return file


def _flexors(level: float) -> np.ndarray:
    """The long finger flexors excited alike, (39,)."""
    return np.array([level if name.startswith(FLEXORS) else 0.0 for name in MUSCLES])


def _options(bench: Bench, port: str) -> dict[str, Any]:
    return {"port": port, "calibration": str(_calibration(bench)), "outputs": bench.outputs}


def _chain(bench: Bench, port: str) -> Chain:
    """The session of docs/passthrough.md with the stimulator on this port, without physics."""
    session = yaml.safe_load(data.find(SESSION).read_text(encoding="utf-8"))
    session["plant"] = {"use": "echo"}
    device = {"use": "sciencemode", "required": True, "options": _options(bench, port)}
    return Chain(bench.folder, session | {"followers": [device]}, muscles.CHANNELS, _flexors(0.0))


def _after(bench: Bench, _arrived: bool) -> tuple[bool, str]:
    with let_go(lambda: Wire(bench)) as wire:
        status = wire.status()
    return status != Status.RUNNING, Status(status).name


def _arrived(words: str) -> tuple[bool, str]:
    outputs = words.partition("| ")[2]
    return outputs != "silent", outputs


STIMULATOR: Final = Subject(
    chain=_chain,
    low=_flexors(0.1),
    high=_flexors(0.4),
    options=_options,
    at_rest=lambda words: words.endswith("silent"),
    arrived=_arrived,
    own_stop=lambda words: "pauses 0" in words,
    after=_after,
)
FAULTS: Final = (
    *LINE_FAULTS,
    Fault("electrode=1", OFF, faults),
    Fault("unplug", PULLED, pulled),
)

STEPS: Final = (
    Step("link", "who it is; it speaks the ScienceMode of its outputs", _link),
    Step("replies", f"all of {QUESTIONS} questions are answered", _replies),
    Step("exclusive port", "a second opening is refused", _exclusive),
    Step("round trip", f"each of {ROUND_TRIPS} within {ROUND_TRIP_MS:g} ms", _round_trip),
    Step("update before init", "refused: not initialised", _not_initialised),
    Step("stimulation", "outputs at work, each update answered", _stimulates, moves=True),
    Step("planned stop", "Ml_stop: it stimulates no more", _planned_stop, moves=True),
    Step("watchdog", "2.5 s of silence: no output at work", _watchdog, moves=True),
    *steps(STIMULATOR, FAULTS),
)
