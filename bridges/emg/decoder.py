"""The decoder: a hop of raw EMG in, what the person wants out. It moves only when it is sure."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridges.emg.calibration import Calibration, Model
from bridges.emg.engage import BothSides, Caution
from bridges.emg.intake import Intake
from bridges.emg.models import Reader, Reading
from bridges.emg.settings import CoContraction, EmgSettings
from controller.messages import Array

RELAX_AFTER_S: Final = 0.3  # trouble that lasts longer lets go


@dataclass(frozen=True, slots=True)
class Decision:
    """What is passed on.

    Attributes:
        rotation: the skill's channel; 0 holds.
        engage: the dead-man, 0-1.
        reason: why it holds, in words; "" for a turn.
        trouble: whether the signal itself is not to be trusted.
    """

    rotation: float
    engage: float
    reason: str
    trouble: bool


class Debounce:
    """A turn begins when its side was seen for a while; it ends at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._side, self._since_s = 0.0, 0.0

    def passes(self, rotation: float, now_s: float) -> bool:
        """Whether this rotation may be passed on."""
        side = float(np.sign(rotation))
        if side != self._side:
            self._side, self._since_s = side, now_s
        return now_s - self._since_s >= self._seconds - 1e-9


class Decoder:
    """The whole chain of one person; time is an argument, so a recording decodes as a life does.

    Args:
        calibration: of this person and these electrodes.
        model: which of its models.
        confidence: less is unsure.
        debounce_s: see Debounce.
        rule: the co-contraction that engages, or None when a pedal does.
        gap_s: see Intake.
    """

    def __init__(
        self,
        calibration: Calibration,
        model: Model,
        confidence: float,
        debounce_s: float,
        rule: CoContraction | None = None,
        gap_s: float = 0.02,
    ) -> None:
        self.intake = Intake(calibration.cut, gap_s)
        self._windows = self.intake.windows
        self._reader, self._confidence = Reader(calibration, model), confidence
        self._debounce = Debounce(debounce_s)
        self._caution = Caution(RELAX_AFTER_S)
        self._both = BothSides(calibration, rule) if rule else None

    @classmethod
    def of(cls, calibration: Calibration, settings: EmgSettings) -> "Decoder":
        """As a settings file says."""
        rule = settings.engage if isinstance(settings.engage, CoContraction) else None
        debounce_s, gap_s = settings.debounce_ms * 1e-3, settings.emg.gap_ms * 1e-3
        return cls(calibration, settings.model, settings.confidence, debounce_s, rule, gap_s)

    @property
    def window(self) -> Array:
        """The newest filtered EMG [uV], (size, channels)."""
        return self._windows.newest

    def step(
        self,
        rows: NDArray[Any],
        stamps_s: Array,
        now_s: float,
        pedal: float = 0.0,
        lost: str = "",
    ) -> Decision:
        """Decide anew.

        Args:
            rows: what arrived since the last step, in the stream's units, (n, channels).
            stamps_s: of the rows [s], (n,).
            now_s: monotonic [s].
            pedal: what the pedal says, 0-1; ignored when a co-contraction engages.
            lost: why there is no stream, "" while there is one.
        """
        self.intake.take(rows, stamps_s, now_s)
        trouble = lost or self.intake.trouble(now_s)
        ready = self._windows.ready and self.intake.judged and not trouble
        if self._both and ready:
            self._both.look(self._windows.newest, now_s)
        elif self._both and trouble:
            self._both.let_go()
        wanted = float(self._both.engaged) if self._both else pedal
        engage = self._caution.engage(wanted, bool(trouble), now_s)
        rotation, reason = self._rotation(now_s) if ready else (0.0, trouble or "settling")
        if not ready:
            self._debounce.passes(0.0, now_s)
        return Decision(rotation, engage, reason, bool(trouble))

    def _rotation(self, now_s: float) -> tuple[float, str]:
        """The rotation that is believed, and why it is 0."""
        reading = self._reader.read(self._windows.newest)
        reason = self._doubt(reading)
        wanted = 0.0 if reason else reading.rotation
        if not self._debounce.passes(wanted, now_s):
            return 0.0, reason or "debouncing"
        return wanted, reason

    def _doubt(self, reading: Reading) -> str:
        """Rest first, whatever the model says; then whether to believe the model."""
        if reading.resting or reading.rotation == 0.0:
            return "rest"
        if self._both and self._both.active:
            return "both sides"
        if reading.distance > 1.0:
            return "unsure: unlike the calibration"
        if reading.confidence < self._confidence:
            return "unsure: two turns look alike"
        return ""
