"""The decoder as a whole, on simulated signal and without a clock: it moves only when sure."""

from collections.abc import Iterator

import numpy as np
import pytest

from bridges.emg.decoder import Debounce, Decision, Decoder
from bridges.emg.engage import Caution, of_pedal
from bridges.emg.settings import CoContraction
from bridges.emg.simulated import Forearm, activation
from controller.messages import Intention

HOP = 10
START_S = 100.0


def live(
    decoder: Decoder, wishes, fault="none", fault_from_s: float = 0.0, seed: int = 5, pedal=1.0
) -> Iterator[tuple[float, Decision]]:
    """Wishes are (seconds, rotation, both); yields the time since the start and each decision."""
    forearm, hops = Forearm(seed, fault, fault_from_s), 0
    for seconds, rotation, both in wishes:
        for _ in range(round(seconds * 100)):
            block = forearm.block(activation(rotation, both), HOP)
            hops += 1
            time_s = hops * 0.01
            yield (
                time_s,
                decoder.step(block.rows, START_S + block.times_s, START_S + time_s, pedal),
            )


@pytest.fixture(params=["lda", "logistic", "ridge"])
def decoder(request, calibration) -> Decoder:
    return Decoder(calibration, request.param, confidence=0.8, debounce_s=0.04)


def test_it_turns_as_is_wished_and_rests_in_between(decoder):
    story = [(1.0, 0.0, 0.0), (1.5, 0.1, 0.0), (1.0, 0.0, 0.0), (1.5, -0.1, 0.0)]
    found = list(live(decoder, story))
    late = {t: d.rotation for t, d in found}
    assert not any(d.rotation for t, d in found if t < 1.0 or 2.9 < t < 3.5)
    assert np.mean([late[t] > 0 for t in late if 1.5 < t < 2.5]) > 0.8
    assert np.mean([late[t] < 0 for t in late if 4.0 < t < 5.0]) > 0.8
    assert not any(d.rotation < 0 for t, d in found if t < 3.5)
    assert all(d.engage == 1.0 for _, d in found if _ > 0.1)


@pytest.mark.parametrize("fault", ["lifted", "dead", "saturated", "hum", "not finite"])
def test_a_bad_electrode_never_moves_holds_and_lets_go(calibration, fault):
    decoder = Decoder(calibration, "lda", 0.8, 0.04)
    found = list(live(decoder, [(3.0, 0.0, 0.0)], fault, fault_from_s=1.0))
    assert not any(d.rotation for _, d in found)
    assert all(d.engage == 1.0 for t, d in found if 0.1 < t < 1.0)
    assert all(d.engage == 0.0 for t, d in found if t > 2.0)
    assert fault.replace("hum", "mains hum") in found[-1][1].reason


@pytest.mark.parametrize("fault", ["dead", "saturated", "not finite"])
def test_a_turn_ends_when_an_electrode_fails(calibration, fault):
    decoder = Decoder(calibration, "lda", 0.8, 0.04)
    found = list(live(decoder, [(3.0, 0.1, 0.0)], fault, fault_from_s=1.5))
    assert any(d.rotation > 0 for t, d in found if t < 1.5)
    assert not any(d.rotation for t, d in found if t > 2.0)
    assert found[-1][1].engage == 0.0


def test_one_bad_number_does_not_silence_it_for_good(calibration):
    decoder, forearm = Decoder(calibration, "lda", 0.8, 0.04), Forearm(5)
    turning = []
    for hop in range(1, 301):
        block = forearm.block(activation(0.1), HOP)
        if hop == 100:
            block.rows[3, 2] = np.nan
        now_s = START_S + hop * 0.01
        turning.append(decoder.step(block.rows, START_S + block.times_s, now_s, 1.0).rotation)
    assert np.mean(np.array(turning[50:99]) > 0) > 0.8
    assert not any(turning[100:110])
    assert np.mean(np.array(turning[220:]) > 0) > 0.8


def test_a_gap_holds_until_the_window_is_full_again(calibration):
    decoder, forearm, rotations = Decoder(calibration, "lda", 0.8, 0.04), Forearm(5), []
    for hop in range(1, 201):
        block = forearm.block(activation(0.1), HOP)
        now_s = START_S + hop * 0.01
        lost = 100 <= hop < 105  # shorter than any silence that would be noticed
        rows, times = (block.rows[:0], block.times_s[:0]) if lost else (block.rows, block.times_s)
        rotations.append(decoder.step(rows, START_S + times, now_s, 1.0).rotation)
    assert decoder.intake.gaps == 1
    assert not any(rotations[104:150])
    assert np.mean(np.array(rotations[165:]) > 0) > 0.8


def test_samples_that_are_missing_one_by_one_are_noticed(calibration):
    decoder, forearm = Decoder(calibration, "lda", 0.8, 0.0), Forearm(5)
    for hop in range(1, 301):
        block = forearm.block(activation(0.1), HOP)
        now_s = START_S + hop * 0.01
        found = decoder.step(block.rows[:-1], START_S + block.times_s[:-1], now_s, 1.0)
    assert (found.rotation, found.reason) == (0.0, "EMG samples are missing")


def test_a_stream_faster_than_it_says_is_noticed(calibration):
    decoder, forearm = Decoder(calibration, "lda", 0.8, 0.0), Forearm(5, rate_hz=2000.0)
    for hop in range(1, 301):
        block = forearm.block(activation(0.1), 2 * HOP)
        now_s = START_S + hop * 0.01
        found = decoder.step(block.rows, START_S + block.times_s, now_s, 1.0)
    assert (found.rotation, found.engage) == (0.0, 0.0)
    assert found.reason == "more EMG samples come than its rate says"


@pytest.mark.parametrize(
    ("off_s", "said"), [(-1000.0, "not stamped by LSL's clock"), (0.2, "lie in the future")]
)
def test_stamps_of_another_clock_never_move(calibration, off_s, said):
    decoder, forearm = Decoder(calibration, "lda", 0.8, 0.0), Forearm(5)
    for hop in range(1, 201):
        block = forearm.block(activation(0.1), HOP)
        now_s = START_S + hop * 0.01
        found = decoder.step(block.rows, START_S + block.times_s + off_s, now_s, 1.0)
        assert found.rotation == 0.0
    assert found.engage == 0.0
    assert said in found.reason


def test_silence_holds_then_lets_go_and_the_pedal_must_come_up(calibration):
    decoder = Decoder(calibration, "lda", 0.8, 0.04)
    none = np.empty((0, 8)), np.empty(0)
    list(live(decoder, [(1.0, 0.1, 0.0)]))
    said = [decoder.step(*none, START_S + 1.0 + k * 0.01, 1.0) for k in range(1, 60)]
    assert said[15].trouble and said[15].rotation == 0.0 and said[15].engage == 1.0
    assert said[-1].engage == 0.0
    assert said[-1].reason == "no EMG arrives"


def test_what_is_unlike_the_calibration_is_no_turn(calibration):
    decoder = Decoder(calibration, "lda", 0.8, 0.04)
    found = [d for t, d in live(decoder, [(2.0, 0.0, 0.5)]) if t > 0.5]  # both sides at once
    assert np.mean([d.rotation == 0.0 for d in found]) > 0.95
    assert any(d.reason.startswith("unsure") for d in found)


def test_co_contraction_engages_and_lets_go_again(calibration):
    rule = CoContraction(hold_ms=300.0)
    decoder = Decoder(calibration, "lda", 0.8, 0.04, rule)
    story = [(1.0, 0, 0), (1.0, 0, 0.35), (1.0, 0, 0), (1.0, 0.1, 0), (1.0, 0, 0.35), (1.0, 0, 0)]
    found = list(live(decoder, story, pedal=0.0))
    engage = {round(t, 2): d.engage for t, d in found}
    assert engage[0.99] == 0.0
    assert engage[2.5] == engage[3.5] == 1.0
    assert engage[5.9] == 0.0


def test_trouble_undoes_a_co_contraction(calibration):
    decoder = Decoder(calibration, "lda", 0.8, 0.04, CoContraction(hold_ms=300.0))
    story = [(1.0, 0, 0), (1.0, 0, 0.35), (3.0, 0, 0)]
    found = list(live(decoder, story, "dead", fault_from_s=3.0, pedal=0.0))
    assert found[250][1].engage == 1.0
    assert found[-1][1].engage == 0.0


def test_a_turn_has_to_last_and_ends_at_once():
    debounce = Debounce(0.04)
    said = [debounce.passes(r, k * 0.01) for k, r in enumerate([0, 1, 1, 1, 1, 1, -1, -1, 0])]
    assert said[1:] == [False, False, False, False, True, False, False, False]


def test_caution_holds_first_and_wants_the_dead_man_released():
    caution = Caution(0.3)
    assert caution.engage(1.0, trouble=True, now_s=0.0) == 1.0
    assert caution.engage(1.0, trouble=True, now_s=0.29) == 1.0
    assert caution.engage(1.0, trouble=True, now_s=0.3) == 0.0
    assert caution.engage(1.0, trouble=False, now_s=0.4) == 0.0
    assert caution.engage(0.0, trouble=False, now_s=0.5) == 0.0
    assert caution.engage(1.0, trouble=False, now_s=0.6) == 1.0


@pytest.mark.parametrize(
    ("engage", "age_s", "fault", "meant"),
    [
        (1.0, 0.01, "", 1.0),
        (1.0, 0.3, "", 0.0),
        (1.0, float("inf"), "", 0.0),
        (1.0, 0.01, "the stream was lost", 0.0),
        (float("nan"), 0.01, "", 0.0),
        (7.0, 0.01, "", 0.0),
    ],
)
def test_a_pedal_that_can_not_be_trusted_is_let_go(engage, age_s, fault, meant):
    assert of_pedal(Intention(np.zeros(0), engage, age_s, fault)) == meant
