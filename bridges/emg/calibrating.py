"""A calibration in real time: stream in, prompts out, file at the end."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from rich.console import Console

from bridges import processes
from bridges.emg import calibration_screen
from bridges.emg.calibration import Calibration, Cut, microvolts, save
from bridges.emg.emulate import known
from bridges.emg.fit import fit
from bridges.emg.guide import Guide
from bridges.emg.intake import Intake
from bridges.emg.prompts import STREAM, marker
from bridges.emg.settings import EmgSettings, load_emg
from bridges.emg.stream import EmgInlet, open_emg
from bridges.lsl_api import MarkerOutlet
from bridges.lsl_session import use_session
from controller.clock import NS, Grid
from controller.daemon import check_writable
from controller.errors import MyoloopError

LOOK_HZ: Final = 50.0
START_UP_S: Final = 60.0  # of the simulated subject, on a busy machine
END_S: Final = 5.0


def run(config: Path, repetitions: int, record_s: float, simulated: bool, fault: str) -> None:
    """Guide, fit, judge, write.

    Raises:
        MyoloopError: no stream, a bad signal, or a result that is not good enough.
    """
    settings = load_emg(config)
    path = Path(settings.calibration)
    check_writable(path)
    known(fault)
    if simulated:
        patient = msgspec.structs.replace(settings.emg, wait_s=START_UP_S)
        settings = msgspec.structs.replace(settings, emg=patient, session=f"myoloop-{uuid.uuid4()}")
    use_session(settings.session)
    prompts_id = f"{settings.emg.source_id}-prompts"
    outlet = MarkerOutlet(STREAM, prompts_id)
    print(f"looking for the stream {settings.emg.name!r}", flush=True)
    with _subject(settings, prompts_id, fault, simulated):
        emg = open_emg(settings, f"{config}: emg")
        try:
            calibration = guide(emg, settings, outlet, repetitions, record_s)
        finally:
            emg.close()
    save(calibration, path)
    calibration_screen.print_verdict(calibration.verdict, settings.model, Console())
    if not calibration.verdict.good_enough(settings.model):
        raise MyoloopError(f"{path}: written, but 'decode' will refuse it: calibrate again")
    print(f"written to {path}; next: myoloop decode {config}")


def guide(
    emg: EmgInlet, settings: EmgSettings, outlet: MarkerOutlet, repetitions: int, record_s: float
) -> Calibration:
    """Record every prompt from a live stream and fit.

    Raises:
        MyoloopError: the signal is not good enough; names the channels.
    """
    cut = Cut(
        electrodes=emg.electrodes,
        band_hz=settings.band_hz,
        mains_hz=float(settings.mains_hz),
        window_ms=settings.window_ms,
    )
    intake = Intake(cut, settings.emg.gap_ms * 1e-3)
    scale = np.array(microvolts(emg.electrodes))
    course = Guide(intake, scale, repetitions, record_s)
    grid, said = Grid(LOOK_HZ), ""
    grid.start()
    with calibration_screen.open_screen(emg.electrodes.labels, Console()) as screen:
        while not course.over:
            now_ns, _ = grid.wait()
            rows, stamps_s, lost = emg.pull()
            look = course.step(rows, stamps_s, now_ns / NS, lost)
            if look.prompt and look.prompt != said:
                said = look.prompt
                outlet.push(marker(said))
            screen.show(look, intake.windows.newest, intake.bad)
    return fit(course.trials, cut)


@contextmanager
def _subject(settings: EmgSettings, follow: str, fault: str, wanted: bool) -> Iterator[None]:
    """A simulated subject in a process of its own, if one is wanted."""
    if not wanted:
        yield
        return
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "controller.cli", "emulate", "emg"),
            *("--session", settings.session, "--source-id", settings.emg.source_id),
            *("--name", settings.emg.name, "--follow", follow, "--fault", fault),
        ],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C ends the calibration, which ends the subject
        preexec_fn=processes.end_with_parent,
    )
    try:
        yield
    finally:
        processes.end(process, END_S)
