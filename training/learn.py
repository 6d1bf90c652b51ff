"""Learning on a curriculum: learn, score, promote, and survive being killed."""

import io
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import torch

from controller.errors import ContractError
from training.score import Score

CHECKPOINT_VERSION: Final = 2
STALLED: Final = 5_000_000  # steps of a stage without a better score: something has to change
AVERAGING: Final = 0.97  # of the weights, at each update: the last 30 updates or so


@dataclass
class Progress:
    """Where training is; saved with every checkpoint."""

    stage: int = 0
    streak: int = 0
    steps: int = 0
    stage_steps: int = 0
    seconds: float = 0.0
    best: float = -1.0
    best_at: int = 0
    """``steps`` at the best score of this stage."""
    updates: int = 0
    discarded: int = 0
    next_evaluation: int = 0
    finished: bool = False


@dataclass
class Report:
    """What one update did, for the display and the log."""

    progress: Progress
    steps_per_s: float
    solved: float
    drops: int
    error: float
    losses: dict[str, float]
    scores: list[Score] = field(default_factory=list)
    promoted: bool = False
    problem: str = ""


class Learner(ABC):
    """Learns a curriculum stage by stage; ``updates`` yields after each update.

    How it learns, and what of a skill, is said by who extends it, below "of each learner".

    Attributes:
        curriculum: a Plan with stages of the skill's own kind.
        folder: where checkpoints and the curve go.
        progress: where it is.
        average: running mean of what is learned; it becomes the policy.
    """

    average: Any

    def __init__(self, curriculum: Any, folder: Path, threads: int = 2) -> None:
        self.curriculum, self.folder, self._threads = curriculum, folder, threads
        self.progress = Progress()
        self._hands: dict[str, Any] = {}
        self._scores: list[dict[str, Any]] = []  # of the last evaluation
        torch.manual_seed(curriculum.seed)

    # --- of each learner -----------------------------------------------------------

    @abstractmethod
    def _make_hands(self, count: int, physics: str) -> Any:
        """A batch of the skill's hands."""

    @abstractmethod
    def _enter_stage(self) -> None:
        """Make hands and tasks of the present stage."""

    @abstractmethod
    def _retune(self) -> None:
        """Let what learns follow the settings of the present stage."""

    @abstractmethod
    def _update(self) -> Report:
        """One update."""

    @abstractmethod
    def _score(self, hands: Any, stage: Any) -> list[Score]:
        """Deterministic scores of the average, the last row for all."""

    @abstractmethod
    def _settings(self) -> dict[str, float]:
        """What the curve tells of how it learns now, by name."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """All that the learner remembers, for a checkpoint; ``average_state_dict`` in it."""

    @abstractmethod
    def _restore(self, state: dict[str, Any]) -> None:
        """Take up what ``_state`` gave.

        Raises:
            KeyError, RuntimeError, ValueError: of another network.
        """

    def _reached(self, state: dict[str, Any]) -> Progress:
        """Where a checkpoint is on this learner's curriculum."""
        return Progress(**{"best_at": state["progress"]["steps"], **state["progress"]})

    # --- learning ------------------------------------------------------------------

    @property
    def _stage(self) -> Any:
        return self.curriculum.stages[self.progress.stage]

    @property
    def _seed(self) -> int:
        """Of the stage's tasks."""
        seed: int = self.curriculum.seed * 1_000_003 + self.progress.updates
        return seed

    def _batch(self, purpose: str, count: int, physics: str) -> Any:
        """One batch for each purpose and physics; made when first needed."""
        key = f"{purpose} {physics}"
        if key not in self._hands:
            self._hands[key] = self._make_hands(count, physics)
        return self._hands[key]

    def updates(self) -> Iterator[Report]:
        """Learn until the last stage is passed; yield after every update."""
        self._retune()
        while not self.progress.finished:
            report = self._update()
            if self.progress.steps >= self.progress.next_evaluation:
                self._score_and_save(report)
            yield report

    def _score_and_save(self, report: Report) -> None:
        began = time.monotonic()
        try:
            self._evaluate(report)
            self.progress.seconds += time.monotonic() - began
            self.save("checkpoint.pt")
        except OSError as error:  # a full disk: go on, what was written before is whole
            report.problem += f"  NOT SAVED: {error.strerror} ({self.folder})"

    def _count(self, steps: int, took_s: float) -> float:
        """Enter an update; returns its steps per second."""
        progress = self.progress
        progress.updates += 1
        progress.steps += steps
        progress.stage_steps += steps
        progress.seconds += took_s
        return steps / took_s

    @torch.no_grad()
    def _follow(self, learned: torch.nn.Module) -> None:
        """Let the average follow: updates jitter round what is good, their mean does not."""
        for mean, value in zip(self.average.parameters(), learned.parameters(), strict=True):
            mean.lerp_(value, 1.0 - AVERAGING)
        for kept, new in zip(self.average.buffers(), learned.buffers(), strict=True):
            kept.copy_(new)  # an observation's normaliser is an average already

    def _discarded(self, wrong: str) -> str:
        """Count an update that was taken back because of ``wrong``; says so."""
        self.progress.discarded += 1
        number = self.progress.updates + 1
        return f"  UPDATE {number} TAKEN BACK: {wrong} is not finite; {self._kept()}"

    def _kept(self) -> str:
        """The last good checkpoint, in words."""
        saved = self.folder / "checkpoint.pt"
        if not saved.exists():
            return "no checkpoint is written yet, learning goes on from the update before"
        return f"learning goes on from the update before, the last good checkpoint is {saved}"

    def _evaluate(self, report: Report) -> None:
        curriculum, progress = self.curriculum, self.progress
        stage = self._stage
        hands = self._batch("score", curriculum.evaluation_episodes, stage.physics)
        report.scores = self._score(hands, stage)
        self._scores = [asdict(row) for row in report.scores]
        total = report.scores[-1].solved
        progress.streak = progress.streak + 1 if total >= stage.promote.solved else 0
        progress.next_evaluation = progress.steps + curriculum.evaluate_every
        if total > progress.best:
            self.save("best.pt")
            # only once it is there: the disk may be full
            progress.best, progress.best_at = total, progress.steps
        elif progress.steps - progress.best_at >= STALLED:
            report.problem += (
                f"  STALLED: stage {progress.stage + 1} ({stage.name}) has been at "
                f"{progress.best:.3f} for {(progress.steps - progress.best_at) / 1e6:.1f} M steps; "
                f"it asks for {stage.promote.solved:g}: change the stage"
            )
        self._log(report)
        if progress.streak >= stage.promote.times:
            report.promoted = True
            self._promote()

    def _promote(self) -> None:
        progress = self.progress
        self.save(f"passed-{progress.stage:02d}.pt")
        if progress.stage + 1 == len(self.curriculum.stages):
            progress.finished = True
            return
        self._next_stage()
        self._enter_stage()
        self._retune()

    def _next_stage(self) -> None:
        progress = self.progress
        progress.stage += 1
        progress.streak, progress.stage_steps = 0, 0
        progress.best, progress.best_at = -1.0, progress.steps

    def _log(self, report: Report) -> None:
        line = {
            **asdict(report.progress),
            "stage_name": self._stage.name,
            **self._settings(),
            "steps_per_s": report.steps_per_s,
            "explored_solved": report.solved,
            "scores": self._scores,
        }
        with (self.folder / "curve.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    # --- checkpoints ---------------------------------------------------------------

    def save(self, name: str) -> None:
        """Write a checkpoint whole or not at all."""
        state = {
            "version": CHECKPOINT_VERSION,
            "curriculum": msgspec.to_builtins(self.curriculum),
            "progress": asdict(self.progress),
            "scores": self._scores,
            **self._state(),
        }
        target, part = self.folder / name, self.folder / f".{name}.part"
        whole = io.BytesIO()
        torch.save(state, whole)
        try:
            part.write_bytes(whole.getvalue())
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)

    def resume(self, path: Path) -> None:
        """Go on where a checkpoint was written: networks, optimiser, curriculum, random state.

        Raises:
            ContractError: a checkpoint of another version, or of networks of another size.
        """
        state = load_checkpoint(path)
        self.progress = self._reached(state)
        last = len(self.curriculum.stages) - 1
        if self.progress.finished and self.progress.stage < last:  # the curriculum has grown
            self.progress.finished = False
            self._next_stage()
        self.progress.stage = min(self.progress.stage, last)
        self._enter_stage()
        try:
            self._restore(state)
        except (KeyError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ContractError(f"{path}: does not fit this curriculum: {reason}") from None
        self._scores = state["scores"]


def hands_broke(count: int, what: str) -> str:
    """Hands whose physics broke, in words."""
    return f"  {count} HANDS BROKE: {what}, started anew"


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, without running any code that it may hold.

    Raises:
        ContractError: no such file, not a checkpoint, or one of another version.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise ContractError(f"{path}: no such checkpoint") from None
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ContractError(f"{path}: not a checkpoint: {reason}") from None
    version = state.get("version") if isinstance(state, dict) else None
    if version != CHECKPOINT_VERSION:
        raise ContractError(f"{path}: checkpoint version {version!r}, this is {CHECKPOINT_VERSION}")
    return state
