"""``myoloop demo-emg``: electrodes, intention, muscles; every process as in a laboratory.

A simulated subject with an amplifier and a pedal, ``myoloop decode``, ``myoloop run`` with the
MuJoCo hand, and the one that watches: four processes, three streams of Lab Streaming Layer.
"""

import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
import yaml
from rich.console import RenderableType

from bridges.demo import Stage, print_summary
from controller import data
from controller.cell import CellReader
from controller.daemon import check_writable
from controller.report import write_json

if TYPE_CHECKING:
    from bridges.emg.calibration import Verdict

CONFIG: Final = "configs/emg.yaml"
SEED: Final = 1  # of the calibration; the subject on stage has another one
WAIT_S: Final = 30.0
REST_S: Final = 4.0  # until the daemon listens as well


def demo_emg(
    seconds: Annotated[
        float | None, typer.Option(min=1.0, help="End after this time (default: one story, 27 s).")
    ] = None,
    model: Annotated[str, typer.Option(help="lda, logistic or ridge.")] = "lda",
    fault: Annotated[str, typer.Option(help="See 'myoloop emulate emg --help'.")] = "none",
    fault_from: Annotated[float, typer.Option(min=0.0, help="When it begins [s].")] = 12.0,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
) -> None:
    """Watch the whole chain: simulated EMG, decoder, daemon, 39 muscles of the MuJoCo hand.

    The subject is calibrated first, in no time because simulated; then plays the demo's
    story. On anything but a terminal a line a second is printed.
    """
    from bridges.emg.emulate import known

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, in order
    check_writable(report)
    known(fault)
    with tempfile.TemporaryDirectory(prefix="myoloop-demo-") as folder:
        stage = EmgStage(Path(folder), seconds, model, ("--fault", fault), fault_from)
        try:
            stage.play(keep=False, window=False)
        finally:
            stage.end()
        result = stage.report()
    if report:
        write_json(result, report)
    print_summary(result, stage.skill)


class EmgStage(Stage):
    """A demo whose intention comes from muscles."""

    def __init__(
        self,
        folder: Path,
        seconds: float | None,
        model: str,
        fault: Sequence[str],
        fault_from_s: float,
    ) -> None:
        super().__init__(folder, seconds, source_wait_s=WAIT_S)
        self._model = model
        self._subject = [*fault, "--fault-from", str(fault_from_s)]
        self._view: CellReader | None = None
        self.decoder_report = folder / "decoder.json"

    def start_sources(self) -> subprocess.Popen[bytes]:
        """Calibrate; start the decoder, then the subject."""
        config = self._write_config()
        self._start(
            *("controller.cli", "decode", str(config), "--quiet"),
            *("--view", str(self._folder / "view"), "--report", str(self.decoder_report)),
        )
        loop = ["--loop"] if self._seconds else []
        return self._start(
            *("controller.cli", "emulate", "emg", "--session", self._lsl, "--seed", "7"),
            *("--source-id", f"{self._name}-emg", "--pedal", f"{self._name}-pedal"),
            *("--rest", str(REST_S), *loop, *self._subject),
        )

    def _write_config(self) -> Path:
        from bridges.emg.calibration import save
        from bridges.emg.fit import fit
        from bridges.emg.rehearsal import cut, rehearse
        from bridges.emg.settings import load_emg

        plain: dict[str, Any] = yaml.safe_load(data.find(CONFIG).read_text(encoding="utf-8"))
        plain |= {"session": self._lsl, "model": self._model, "calibration": "subject.json"}
        plain["emg"] |= {"source_id": f"{self._name}-emg", "wait_s": WAIT_S}
        plain["engage"]["source_id"] = f"{self._name}-pedal"
        plain["intention"]["source_id"] = self._name
        path = self._folder / "emg.yaml"
        path.write_text(yaml.safe_dump(plain), encoding="utf-8")
        settings = load_emg(path)
        calibration = fit(rehearse(SEED), cut(settings.window_ms))
        save(calibration, Path(settings.calibration))
        self.announce(calibration.verdict)
        return path

    def announce(self, verdict: "Verdict") -> None:
        """Say how good the calibration is."""
        accuracy = ", ".join(f"{name} {share:.1%}" for name, share in verdict.accuracy.items())
        print(f"calibrated on 84 s of simulated EMG: {accuracy}, ridge R² {verdict.r2:.2f}")

    def beside(self) -> Sequence[RenderableType]:
        """What the decoder sees."""
        from bridges.emg.view import VIEW, panel

        path = self._folder / "view"
        if self._view is None and path.exists():
            self._view = CellReader(path, VIEW)
        record = self._view.read() if self._view else None
        return () if record is None else (panel(record),)
