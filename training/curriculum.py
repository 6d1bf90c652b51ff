"""A curriculum as data: stages of tasks, starts, noise, rewards and a promotion rule."""

from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from controller.skills import baoding

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Count = Annotated[int, Meta(ge=1)]
FASTEST_PERIOD_S: Final = 2 * np.pi / baoding.FASTEST_RATE_RAD_S


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base: unknown keys are refused, values are fixed once read."""


class Task(Settings, frozen=True):
    """One kind of episode and its share of the batch."""

    do: Literal["hold", "jump", "rotate", "profile"]
    share: Positive = 1.0
    period_s: tuple[Positive, Positive] = (20.0, 40.0)
    """Range of the time of one turn; for ``profile`` the first is the fastest."""
    direction: Literal["both", "cw", "ccw"] = "both"
    segment_s: tuple[Positive, Positive] = (1.0, 4.0)
    """How long a ``profile`` keeps a speed, or a ``jump`` its targets."""
    jump_rad: Annotated[float, Meta(ge=0.0, le=3.1416)] = 0.5
    """The furthest that the targets of ``jump`` leap at once."""

    def __post_init__(self) -> None:
        """Refuse what can't be drawn: msgspec names the task in the error."""
        for name, (low, high) in (("period_s", self.period_s), ("segment_s", self.segment_s)):
            if low > high:
                raise ValueError(f"{name}: [{low:g}, {high:g}]: the smaller one comes first")
        if self.period_s[0] < FASTEST_PERIOD_S:
            raise ValueError(
                f"period_s: {self.period_s[0]:g} s is faster than the skill's "
                f"{FASTEST_PERIOD_S:g} s"
            )


class Starts(Settings, frozen=True):
    """How episodes begin."""

    on_targets: Share = 1.0
    """Share of episodes whose balls are placed on their targets, at a random phase."""
    focus: Share = 0.0
    """Of those, and of starts ``anywhere``, the share whose phase is drawn where episodes fail
    (training/focus.py)."""
    classic: Share = 0.5
    """Of the official starts, the share at the classic angle (3 pi/4), else at pi/4."""
    anywhere: Share = 0.0
    """Of the official starts, the share whose targets are anywhere on the orbit, as in P2."""
    swapped: Share = 0.0
    """Of those that are not, the share at which the balls have changed places, which are alike:
    the targets are half a turn on, and half the orbit begins as well known as the other."""
    joint_noise_rad: Annotated[float, Meta(ge=0.0, le=0.3)] = 0.03
    ball_noise_m: Annotated[float, Meta(ge=0.0, le=0.01)] = 0.002
    orbits: Share = 0.0
    """How much of the official P2's range of orbit radii is drawn; 0: P1's orbit."""
    usual_orbits: Share = 0.0
    """Share of the episodes with P1's balls that have P1's orbit all the same."""


class Noise(Settings, frozen=True):
    """Exploration: standard deviation of the action and its first-order correlation."""

    sigma: Annotated[float, Meta(gt=0.0, le=1.0)]
    correlation: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.7
    fade_to: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    """The standard deviation fades to this (noise is muscle tone: the policy leans on it)"""
    fade_steps: Count = 1_000_000
    """over so many steps of the stage."""

    def sigma_at(self, stage_steps: int) -> float:
        """The standard deviation after so many steps of the stage."""
        if self.fade_to is None:
            return self.sigma
        share = min(1.0, stage_steps / self.fade_steps)
        return self.sigma + share * (self.fade_to - self.sigma)


class Reward(Settings, frozen=True):
    """Weights; the sum is scaled by 0.1 / (their total) so that values stay near 10."""

    alive: float = 1.0
    solved: float = 5.0
    near: float = 1.0
    """Per ball exp(-(distance / 20 mm)^2)."""
    close: float = 1.0
    """Per ball exp(-(distance / 8 mm)^2)."""
    effort: float = 0.0
    """Minus the mean activation."""


class Learning(Settings, frozen=True):
    """One update of recurrent PPO."""

    steps: Count = 32
    epochs: Count = 4
    minibatches: Count = 4
    kl: Positive = 0.02
    critic_rate: Positive = 5e-4
    """The critic's own learning rate; the actor's adapts to ``kl``."""
    gamma: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.99
    lam: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.95


class Promotion(Settings, frozen=True):
    """Go on when the deterministic score reaches this, that many evaluations in a row."""

    solved: Share
    times: Count = 2


class StageBase(Settings, frozen=True):
    """What a step of every skill's curriculum has."""

    name: str
    promote: Promotion
    physics: Literal["coarse", "official"] = "coarse"
    episode_s: Positive = 5.0


class BaodingStage(StageBase, frozen=True, kw_only=True):
    """What a step of a curriculum of Baoding has, whatever learns."""

    tasks: Annotated[list[Task], Meta(min_length=1)]
    starts: Starts = Starts()
    balls: Share = 0.0
    """How much of the official P2's range of mass, size and friction; 0: P1's balls."""
    usual_balls: Share = 0.0
    """Share of the hands that have P1's balls all the same."""
    drop_height_m: Annotated[float, Meta(ge=1.2, le=1.4)] = 1.30


class Stage(BaodingStage, frozen=True, kw_only=True):
    """One step of the curriculum."""

    noise: Noise
    learning: Learning = Learning()
    reward: Reward = Reward()
    stray_m: Annotated[float, Meta(gt=0.015, le=1.0)] = 1.0
    """A ball further than this from its target ends an episode of training."""
    keep_earlier: Share = 0.0
    """Share of the batch that goes on with the tasks of the stages before."""


class Plan(Settings, frozen=True):
    """What every skill's curriculum has."""

    hands: Count = 192
    seed: int = 0
    evaluate_every: Count = 400_000
    """Steps between two deterministic evaluations."""
    evaluation_episodes: Count = 200
    hidden: Count = 128
    """Width of the learned network's layers."""


class Curriculum(Plan, frozen=True, kw_only=True):
    """The whole curriculum of Baoding; a stage reads as a sentence."""

    skill: Literal["baoding"]
    stages: Annotated[list[Stage], Meta(min_length=1)]
    critic: tuple[Count, ...] = (256, 256)
    first_rate: Positive = 3e-4
    """Where the actor's learning rate starts."""
    first_action: Annotated[float, Meta(ge=-1.0, le=1.0)] = -0.4
    """Mean action of the untrained actor: a nearly passive hand keeps the balls longest
    (``python -m training.tone`` prints how long)."""

    def __post_init__(self) -> None:
        """Refuse what can't be learned: msgspec names the place in the error."""
        for stage in self.stages:
            if self.hands % stage.learning.minibatches:
                raise ValueError(
                    f"stage {stage.name!r}: learning.minibatches: {stage.learning.minibatches} "
                    f"do not divide the {self.hands} hands; a minibatch is of whole hands"
                )

    def mix(self, index: int) -> list[Task]:
        """The tasks of stage ``index`` with the share of earlier stages added, shares to 1."""
        stage = self.stages[index]
        own = _scaled(stage.tasks, 1.0 - stage.keep_earlier if index else 1.0)
        earlier = [task for before in self.stages[:index] for task in before.tasks]
        return own + _scaled(earlier, stage.keep_earlier) if earlier else own


def _scaled(tasks: list[Task], total: float) -> list[Task]:
    whole = sum(task.share for task in tasks)
    return [msgspec.structs.replace(t, share=total * t.share / whole) for t in tasks if total > 0]
