"""The curriculum of the skill ``posture`` as data."""

from typing import Annotated, Literal

from msgspec import Meta

from training.curriculum import Plan, Positive, Settings, Share, StageBase

Targets = Literal["digits", "postures", "synergies", "reachable", "official"]


class PostureTask(Settings, frozen=True, kw_only=True):
    """One kind of episode and its share of the batch."""

    do: Literal["hold", "change", "follow"]
    """Keep one target; a new one now and then; follow channels that swing like a sine."""
    to: Targets = "postures"
    """Where targets are drawn from: the ten digits, all named postures, blends of channels,
    measured settled postures, or the official random ranges."""
    share: Positive = 1.0
    segment_s: tuple[Positive, Positive] = (1.5, 1.5)
    """How long ``change`` keeps a target."""
    settle_s: Annotated[float, Meta(ge=0.0)] = 0.9
    """So soon after a change nothing counts yet, unless the target moves all the time."""
    hz: tuple[Positive, Positive] = (0.2, 0.6)
    """Of the swing of ``follow``."""


class PostureStarts(Settings, frozen=True, kw_only=True):
    """How episodes begin: from the rest a posture is drawn as the first target's is."""

    neutral: Share = 0.4
    """Share that begins with all joints at 0, as ``myoHandPose0Fixed-v0`` do."""
    random: Share = 0.1
    """Share that begins anywhere in the joints' ranges, as ``myoHandPoseRandom-v0`` does."""
    joint_noise_rad: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.05
    focus: Share = 0.0
    """Of named targets, the share drawn where they are missed."""


class PostureCost(Settings, frozen=True, kw_only=True):
    """Weights of what a step costs."""

    missed: float = 1.0
    """A soft step from 0 to 1 at the official limit of 0.7 rad."""
    distance: float = 0.1
    """Distance over all joints together [1/rad]."""
    effort: float = 0.5
    """Mean squared excitation."""


class Descent(Settings, frozen=True, kw_only=True):
    """How the gradient is taken and followed."""

    rate: Annotated[float, Meta(ge=0.0)] = 1.5e-3
    """How far an update moves the weights of the aim, all together, besides its momentum. At 0
    only the ways are learned, in a third of the time."""
    stretch_s: Positive = 1.5
    """Gradients pass through so much time; an update is one such stretch of every hand."""
    passed_back: Positive = 0.5
    """Largest gradient of a hand's cost by its state that a step passes back to the one before.
    Muscles that pull against each other let it grow beyond all bounds in a few hands, whose
    noise would drown the others."""
    explore: Share = 0.3
    """Share of the ways to new targets that are chosen by chance."""
    afresh: Share = 0.15
    """Share of the hands that start anew at an update; those that hold all do."""


class PostureStage(StageBase, frozen=True, kw_only=True):
    """One step of the curriculum."""

    tasks: Annotated[list[PostureTask], Meta(min_length=1)]
    starts: PostureStarts = PostureStarts()
    cost: PostureCost = PostureCost()
    descent: Descent = Descent()


class PostureCurriculum(Plan, frozen=True, kw_only=True):
    """The whole curriculum; a stage reads as a sentence."""

    skill: Literal["posture"]
    stages: Annotated[list[PostureStage], Meta(min_length=1)]
