"""The posture story as data, and how it and a hand alone are shown."""

import numpy as np
import pytest

from bridges import dashboard, strip
from bridges.dashboard import View
from bridges.demo import STAGES, _success
from bridges.simulated_intention import duration_s, scene_at
from bridges.simulated_posture import LABELS, STORY
from controller import data
from controller.board import RECORD
from controller.session import load_session
from controller.skills import posture
from controller.supervisor.states import State


def record(**channels: float) -> np.ndarray:
    made = np.zeros((), RECORD)
    made["state"], made["channels"], made["engage"] = State.ACTIVE, len(LABELS), 1.0
    for name, value in channels.items():
        made["intention"][LABELS.index(name)] = value
    return made


def test_the_story_counts_from_zero_to_nine_and_begins_let_go():
    assert STORY[0].engage == 0.0
    counted = [scene.wish["posture"] - 1 for scene in STORY if "posture" in scene.wish]
    assert counted == list(range(10))
    names = list(posture.table().postures)
    assert [names[int(digit)] for digit in counted] == [f"digit_{d}" for d in range(10)]


def test_every_wish_is_within_its_channel():
    for scene in STORY:
        for channel, value in zip(posture.CHANNELS, scene.values(), strict=True):
            assert channel.low <= value <= channel.high, (scene.name, channel.label)


def test_scenes_follow_each_other_until_the_end():
    assert scene_at(STORY, 0.0) is STORY[0]
    assert scene_at(STORY, duration_s(STORY) - 0.01) is STORY[-1]
    assert scene_at(STORY, duration_s(STORY)) is None


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({}, "open"),
        ({"posture": 4.0, "grip": 0.3}, "digit 3"),
        ({"grip": 0.5, "wrist_flexion": -0.8}, "grip 0.50, wrist flexion -0.80"),
        ({"posture": 30.0}, "open"),
        ({"posture": float("nan"), "point": 1.0}, "point 1.00"),
    ],
)
def test_a_wish_is_told_in_words(wish, said):
    assert posture.said(record(**wish)["intention"][: len(LABELS)]) == said


def test_a_hand_alone_is_shown_by_what_is_asked_of_it():
    tick = record(posture=8.0)
    line = dashboard.line(View(tick, posture, 1.0, 50.0, 0, 0.0))
    assert "digit 7" in line and "on its way" in line and "mm" not in line
    tick["solved"] = 1
    assert "solved" in dashboard.line(View(tick, posture, 1.0, 50.0, 0, 0.0))
    assert strip.draw(tick, posture, 1.0, 640).shape == (strip.HEIGHT, 640, 3)
    dashboard.screen(View(tick, posture, 1.0, 50.0, 0, 0.0))


def test_the_demo_has_a_session_for_each_skill():
    for skill, stage in STAGES.items():
        assert load_session(data.find(stage.session)).skill == skill


def test_the_summary_tells_of_joints_where_there_are_no_balls():
    task = {"solved_fraction": 0.8, "drops": 0, "error_mm": {"p50": None}}
    assert (
        _success(task, posture) == "all joints together within 0.7 rad on 80% of the working ticks"
    )
