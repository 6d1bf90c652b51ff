"""What is trained for each skill: its curriculum and its learner."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from controller.settings import convert, load
from training.curriculum import Curriculum
from training.posture.plan import PostureCurriculum


class _Which(msgspec.Struct, frozen=True):
    """The one key of a curriculum that says what the others may be."""

    skill: Literal["baoding", "posture"]


KINDS: dict[str, type[Curriculum] | type[PostureCurriculum]] = {
    "baoding": Curriculum,
    "posture": PostureCurriculum,
}


def load_plan(path: str | Path) -> Curriculum | PostureCurriculum:
    """Read a curriculum file of any skill.

    Raises:
        SettingsError: names the key, the value and what is allowed.
    """
    return load(path, KINDS[load(path, _Which).skill])


def plan_of(checkpoint: dict[str, Any]) -> Curriculum | PostureCurriculum:
    """The curriculum that a checkpoint was learning."""
    raw, origin = checkpoint["curriculum"], "the checkpoint's curriculum"
    return convert(raw, KINDS[convert(raw, _Which, origin).skill], origin)
