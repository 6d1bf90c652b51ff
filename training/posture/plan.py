"""The curriculum of the skill ``posture`` as data."""

from typing import Annotated, Literal

from msgspec import Meta

from training.curriculum import Count, Plan, Positive, Settings, Share, StageBase, check_minibatches

Targets = Literal["digits", "postures", "synergies", "reachable", "official"]


class PostureTask(Settings, frozen=True, kw_only=True):
    """One kind of episode and its share of the batch."""

    do: Literal["hold", "change", "follow"]
    """Keep one target; a new one now and then; follow channels that swing like a sine."""
    to: Targets = "postures"
    """Where targets are drawn from: the ten digits, all named postures, blends of channels,
    measured settled postures, or the official random ranges."""
    share: Positive = 1.0
    segment_s: tuple[Positive, Positive] = (0.8, 2.0)
    """How long ``change`` keeps a target."""
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


class PostureReward(Settings, frozen=True, kw_only=True):
    """Weights of what a step earns; scaled by 0.1 / their total."""

    solved: float = 2.0
    """All joints together nearer than 0.7 rad."""
    near: float = 1.0
    """exp(-distance / 1 rad)."""
    close: float = 1.0
    """exp(-(distance / 0.35 rad)^2)."""
    effort: float = 1.0
    """Minus the mean activation, times 10."""
    restless: float = 0.2
    """Minus the mean squared joint velocity, where the target stands still."""


class Teaching(Settings, frozen=True, kw_only=True):
    """Imitation of the teacher, beside what is learned from the reward."""

    rate: Positive = 1e-3
    epochs: Count = 2
    minibatches: Count = 8


class PostureStage(StageBase, frozen=True, kw_only=True):
    """One step of the curriculum."""

    tasks: Annotated[list[PostureTask], Meta(min_length=1)]
    starts: PostureStarts = PostureStarts()
    reward: PostureReward = PostureReward()
    teacher: Teaching | None = None
    """Imitate training/posture/teacher.py in this stage."""


class PostureCurriculum(Plan, frozen=True, kw_only=True):
    """The whole curriculum; a stage reads as a sentence."""

    skill: Literal["posture"]
    stages: Annotated[list[PostureStage], Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse what can't be learned."""
        check_minibatches(self.hands, self.stages)
