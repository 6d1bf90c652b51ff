"""The course of a calibration, without a clock."""

import msgspec
import numpy as np
import pytest
from rich.console import Console

from bridges.emg.calibration import Cut
from bridges.emg.calibration_screen import open_screen, panels, print_verdict
from bridges.emg.fit import fit
from bridges.emg.guide import PATIENCE_S, Guide, Look
from bridges.emg.intake import Intake
from bridges.emg.prompts import PROMPTS, marker, prompt_of
from bridges.emg.simulated import Forearm, activation
from controller.errors import MyoloopError


def course(cut: Cut, repetitions: int = 2) -> tuple[Guide, Intake]:
    intake = Intake(cut)
    return Guide(intake, np.ones(8), repetitions, record_s=0.6), intake


def follow(guide: Guide, forearm: Forearm, limit_s: float = 60.0) -> tuple[list[Look], float]:
    """Do what is asked, 50 times a second, until the end."""
    looks, wish, time_s = [], 0.0, 0.0
    while not guide.over and time_s < limit_s:
        time_s += 0.02
        block = forearm.block(activation(wish), 20)
        looks.append(guide.step(block.rows, block.times_s, time_s))
        wish = PROMPTS[looks[-1].prompt][1] if looks[-1].prompt else 0.0
    return looks, time_s


def test_it_asks_for_everything_in_less_than_two_minutes_and_the_result_is_good(cut):
    guide, _ = course(cut, repetitions=4)
    looks, _ = follow(guide, Forearm(6))
    assert [trial.prompt for trial in guide.trials] == list(PROMPTS) * 4
    assert looks[0].prompt == ""
    assert fit(guide.trials, cut).verdict.good_enough("lda")


def test_the_default_course_is_short_enough(cut):
    from bridges.emg.guide import GOOD_S, READY_S, RECORD_S, REPETITIONS

    assert GOOD_S + REPETITIONS * len(PROMPTS) * (READY_S + RECORD_S) < 120.0


def test_bad_electrodes_are_named_and_waited_for(cut):
    guide, intake = course(cut)
    with pytest.raises(MyoloopError, match="emg6 dead"):
        follow(guide, Forearm(6, "dead"), limit_s=PATIENCE_S + 5)
    assert intake.bad[5] == "dead"
    assert not guide.trials


def test_a_prompt_that_went_wrong_is_asked_again_and_given_up_after_three_tries(cut):
    guide, _ = course(cut)
    with pytest.raises(MyoloopError, match=r"in 3 tries: emg6 lifted|in 3 tries: emg6 mains hum"):
        follow(guide, Forearm(6, "lifted", fault_from_s=5.0))


def test_a_gap_in_a_recording_is_asked_again(cut):
    guide, _ = course(cut)
    looks, _ = follow(guide, Forearm(6, "gaps", fault_from_s=1.0))
    assert any("missing" in look.note for look in looks)


def test_prompts_travel_as_markers():
    for prompt in PROMPTS:
        assert prompt_of(marker(prompt)) == prompt
    for text in ("", "rest", "[]", "{}", '{"prompt": "jump"}'):
        assert prompt_of(text) == ""


def drawn(content) -> str:
    console = Console(width=100, force_terminal=False)
    with console.capture() as captured:
        console.print(content)
    return captured.get()


def test_the_screen_names_the_prompt_and_the_bad_channel():
    look = Look("turn left", True, 2.0, 0.4, "")
    bad = [""] * 7 + ["dead"]
    labels = [f"emg{k}" for k in range(1, 9)]
    text = drawn(panels(look, labels, np.random.default_rng(0).normal(0, 50, (150, 8)), bad))
    assert "TURN LEFT" in text
    assert "hold it, 2.0 s" in text
    assert "dead" in next(line for line in text.splitlines() if "emg8" in line)
    assert text.count("good") == 7


def test_in_a_log_each_prompt_is_one_line():
    console = Console(width=100, force_terminal=False)
    with console.capture() as captured, open_screen(["a"], console) as screen:
        for left_s in (3.0, 2.0):
            screen.show(Look("rest", True, left_s, 0.0, ""), np.zeros((1, 1)), [""])
    assert captured.get() == "  0%  rest\n"


def test_of_many_channels_the_bad_ones_are_shown():
    labels, bad = [f"e{k}" for k in range(64)], [""] * 64
    bad[50] = bad[60] = "mains hum"
    text = drawn(panels(Look("rest", True, 2.0, 0.4, ""), labels, np.ones((9, 64)), bad))
    assert len(text.splitlines()) <= 24
    assert text.count("● mains hum") == 2
    assert "e60" in text and "and 52 more, 0 of them bad" in text
    assert "mains hum: look after the reference electrode" in text


def test_the_verdict_is_shown_as_a_matrix_with_what_is_wrong_and_what_helps(calibration):
    reasons = {"lda": [], "logistic": ["only 55% of 'left'"], "ridge": []}
    verdict = msgspec.structs.replace(calibration.verdict, reasons=reasons)
    console = Console(width=100, force_terminal=False)
    with console.capture() as captured:
        print_verdict(verdict, "logistic", console)
    text = captured.get()
    assert "found left" in text and "R²" in text
    assert "lda is good enough" in text
    assert "logistic, which the configuration asks for, is NOT good enough" in text
    assert "only 55% of 'left'" in text
