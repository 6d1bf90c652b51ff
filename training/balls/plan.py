"""The curriculum of the skill ``baoding`` for analytic policy gradients, as data."""

from typing import Annotated, Literal

from msgspec import Meta

from training.curriculum import BaodingStage, Count, Plan, Positive, Settings, Share

Discount = Annotated[float, Meta(gt=0.0, lt=1.0)]


class SmoothReward(Settings, frozen=True, kw_only=True):
    """Weights; the sum is scaled as the reward of PPO is, whose critic is taken over."""

    alive: float = 1.0
    solved: float = 5.0
    """A soft step of each ball at a little less than the official 15 mm, both multiplied."""
    near: float = 1.0
    """Per ball exp(-(distance / 20 mm)^2)."""
    close: float = 1.0
    """Per ball exp(-(distance / 8 mm)^2)."""
    far: float = 0.5
    """Minus each ball's distance in units of 20 mm, up to 4 of them: a slope wherever it is."""


class Ascent(Settings, frozen=True, kw_only=True):
    """How the gradient is taken and followed."""

    steps: Annotated[int, Meta(ge=2)] = 32
    """An update is a stretch of so many control steps of every hand; gradients pass through it."""
    rate: Positive = 7e-4
    """How far an update moves each matrix of weights, in every direction of it."""
    fade_to: Positive | None = None
    """The rate fades to this, evenly in its logarithm (what is steep is overstepped at any rate
    that still gets anywhere; the small steps at the end find the bottom of it)"""
    fade_steps: Count = 1_000_000
    """over so many steps of the stage."""
    gamma: Discount = 0.98
    """What a step later counts for; 0.98 is a horizon of 1.25 s."""
    passed_back: Positive = 0.6
    """Largest gradient of a hand's return by its state that a step passes back to the one before.
    Contacts let it grow beyond all bounds in a few hands, whose noise would drown the others."""
    behind_m: Positive = 0.03
    """A ball this far from its target is as lost as one that was dropped: a hand that keeps both
    but lets the targets go has little to learn from."""
    again: Share = 0.7
    """Share of the hands that lost a ball which go back to half a second or more before that, a
    little disturbed: what a policy does there matters most, and it seldom gets there."""
    disturbed: Share = 0.2
    """Share of the hands that are disturbed a little before a stretch: what the critic says of
    states beside the policy's own path has to be learned there."""
    value_on_the_way: Annotated[float, Meta(ge=0.0)] = 0.1
    """Weight of the critic's value at each step of the stretch; at its end it counts in full."""

    def rate_at(self, stage_steps: int) -> float:
        """The rate after so many steps of the stage."""
        if self.fade_to is None:
            return self.rate
        share = min(1.0, stage_steps / self.fade_steps)
        return float(self.rate * (self.fade_to / self.rate) ** share)


class CriticFit(Settings, frozen=True, kw_only=True):
    """How the critic follows the policy: one pass over each stretch."""

    rate: Positive = 3e-4
    lam: Share = 0.95
    """Of the returns that it is fitted to."""
    batch: Count = 1024


class ModelFit(Settings, frozen=True, kw_only=True):
    """How the model of a control step is fitted, and to what."""

    hidden: Count = 512
    """Width of its two layers."""
    every: Count = 160
    """Updates between two fits: its slopes hold where the policy is, not where it was."""
    pairs: Count = 128
    """Pairs of hands that transitions are collected from; each pair starts alike and parts."""
    steps: Count = 150
    """Control steps of each of them before a fit,"""
    first_steps: Count = 1000
    """or this many when nothing is kept: at the beginning, and after a resume."""
    pool: Count = 120_000
    """Pairs of transitions that are kept, the newest."""
    batches: Count = 1000
    """Batches of a fit,"""
    first_batches: Count = 6000
    """or of the first one, which begins with random weights."""
    rate: Positive = 4e-4
    first_rate: Positive = 1e-3
    batch: Count = 512
    """Pairs of transitions in a batch."""
    left_out: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.03
    """Share of the pool, its newest, that is not learned from and tells how well the model does."""


class BallsStage(BaodingStage, frozen=True, kw_only=True):
    """One step of the curriculum."""

    reward: SmoothReward = SmoothReward()
    ascent: Ascent = Ascent()


class BallsCurriculum(Plan, frozen=True, kw_only=True):
    """The whole curriculum; a stage reads as a sentence."""

    skill: Literal["baoding"]
    learner: Literal["gradients"]
    begin_with: str
    """The checkpoint that a training begins with, of this learner or of PPO: its actor with the
    normaliser, its critic and its average are taken over."""
    stages: Annotated[list[BallsStage], Meta(min_length=1)]
    critic: tuple[Count, ...] = (256, 256)
    model: ModelFit = ModelFit()
    critic_fit: CriticFit = CriticFit()
