"""What is trained: for each skill and learner, its curriculum."""

from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from controller.settings import convert, load
from training.balls.plan import BallsCurriculum
from training.curriculum import Curriculum
from training.posture.plan import PostureCurriculum

AnyCurriculum: TypeAlias = Curriculum | BallsCurriculum | PostureCurriculum


class _Which(msgspec.Struct, frozen=True):
    """The two keys of a curriculum that say what the others may be."""

    skill: Literal["baoding", "posture"]
    learner: Literal["gradients"] | None = None
    """None: recurrent PPO for Baoding, gradients through the muscles for postures."""

    @property
    def kind(self) -> type[AnyCurriculum]:
        """The class of the whole curriculum."""
        if self.skill == "posture":
            return PostureCurriculum
        return BallsCurriculum if self.learner == "gradients" else Curriculum


def load_plan(path: str | Path) -> AnyCurriculum:
    """Read a curriculum file of any skill.

    Raises:
        SettingsError: names the key, the value and what is allowed.
    """
    return load(path, load(path, _Which).kind)


def plan_of(checkpoint: dict[str, Any]) -> AnyCurriculum:
    """The curriculum that a checkpoint was learning."""
    raw, origin = checkpoint["curriculum"], "the checkpoint's curriculum"
    return convert(raw, convert(raw, _Which, origin).kind, origin)
