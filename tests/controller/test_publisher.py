"""How a goal is laid out on the board."""

from dataclasses import dataclass

import numpy as np
import pytest

from controller.publisher import GoalRow


@dataclass(frozen=True)
class Near:
    angle: object
    radius: np.ndarray


@dataclass(frozen=True)
class Far:
    matrix: np.ndarray


@pytest.mark.parametrize("angle", [1.0, np.float64(1.0), np.array(1.0)])
def test_the_fields_stand_one_after_the_other(angle):
    out = np.full(5, 9.0)
    assert GoalRow(out).enter(Near(angle, np.array([2.0, 3.0]))) == 3
    assert out.tolist() == [1.0, 2.0, 3.0, 9.0, 9.0]


def test_each_goal_is_written_anew_also_one_of_another_kind():
    out = np.zeros(5)
    row = GoalRow(out)
    for angle in (1.0, 4.0):
        row.enter(Near(angle, np.array([2.0, 3.0])))
        assert out[0] == angle
    assert row.enter(Far(np.arange(4.0).reshape(2, 2))) == 4
    assert out[:4].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_what_does_not_fit_is_left_out():
    out = np.zeros(2)
    assert GoalRow(out).enter(Near(1.0, np.array([2.0, 3.0]))) == 1
    assert out.tolist() == [1.0, 0.0]
