"""Calibration: fit, verdict, file; and what the models then say of new signal."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bridges.emg.calibration import (
    CLASSES,
    MODELS,
    Electrodes,
    load,
    microvolts,
    refuse_other,
    save,
)
from bridges.emg.examples import Trial, gather
from bridges.emg.fit import fit, validate
from bridges.emg.models import Reader
from bridges.emg.simulated import Forearm, activation
from bridges.emg.verdict import judge
from bridges.emg.windows import Windows
from controller.errors import ContractError, MyoloopError, SettingsError

HOP = 25


def readings(calibration, cut, model: str, rotation: float, seed: int = 11, fault="none"):
    rows = Forearm(seed, fault).block(activation(rotation), 2500).rows[500:]
    reader, windows, found = Reader(calibration, model), Windows(cut), []
    for k in range(0, len(rows), HOP):
        windows.take(rows[k : k + HOP])
        if windows.ready:
            found.append(reader.read(windows.newest))
    return found


@pytest.mark.parametrize("model", ["lda", "logistic", "ridge"])
def test_every_model_tells_left_from_right_on_signal_it_has_not_seen(calibration, cut, model):
    for rotation in (0.1, -0.1, 0.15, -0.15):
        found = readings(calibration, cut, model, rotation)
        assert np.mean([np.sign(r.rotation) == np.sign(rotation) for r in found]) > 0.85
        assert abs(np.median([r.rotation for r in found]) - rotation) < 0.08
        assert np.median([r.distance for r in found]) < 1.0


@pytest.mark.parametrize("model", ["lda", "logistic", "ridge"])
def test_rest_is_rest_whatever_the_model_says(calibration, cut, model):
    assert all(r.resting for r in readings(calibration, cut, model, 0.0))


def test_signal_from_elsewhere_is_far_away(calibration, cut):
    for fault in ("dead", "saturated"):
        found = readings(calibration, cut, "lda", 0.1, fault=fault)
        assert np.median([r.distance for r in found]) > 1.0


def test_a_faster_turn_is_faster(calibration, cut):
    for model in ("lda", "ridge"):
        slow, fast = (
            np.mean(
                [
                    reading.rotation
                    for seed in (21, 22, 23, 24)
                    for reading in readings(calibration, cut, model, rotation, seed)
                ]
            )
            for rotation in (0.1, 0.15)
        )
        assert fast > 1.15 * slow


def test_the_verdict_counts_every_window_once(calibration):
    for matrix in calibration.verdict.confusion.values():
        assert np.shape(matrix) == (len(CLASSES), len(CLASSES))
        assert np.sum(matrix) == np.sum(next(iter(calibration.verdict.confusion.values())))
    assert all(calibration.verdict.good_enough(model) for model in MODELS)
    assert calibration.verdict.r2 > 0.6


def test_labels_that_mean_nothing_are_not_good_enough(trials, cut):
    """All the windows of a contraction look alike: only leaving repetitions out shows it."""
    examples = gather(trials, cut)
    turned = replace(examples, label=(examples.label + examples.repetition) % len(CLASSES))
    verdict, _ = validate(turned)
    assert not any(verdict.good_enough(model) for model in MODELS)


def test_a_verdict_says_of_each_model_what_is_not_recognised_and_what_helps():
    good, bad = [[90, 0, 0], [0, 90, 0], [0, 0, 90]], [[90, 10, 0], [0, 100, 0], [0, 45, 55]]
    verdict = judge({"lda": good, "logistic": bad}, r2=0.2)
    assert [verdict.good_enough(model) for model in MODELS] == [True, False, False]
    assert verdict.accuracy["logistic"] == pytest.approx(0.8167, abs=1e-3)
    (missed,) = verdict.reasons["logistic"]
    assert missed.startswith("only 55% of 'right' is recognised, 80% is needed: turn left and")
    (speed,) = verdict.reasons["ridge"]
    assert speed.startswith("R² 0.20 of the rotation, 0.60 is needed: work clearly harder")


def test_the_regression_is_only_as_good_as_the_classifier_that_it_is_sure_by():
    bad = [[90, 0, 0], [0, 85, 15], [0, 17, 83]]
    verdict = judge({"lda": bad, "logistic": bad}, r2=0.9)
    assert verdict.reasons["ridge"] == verdict.reasons["lda"]
    assert verdict.reasons["lda"][0].startswith("only 89% is recognised, 90% is needed")


def test_one_repetition_or_a_missing_prompt_is_refused(trials, cut):
    with pytest.raises(MyoloopError, match="1 repetitions"):
        fit([trial for trial in trials if trial.repetition == 0], cut)
    with pytest.raises(MyoloopError, match="repetition 4 lacks 'right, faster'"):
        fit(trials[:-1], cut)
    short = [Trial(t.prompt, t.repetition, t.rows[:50]) for t in trials]
    with pytest.raises(MyoloopError, match="shorter than a window"):
        fit(short, cut)


def test_a_file_gives_back_the_same_numbers(calibration, tmp_path: Path):
    path = tmp_path / "me.json"
    save(calibration, path)
    assert load(path) == calibration
    assert json.loads(path.read_text())["version"] == 2
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 1}, "version 1"),
        ({"lda": {"weights": [[1.0]], "biases": [0.0, 0.0, 0.0]}}, "lda.weights"),
        ({"familiar": {"centres": [], "precision": [], "limit": 1.0}}, "familiar"),
        ({"levels": {"rest": 1.0, "turn": {}, "faster": {}}}, "levels.turn: lacks 'left'"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_file_is_refused_by_name(calibration, tmp_path: Path, change, said):
    path = tmp_path / "me.json"
    plain = {**msgspec.to_builtins(calibration), **change}
    path.write_bytes(msgspec.json.encode(plain))
    with pytest.raises(SettingsError, match=said) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"[1]", b"{}"])
def test_what_is_no_calibration_is_refused(tmp_path: Path, content):
    path = tmp_path / "me.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="not a calibration"):
        load(path)
    with pytest.raises(SettingsError, match="calibrate-emg"):
        load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": ("a", "b")}, "labels a/c, the stream has a/b"),
        ({"units": ("uV", "mV")}, "units"),
        ({"rate_hz": 2000.0}, "rate_hz 1000, the stream has 2000"),
    ],
)
def test_other_electrodes_are_refused(change, said):
    own = Electrodes(labels=("a", "c"), units=("uV", "uV"), rate_hz=1000.0)
    refuse_other(own, own, "me.json")
    with pytest.raises(ContractError, match=said):
        refuse_other(own, msgspec.structs.replace(own, **change), "me.json")


def test_units_become_microvolts_or_are_refused():
    known = Electrodes(labels=("a", "b"), units=("mV", "microvolts"), rate_hz=1000.0)
    assert microvolts(known) == [1e3, 1.0]
    with pytest.raises(ContractError, match="'b': unit ''"):
        microvolts(msgspec.structs.replace(known, units=("mV", "")))
