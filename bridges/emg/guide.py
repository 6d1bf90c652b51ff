"""The course of a calibration: which prompt when, what is kept of it, what is asked again."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridges.emg.examples import Trial
from bridges.emg.intake import Intake
from bridges.emg.prompts import PROMPTS
from controller.errors import MyoloopError
from controller.messages import Array

GOOD_S: Final = 1.5  # every channel is good for so long before the first prompt
PATIENCE_S: Final = 30.0  # for that
READY_S: Final = 1.2  # to read the prompt and to react
RECORD_S: Final = 3.0
SILENT_S: Final = 1.0  # a recording may wait for samples that come late
TRIES: Final = 3  # of one prompt
REPETITIONS: Final = 4  # 84 s in all, when nothing is asked again


@dataclass(frozen=True, slots=True)
class Look:
    """What the person sees now.

    Attributes:
        prompt: what is asked, "" while the electrodes are judged.
        recording: whether it is being recorded.
        left_s: of the present phase [s].
        done: share of the whole, 0-1.
        note: why something waits or is asked again.
    """

    prompt: str
    recording: bool
    left_s: float
    done: float
    note: str


class Guide:
    """Goes through the prompts; time is an argument.

    Args:
        intake: judges the signal.
        scale: to microvolts, (channels,).
        repetitions: of all prompts.
        record_s: length of each recording [s].

    Attributes:
        trials: what was recorded.
        over: whether all is done.
    """

    def __init__(
        self, intake: Intake, scale: Array, repetitions: int, record_s: float = RECORD_S
    ) -> None:
        self.trials: list[Trial] = []
        self._intake, self._scale, self._record_s = intake, scale, record_s
        self._plan = [(k, prompt) for k in range(repetitions) for prompt in PROMPTS]
        self._rows: list[NDArray[Any]] = []
        self._began_s: float | None = None  # of the present phase
        self._good_s: float | None = None
        self._judged, self._tries, self._note = False, 1, ""
        self._gaps = intake.gaps

    @property
    def over(self) -> bool:
        """Whether every prompt is recorded."""
        return len(self.trials) == len(self._plan)

    def step(self, rows: NDArray[Any], stamps_s: Array, now_s: float, lost: str = "") -> Look:
        """Take in what arrived; say what the person should see.

        Raises:
            MyoloopError: the signal is not good enough to go on; names the channels.
        """
        self._intake.take(rows, stamps_s, now_s)
        trouble = lost or self._torn() or self._intake.trouble(now_s, SILENT_S)
        self._began_s = now_s if self._began_s is None else self._began_s
        if not self._judged:
            return self._judge(trouble, now_s)
        return self._record(rows, trouble, now_s)

    def _torn(self) -> str:
        """Whether samples were lost since the last step; what comes late is not lost."""
        torn = self._intake.gaps > self._gaps
        self._gaps = self._intake.gaps
        return "EMG samples are missing" if torn else ""

    def _judge(self, trouble: str, now_s: float) -> Look:
        assert self._began_s is not None
        if trouble:
            self._good_s = None
        elif self._good_s is None:
            self._good_s = now_s
        elif now_s - self._good_s >= GOOD_S:
            self._judged, self._began_s = True, now_s
        if now_s - self._began_s > PATIENCE_S:
            raise MyoloopError(f"the signal did not become good in {PATIENCE_S:g} s: {trouble}")
        good_s = 0.0 if self._good_s is None else now_s - self._good_s
        return Look("", False, GOOD_S - good_s, 0.0, trouble)

    def _record(self, rows: NDArray[Any], trouble: str, now_s: float) -> Look:
        assert self._began_s is not None
        repetition, prompt = self._plan[len(self.trials)]
        since_s = now_s - self._began_s - READY_S
        if since_s >= 0.0 and trouble:
            self._ask_again(prompt, trouble, now_s)
        elif since_s >= self._record_s:
            kept = np.concatenate(self._rows) * self._scale
            self.trials.append(Trial(prompt, repetition, kept))
            self._begin(now_s)
            self._tries, self._note = 1, ""
        elif since_s >= 0.0:
            self._rows.append(rows)
        recording = 0.0 <= since_s < self._record_s
        left_s = self._record_s - since_s if recording else max(-since_s, 0.0)
        return Look(prompt, recording, left_s, len(self.trials) / len(self._plan), self._note)

    def _ask_again(self, prompt: str, trouble: str, now_s: float) -> None:
        self._tries += 1
        if self._tries > TRIES:
            raise MyoloopError(f"{prompt!r} could not be recorded in {TRIES} tries: {trouble}")
        self._note = f"again, because: {trouble}"
        self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        self._rows, self._began_s = [], now_s
