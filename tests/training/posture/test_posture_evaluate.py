from pathlib import Path

import numpy as np
import pytest

from bridges.official_pose import DIGITS, HORIZON, RANDOM, OfficialPose
from controller.errors import SettingsError
from controller.names import JOINTS
from controller.skills import posture
from training.commands import evaluate as command
from training.curriculum import Promotion
from training.export import export
from training.posture import evaluate
from training.posture.evaluate import PostureAsked, PostureEvaluator, Trial, rise_s, summary
from training.posture.learn import PostureTrainer
from training.posture.plan import Descent, PostureCurriculum, PostureStage, PostureTask
from training.posture.scoreboard import _print
from training.posture.targets import named


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that has learned nothing."""
    folder = tmp_path_factory.mktemp("posture")
    stage = PostureStage(
        name="one",
        tasks=[PostureTask(do="hold")],
        promote=Promotion(solved=1.0),
        descent=Descent(stretch_s=0.04),
        episode_s=0.1,
    )
    plan = PostureCurriculum(
        skill="posture", stages=[stage], hands=4, hidden=8, evaluation_episodes=4
    )
    trainer = PostureTrainer(plan, folder, threads=1)
    next(iter(trainer.updates()))
    export(folder / "checkpoint.pt", folder / "tiny.onnx")
    return folder / "tiny.onnx"


def test_the_rise_is_from_a_tenth_to_nine_tenths_of_the_way() -> None:
    way = np.linspace(0.0, 1.0, 51)[:, None] * np.ones(23)
    still = np.repeat(way[-1:], 20, axis=0)
    assert rise_s(np.concatenate([way, still])) == pytest.approx(40 / 50, abs=0.021)


def test_transitions_never_ask_for_the_same_digit_twice_running() -> None:
    script = evaluate.SCRIPTS["transitions"](np.random.default_rng(0))
    asked = script[:: evaluate.SETTLE_STEPS + evaluate.STAY_STEPS, -1]
    assert len(asked) == evaluate.TRANSITIONS + 1
    assert (np.diff(asked) != 0).all()
    assert (asked >= 1).all() and (asked <= 10).all()
    assert (script[:, :-1] == 0.0).all()


def test_the_sine_goes_from_open_to_closed_twice_a_cycle() -> None:
    grip = evaluate.SCRIPTS["sine"](np.random.default_rng(0))[:, 0]
    assert (grip.min(), grip.max()) == pytest.approx((0.0, 1.0))
    assert grip[50] == pytest.approx(1.0)
    assert grip[100] == pytest.approx(0.0)


def test_a_step_under_the_tick_is_judged_throughout(policy: Path) -> None:
    trial = PostureEvaluator(PostureAsked(policy, task="step")).trial(0)
    assert len(trial.at_end) == 1
    assert 0.0 < trial.effort < 1.0
    assert np.isfinite(trial.rise_s)
    figures = summary(PostureAsked(policy, task="step"), [trial], evaluate.load(policy))
    assert figures["task"] == "step"
    assert figures["rise_s"] == round(trial.rise_s, 3)
    assert figures["targets"] == 1


def test_chains_of_digits_are_judged_change_by_change(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "TRANSITIONS", 2)
    monkeypatch.setattr(evaluate, "SETTLE_STEPS", 5)
    monkeypatch.setattr(evaluate, "STAY_STEPS", 3)
    trial = PostureEvaluator(PostureAsked(policy, task="transitions")).trial(0)
    assert len(trial.at_end) == len(trial.end_rad) == 2
    again = PostureEvaluator(PostureAsked(policy, task="transitions")).trial(0)
    assert again.end_rad == trial.end_rad


def test_an_official_digit_has_the_named_target_and_its_own_verdict(policy: Path) -> None:
    env = OfficialPose(DIGITS[3], perturb=False)
    env.reset()
    assert env.target_rad == pytest.approx(named()[3], abs=1e-3)
    assert (env.read().joint_pos == 0.0).all()
    goal = posture.begin_at(env.target_rad)
    for _ in range(30):
        env.write(np.full(39, 0.02, np.float32))
        assert env.solved[-1] == bool(posture.solved(env.read(), goal))
    env.close()
    trial = PostureEvaluator(PostureAsked(policy, env=DIGITS[3])).trial(0)
    assert len(trial.at_end) == 1


def test_the_random_environment_draws_start_and_target_by_seed() -> None:
    env = OfficialPose(RANDOM, perturb=False)
    found = []
    for seed in (1, 1, 2):
        env.seed = seed
        env.reset()
        found.append((env.read().joint_pos, env.target_rad))
    assert all((one == other).all() for one, other in zip(found[0], found[1], strict=True))
    assert (found[0][1] != found[2][1]).any()
    assert found[0][0].shape == (len(JOINTS),)
    for _ in range(HORIZON + 2):
        env.write(np.zeros(39, np.float32))
    assert len(env.solved) == HORIZON
    env.close()


def test_what_does_not_fit_is_refused(policy: Path) -> None:
    with pytest.raises(SettingsError, match="myoHandPoseX: not known; allowed: myoHandPose0Fixed"):
        OfficialPose("myoHandPoseX", perturb=False)
    with pytest.raises(SettingsError, match="draws its own start"):
        OfficialPose(RANDOM, perturb=True)
    with pytest.raises(SettingsError, match="--task hold: of Baoding"):
        command(policy, task="hold", env="", start=None, perturb=False, episodes=1)
    with pytest.raises(SettingsError, match="--start belongs to P1"):
        command(policy, task=None, env="", start="classic", perturb=False, episodes=1)


def test_the_summary_counts_targets_and_reasons(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = [
        Trial(
            0.5, [True, False], [0.2, 0.9], 0.1, 0.02, gate={"slew": 2}, open_at_end=[True, True]
        ),
        Trial(0.7, [True, True], [0.1, 0.3], 0.3, 0.04, gate={"slew": 1}, open_at_end=[True, True]),
    ]
    figures = summary(PostureAsked(policy), done, evaluate.load(policy))
    assert figures["solved_at_end"] == 0.75
    assert figures["solved_at_end_gate_open"] == 1.0
    assert figures["gate"] == {"slew": 3}
    assert figures["end_distance_rad"]["p50"] == 0.25
    assert figures["joint_error_rad"] == pytest.approx(0.2)
    assert figures["effort"] == pytest.approx(0.03)
    _print(figures)
    assert "0.750" in capsys.readouterr().out
