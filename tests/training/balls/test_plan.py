from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller import data
from controller.errors import SettingsError
from training.balls.plan import Ascent
from training.curriculum import Curriculum
from training.skills import load_plan


def test_without_a_learner_it_is_ppo() -> None:
    assert isinstance(load_plan(data.find("configs/curriculum/baoding.yaml")), Curriculum)


BAD = [
    ({}, {"learner": "sarsa"}, "learner: invalid enum value 'sarsa'"),
    ({}, {"wobble": 1}, "wobble: unknown key; allowed: hands, seed"),
    ({}, {"model": {"every": 0}}, r"model\.every: .*>= 1 \(is 0\)"),
    ({"balls": 1.5}, {}, r"stages\[0\]\.balls: .*<= 1\.0 \(is 1\.5\)"),
    ({"ascent": {"steps": 1}}, {}, r"stages\[0\]\.ascent\.steps: .*>= 2 \(is 1\)"),
    ({"ascent": {"gamma": 1.0}}, {}, r"stages\[0\]\.ascent\.gamma"),
    ({"noise": {"sigma": 0.1}}, {}, r"stages\[0\]\.noise: unknown key; allowed: "),
]


@pytest.mark.parametrize(("stage", "top", "message"), BAD, ids=[message for _, _, message in BAD])
def test_a_bad_value_is_named(
    write: Callable[..., Path], stage: dict[str, Any], top: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        load_plan(write(stage, **top))
    assert "\n" not in str(refused.value)


def test_the_rate_fades_evenly_in_its_logarithm() -> None:
    ascent = Ascent(rate=4e-4, fade_to=1e-4, fade_steps=1000)
    rates = [ascent.rate_at(steps) for steps in (0, 500, 1000, 5000)]
    assert rates == pytest.approx([4e-4, 2e-4, 1e-4, 1e-4])
    assert Ascent(rate=4e-4).rate_at(10**9) == 4e-4
