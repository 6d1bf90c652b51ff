"""The decoder at work: a hop every 10 ms, between two LSL streams."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bridges import lsl_api
from bridges.emg.calibration import Cut, load, refuse_other
from bridges.emg.decoder import Decision, Decoder
from bridges.emg.engage import of_pedal
from bridges.emg.settings import EmgSettings, Pedal, load_emg
from bridges.emg.stream import EmgInlet, open_emg
from bridges.emg.view import ViewWriter
from bridges.lsl_inlet import LslIntention
from bridges.lsl_link import LinkKeeper, connect
from bridges.lsl_match import RATE_HZ, TYPE, Wanted, labels_of
from bridges.lsl_outlet import IntentionOutlet
from bridges.lsl_session import use_session
from bridges.simulated_intention import Signals
from controller.clock import NS, Grid
from controller.daemon import check_writable
from controller.errors import ContractError, MyoloopError
from controller.histogram import Histogram
from controller.report import write_json
from controller.skills.baoding import CHANNELS

SAY_S: Final = 0.25  # at most so often a change is printed


def run(
    config: Path, seconds: float | None, report: Path | None, view: Path | None, quiet: bool
) -> None:
    """Decode until the time is over or a signal comes.

    Raises:
        MyoloopError: settings, calibration or a stream can't be used; says why.
    """
    settings = load_emg(config)
    check_writable(report)
    origin = str(config)
    path = Path(settings.calibration)
    calibration = load(path)
    _same_cut(settings, calibration.cut, str(path))
    if reasons := "; ".join(calibration.verdict.reasons[settings.model]):
        raise MyoloopError(f"{path}: {settings.model} is not good enough: {reasons}")
    use_session(settings.session)
    emg = open_emg(settings, f"{origin}: emg")
    try:
        refuse_other(calibration.cut.electrodes, emg.electrodes, str(path))
        pedal = open_pedal(settings, f"{origin}: engage")
        outlet = IntentionOutlet(CHANNELS, settings.intention.source_id, settings.session)
        shown = ViewWriter(view, emg.electrodes.labels) if view else None
        live = Live(Decoder.of(calibration, settings), emg, pedal, outlet, shown, quiet)
        with suppress(KeyboardInterrupt):
            live.run(Signals(), seconds)
        live.close()
    finally:
        emg.close()
    if report:
        write_json(live.report(), report)


def _same_cut(settings: EmgSettings, calibrated: Cut, origin: str) -> None:
    """The signal has to be cut as it was in the calibration.

    Raises:
        ContractError: names what differs.
    """
    for key in ("band_hz", "mains_hz", "window_ms"):
        was, now = getattr(calibrated, key), getattr(settings, key)
        if was != now:
            raise ContractError(f"{origin}: made with {key} {was}, now {now}: calibrate again")


def open_pedal(settings: EmgSettings, origin: str) -> LslIntention | None:
    """The pedal's stream, or None when a co-contraction engages.

    Raises:
        StreamError: none or several match.
    """
    if not isinstance(settings.engage, Pedal):
        return None
    wanted = Wanted(
        name=settings.engage.name,
        type=TYPE,
        source_id=settings.engage.source_id,
        session=settings.session,
        labels=labels_of(()),
        rate_hz=settings.engage.rate_hz,
    )
    try:
        link = connect(wanted, settings.emg.wait_s)
    except MyoloopError as error:
        raise type(error)(f"{origin}: {error}") from None
    return LslIntention(LinkKeeper(wanted, link), 0, settings.engage.rate_hz)


class Live:
    """One decoder between its streams.

    Args:
        decoder: the chain.
        emg: where the samples come from.
        pedal: the dead-man's stream, if there is one.
        outlet: where the intention goes.
        view: told what it sees, if anybody looks.
        quiet: print no changes.
    """

    def __init__(
        self,
        decoder: Decoder,
        emg: EmgInlet,
        pedal: LslIntention | None,
        outlet: IntentionOutlet,
        view: ViewWriter | None,
        quiet: bool,
    ) -> None:
        self._decoder, self._emg, self._pedal, self._outlet = decoder, emg, pedal, outlet
        self._view, self._quiet = view, quiet
        self._links = 1  # the connection it begins with
        self._took = Histogram()
        self._hops = self._samples = 0
        self._reasons: dict[str, int] = {}
        self._said, self._said_s = "", 0.0
        self._grid = Grid(RATE_HZ)

    def run(self, signals: Signals, seconds: float | None) -> None:
        """Hop until a signal or the time."""
        self._grid.start()
        began_ns = time.monotonic_ns()
        while not signals.stop:
            now_ns, _ = self._grid.wait()
            if seconds is not None and now_ns - began_ns > seconds * NS:
                return
            self._hop(now_ns / NS)

    def _hop(self, now_s: float) -> None:
        rows, stamps_s, lost = self._emg.pull()
        began_ns = time.perf_counter_ns()
        if self._emg.links != self._links:
            self._links = self._emg.links
            self._decoder.intake.reset()
        pedal = of_pedal(self._pedal.read(now_s)) if self._pedal else 0.0
        decision = self._decoder.step(rows, stamps_s, now_s, pedal, lost)
        if len(stamps_s):
            # as old as the newest EMG it was made from: the daemon's age counts from there
            newest_s = min(float(stamps_s[-1]), lsl_api.local_clock_s())
            self._outlet.push((decision.rotation,), decision.engage, newest_s)
            self._took.add((time.perf_counter_ns() - began_ns) / 1e3)
        elif decision.trouble:
            self._outlet.push((0.0,), decision.engage)
        self._count(decision, len(rows))
        if self._view:
            self._view.tell(decision, self._decoder.window, self._decoder.intake.bad)
        self._say(decision, now_s)

    def _count(self, decision: Decision, samples: int) -> None:
        self._hops, self._samples = self._hops + 1, self._samples + samples
        word = decision.reason or "turn"
        self._reasons[word] = self._reasons.get(word, 0) + 1

    def _say(self, decision: Decision, now_s: float) -> None:
        side = "left" if decision.rotation > 0 else "right"
        word = f"hold: {decision.reason}" if decision.reason else f"turn {side}"
        word += "" if decision.engage >= 0.5 else " (let go)"
        if not self._quiet and word != self._said and now_s - self._said_s >= SAY_S:
            self._said, self._said_s = word, now_s
            print(word, flush=True)

    def report(self) -> dict[str, Any]:
        """What happened, in figures."""
        return {
            "hops": self._hops,
            "missed_hops": self._grid.missed,
            "samples": self._samples,
            "gaps": self._decoder.intake.gaps,
            "hops_by_reason": self._reasons,
            "hop_us": self._took.summary(),
        }

    def close(self) -> None:
        """Let the pedal go; the intention ends with the process."""
        if self._pedal:
            self._pedal.close()
