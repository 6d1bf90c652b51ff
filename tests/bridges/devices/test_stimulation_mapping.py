from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bridges.devices.sciencemode_messages import MlUpdate, Point, Train
from bridges.devices.stimulation_calibration import (
    Channel,
    Curve,
    load_calibration,
    save_calibration,
)
from bridges.devices.stimulation_limits import RAMP, StimulationLimits, biphasic
from bridges.devices.stimulation_mapping import StimulationMapping, loses
from bridges.devices.stimulation_pools import FORCE_N, POOLS, pairs, pooled, weights
from bridges.myohand import load_model
from controller.errors import SettingsError
from controller.names import MUSCLES
from controller.settings import convert

EXAMPLE = Path(__file__).parents[3] / "configs" / "fes_emulated_calibration.yaml"
LIMITS = StimulationLimits()
CALIBRATION = load_calibration(EXAMPLE, LIMITS, 8)
excitations = hnp.arrays(float, 39, elements=st.floats(0, 1))


def excited(**levels: float) -> np.ndarray:
    """Each muscle whose name starts with a keyword at its level."""
    found = [next((v for k, v in levels.items() if name.startswith(k)), 0.0) for name in MUSCLES]
    return np.array(found)


def settle(mapping: StimulationMapping, excitation: np.ndarray) -> MlUpdate:
    for _ in range(100):
        update = mapping.step(excitation, 0.025)
    return update


# --- pools and antagonists -----------------------------------------------------------


def test_forces_are_those_of_the_model():
    model = load_model()
    for muscle, force in FORCE_N.items():
        assert model.actuator(muscle).gainprm[2] == pytest.approx(force, abs=0.06)


def test_each_muscle_has_one_channel():
    assert sorted(muscle for pool in POOLS for muscle in pool.muscles) == sorted(MUSCLES)
    names = {pool.name: pool for pool in POOLS}
    for pool in POOLS:
        assert not pool.opposes or names[pool.opposes].opposes == pool.name
    np.testing.assert_allclose(weights(POOLS).sum(axis=1), 1.0)


@pytest.mark.parametrize("outputs", [4, 8])
@given(excitation=excitations, most=st.floats(0, 0.1))
def test_antagonists_are_never_together_above_the_cap(outputs, excitation, most):
    share, against = weights(POOLS[:outputs]), pairs(POOLS[:outputs])
    found = pooled(excitation, share, against, most)
    plain = share @ excitation
    assert len(against) == {4: 2, 8: 3}[outputs]
    assert (found >= -1e-12).all() and (found <= plain + 1e-12).all()
    for one, other in against:
        assert min(found[one], found[other]) <= most + 1e-12
        assert found[one] - found[other] == pytest.approx(plain[one] - plain[other], abs=1e-12)


def test_a_strong_muscle_counts_more_than_a_weak_one():
    share = weights(POOLS)[0]
    strong, weak = share @ excited(FDS3=1.0), share @ excited(FDS5=1.0)
    assert strong / weak == pytest.approx(FORCE_N["FDS3"] / FORCE_N["FDS5"])


# --- recruitment ---------------------------------------------------------------------


@given(st.sampled_from(Curve), st.floats(0.01, 20), st.floats(0, 1), st.floats(0, 1))
def test_a_curve_rises_from_0_to_1(curve, steepness, one, other):
    low, high = sorted((one, other))
    assert curve.width_for(0.0, steepness) == pytest.approx(0.0, abs=1e-9)
    assert curve.width_for(1.0, steepness) == pytest.approx(1.0, abs=1e-6)
    assert curve.width_for(low, steepness) <= curve.width_for(high, steepness) + 1e-12


def test_curves_are_the_inverse_of_recruitment():
    width = Curve.EXPONENTIAL.width_for(0.5, 2.0)
    assert (1 - np.exp(-2.0 * width)) / (1 - np.exp(-2.0)) == pytest.approx(0.5)
    assert Curve.SIGMOID.width_for(0.5, 7.0) == pytest.approx(0.5)
    assert Curve.SIGMOID.width_for(0.2, 7.0) > 0.2  # flat at its ends


def test_silent_in_the_dead_zone_then_from_threshold_to_saturation():
    channel = CALIBRATION.channels["finger-flexors"]
    assert channel.width_us(0.0) == channel.width_us(channel.dead_zone - 1e-6) == 0.0
    assert channel.threshold_us < channel.width_us(channel.dead_zone) < 110
    assert channel.width_us(1.0) == pytest.approx(channel.saturation_us)
    assert channel.width_us(channel.dead_zone * 0.6, at_work=True) > channel.threshold_us
    assert channel.width_us(channel.dead_zone * 0.4, at_work=True) == 0.0


def test_a_period_is_rounded_to_the_slower_side():
    for frequency in (1.0, 30.0, 40.0, 49.9, 50.0):
        channel = msgspec.structs.replace(CALIBRATION.channels["pronators"], frequency_hz=frequency)
        assert channel.period_ms * 2 == int(channel.period_ms * 2)
        assert 1e3 / frequency <= channel.period_ms < 1e3 / frequency + 0.5


# --- the whole mapping ---------------------------------------------------------------


@given(st.lists(st.tuples(excitations, st.floats(-1, 5)), min_size=1, max_size=10))
def test_whatever_is_asked_for_stays_within_the_limits(steps):
    mapping, before = StimulationMapping(CALIBRATION, LIMITS, 8), dict.fromkeys(range(8), 0)
    for excitation, dt_s in steps:
        update = mapping.step(excitation, dt_s)
        assert LIMITS.refuse(update, CALIBRATION.areas_cm2) == ""
        for output, train in enumerate(update.trains):
            width = train.points[0].width_us if train else 0
            assert width <= before[output] + LIMITS.width_rise_us + 1
            before[output] = width


def test_a_grasp_stimulates_the_flexors_and_a_release_ends_at_once():
    mapping = StimulationMapping(CALIBRATION, LIMITS, 8)
    update = settle(mapping, excited(FDS=0.8, FDP=0.8, EDC=0.1))
    assert [train is not None for train in update.trains] == [True, True] + [False] * 6
    flexors, extensors = (update.trains[output].points[0].width_us for output in (0, 1))
    assert flexors > extensors  # what is left to the weaker one
    assert mapping.step(np.zeros(39), 0.001) == MlUpdate((None,) * 8)
    assert mapping.widths_us["finger-flexors"] == 0.0


def test_it_rises_by_20_us_a_pulse():
    mapping = StimulationMapping(CALIBRATION, LIMITS, 8)
    full = excited(FDS=1.0, FDP=1.0)
    widths = []
    for _ in range(20):
        mapping.step(full, 0.025)
        widths.append(mapping.widths_us["finger-flexors"])
    np.testing.assert_allclose(np.diff(widths[:12]), 20.0)
    assert widths[-1] == pytest.approx(250.0)
    mapping.rest()
    mapping.step(full, 10.0)  # a long pause gives no right to a jump
    assert mapping.widths_us["finger-flexors"] == 20.0


def test_what_is_lost_is_said():
    assert len(loses(CALIBRATION, 8)) == 2  # every muscle has a channel, single ones have none
    few = msgspec.structs.replace(
        CALIBRATION, channels={"finger-flexors": CALIBRATION.channels["finger-flexors"]}
    )
    lost = loses(few, 4)
    reached = sum(FORCE_N[muscle] for muscle in POOLS[0].muscles) / sum(FORCE_N.values())
    assert lost[2].startswith(f"{1 - reached:.0%} of the model's muscle force")
    assert "no output for wrist-flexors" in lost[3]
    assert lost[4].endswith("silent: finger-extensors, thumb-flexors, thumb-extensors")


# --- the last word -------------------------------------------------------------------


def refused(train: Train, limits: StimulationLimits = LIMITS, area: float = 25.0) -> str:
    return limits.refuse(MlUpdate((train,) + (None,) * 7), (area,) + (0.0,) * 7)


def changed(width=200, back=200, current=20.0, other=-20.0, period=25.0, ramp=RAMP) -> Train:
    return Train(period, ramp, (Point(width, current), Point(100, 0.0), Point(back, other)))


@pytest.mark.parametrize(
    "train, words",
    [
        (changed(), ""),
        (biphasic(300, 25.0, 20.0), ""),
        (changed(back=199), "net charge"),
        (changed(other=-20.5), "net charge"),
        (changed(current=25.5, other=-25.5), "current [mA] 25.5, allowed are 25"),
        (changed(width=301, back=301), "width [us] 301, allowed are 300"),
        (changed(period=19.75), "frequency [Hz] 50.6329, allowed are 50"),
        (changed(period=0.0), "its period is 0"),
        (changed(ramp=RAMP - 1), "ramp of 2 pulses"),
        (
            Train(
                25.0, 3, (Point(200, 25.0), Point(200, 25.0), Point(200, -25.0), Point(200, -25.0))
            ),
            "charge [uC] 10, allowed are 8",
        ),
    ],
)
def test_the_last_word(train, words):
    found = refused(train)
    assert found == "" if not words else words in found


def test_the_density_counts_the_electrodes_area():
    assert refused(biphasic(300, 25.0, 20.0), area=2.2) == ""
    assert "density" in refused(biphasic(300, 25.0, 20.0), area=2.0)
    assert "in no use" in refused(biphasic(10, 0.5, 25.0), area=0.0)


@pytest.mark.parametrize("key", StimulationLimits.__struct_fields__)
def test_a_file_can_only_tighten(key):
    built_in = getattr(LIMITS, key)
    assert getattr(convert({key: built_in / 2}, StimulationLimits, "x"), key) == built_in / 2
    with pytest.raises(SettingsError, match=f"x: {key}: expected `?'?float"):
        convert({key: built_in * 1.01}, StimulationLimits, "x")


# --- the file ------------------------------------------------------------------------


def written(tmp_path, **changes) -> Path:
    raw = yaml.safe_load(EXAMPLE.read_text())
    for key, value in changes.items():
        raw["channels"]["thumb-flexors"][key] = value
    path = tmp_path / "calibration.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"saturation_us": 301.0}, "thumb-flexors: output 3: width [us] 301, allowed are 300"),
        ({"saturation_us": 80.0}, "saturation_us: has to be above threshold_us, 90 (is 80)"),
        ({"current_ma": 25.5}, "current [mA] 25.5, allowed are 25"),
        ({"current_ma": 10.2}, "current_ma: steps of 0.5 (is 10.2)"),
        ({"frequency_hz": 60.0}, "frequency"),
        ({"electrode_cm2": 0.5}, "density"),
        ({"output": 1}, "output: 1 is finger-flexors's"),
        ({"dead_zone": 0.0}, "dead_zone"),
        ({"curve": "linear"}, "curve"),
    ],
)
def test_a_wrong_file_is_refused_with_a_reason(tmp_path, changes, words):
    with pytest.raises(SettingsError) as caught:
        load_calibration(written(tmp_path, **changes), LIMITS, 8)
    assert words in str(caught.value) and "calibration.yaml" in str(caught.value)


def test_four_outputs_have_no_place_for_a_fifth(tmp_path):
    with pytest.raises(SettingsError, match="unknown channel; allowed: finger-flexors, "):
        load_calibration(written(tmp_path), LIMITS, 4)


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "mine.yaml"
    save_calibration(path, CALIBRATION)
    assert load_calibration(path, LIMITS, 8) == CALIBRATION
    assert not list(tmp_path.glob("*.new"))


@given(
    st.builds(
        Channel,
        **{
            "output": st.integers(1, 8),
            "electrode_cm2": st.floats(2, 50),
            "current_ma": st.integers(1, 50).map(lambda half: half / 2),
            "frequency_hz": st.floats(1, 50),
            "threshold_us": st.floats(10, 150),
            "saturation_us": st.floats(151, 300),
            "curve": st.sampled_from(Curve),
            "steepness": st.floats(0.1, 20),
        },
    ),
    st.floats(0, 1),
)
def test_any_channel_within_the_caps_makes_balanced_pulses(channel, activation):
    train = channel.train(channel.width_us(activation))
    if train is not None:
        assert sum(point.width_us * point.current_ma for point in train.points) == 0.0
        assert 10 <= train.points[0].width_us <= channel.saturation_us
