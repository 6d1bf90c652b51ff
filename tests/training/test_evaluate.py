from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import msgspec
import numpy as np
import pytest

from bridges.official_env import HORIZON, P1, P2
from controller.errors import ContractError, SettingsError
from controller.skills import baoding
from training import evaluate, scoreboard
from training.evaluate import Asked, Episode, Evaluator, episodes, rotation_script, summary

KEYS = {
    *("episodes", "score_mean", "score_sem", "drop_rate", "error_mm", "first_solved_step"),
    "score_since_first_solved",
    *("gate", "score_mean_gate_open", "per_task", "seed", "policy_sha256", "versions"),
}
Make = Callable[..., Evaluator]


@pytest.fixture(scope="module")
def make(policy: Path) -> Make:
    """Evaluators by what is asked, each made once."""
    made: dict[Asked, Evaluator] = {}

    def get(**settings: Any) -> Evaluator:
        asked = Asked(policy, **settings)
        if asked not in made:
            made[asked] = Evaluator(asked)
        return made[asked]

    return get


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Own episodes of so many steps: too short to drop a ball."""
    monkeypatch.setattr(evaluate, "EPISODE_S", dict.fromkeys(evaluate.EPISODE_S, 0.25))
    return 10


def equal(one: Episode, other: Episode) -> bool:
    same = np.array_equal(one.errors_m, other.errors_m)
    return same and {**vars(one), "errors_m": 0} == {**vars(other), "errors_m": 0}


# --- own tasks -------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["hold", "cw", "ccw", "profile"])
def test_an_own_task_is_scored(make: Make, task: str) -> None:
    evaluator = make(task=task)
    done = [evaluator.episode(number) for number in range(3)]
    figures = summary(evaluator.asked, done, evaluator.policy)
    assert KEYS | {"task", "period_s"} == figures.keys()
    assert figures["per_task"].keys() == {task}
    assert figures["episodes"] == 3
    assert 0.0 < figures["score_mean"] < 0.5  # begins on its targets, and drops them
    assert figures["score_mean_gate_open"] == figures["score_mean"]
    assert figures["drop_rate"] == 1.0
    assert figures["gate"] == {}
    assert figures["error_mm"]["p50"] > 1.0
    assert {"mujoco", "myosuite", "myo-sim", "onnxruntime"} <= figures["versions"].keys()
    assert figures["policy_sha256"] == evaluator.policy.sha256
    msgspec.json.encode(figures)


def test_a_seed_repeats_whatever_ran_before(make: Make, policy: Path) -> None:
    evaluator = make(task="cw")
    first = [evaluator.episode(number) for number in (0, 1)]
    evaluator.episode(7)
    assert equal(evaluator.episode(1), first[1])
    fresh = Evaluator(Asked(policy, task="cw"))
    assert equal(fresh.episode(1), first[1])
    assert equal(fresh.episode(0), first[0])
    assert not equal(*first)


def test_seeds_are_counted_from_the_evaluations_own(make: Make) -> None:
    assert equal(make(task="hold", seed=2).episode(1), make(task="hold").episode(3))


def test_a_whole_episode_is_judged_step_by_step(make: Make, short: int) -> None:
    evaluator = make(task="hold")
    runs = []
    original = evaluator._run

    def spy(seed: int, gate_class: type) -> Episode:
        runs.append(gate_class)
        return original(seed, gate_class)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator, "_run", spy)
        episode = evaluator.episode(0)
    assert episode.errors_m.shape == (short, 2)
    assert not episode.dropped
    assert episode.first_solved == 0
    assert (episode.errors_m[0] < baoding.SOLVED_DISTANCE_M).all()
    near = (episode.errors_m < baoding.SOLVED_DISTANCE_M).all(axis=1)
    assert episode.solved == near.sum() / short
    assert episode.gate == {}, "the script's own end is no intervention"
    assert runs == [evaluate.Gate], "without an intervention the gate is not opened"


def test_the_intention_of_an_episode_is_all_played(make: Make, short: int) -> None:
    evaluator = make(task="profile")
    read, played = evaluator.source.read, []

    def spy(now_s: float) -> Any:
        played.append(read(now_s))
        return played[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator.source, "read", spy)
        evaluator._run(4, evaluate.Gate)
    engaged = [one.values for one in played if one.engage > 0.5]
    assert np.array_equal(engaged, rotation_script(evaluator.asked, short, 4))
    assert [played[0].engage, played[-1].engage] == [0.0, 0.0]


def test_steps_missing_after_a_drop_are_unsolved(make: Make) -> None:
    evaluator = make(task="hold")
    episode = evaluator.episode(0)
    assert episode.dropped
    steps = len(episode.errors_m)
    assert steps < 200
    assert episode.solved <= steps / 200
    near = (episode.errors_m < baoding.SOLVED_DISTANCE_M).all(axis=1)
    assert episode.solved == pytest.approx(near[:-1].sum() / 200)


def test_own_starts_are_on_targets_all_round(make: Make) -> None:
    plant = make(task="hold").own
    angles = []
    for seed in range(12):
        plant.place(seed)
        plant.reset()
        feedback = plant.read()
        away = baoding.errors_m(feedback, plant.begin(feedback))
        assert (away < baoding.SOLVED_DISTANCE_M).all()
        angles.append(plant.angle_rad)
        ranges = plant.model.jnt_range[:23]
        assert (feedback.joint_pos >= ranges[:, 0]).all()
        assert (feedback.joint_pos <= ranges[:, 1]).all()
    assert np.ptp(angles) > np.pi


# --- the gate --------------------------------------------------------------------------


def wishing(evaluator: Evaluator, patch: pytest.MonkeyPatch, *wishes: float) -> None:
    """The policy asks for these excitations of every muscle, tick by tick, then rests."""
    tick = 0

    def reset() -> None:
        nonlocal tick
        tick = 0

    def infer(_obs: np.ndarray) -> np.ndarray:
        nonlocal tick
        wish = wishes[tick] if tick < len(wishes) else 0.0
        tick += 1
        return np.full(39, wish, np.float32)

    patch.setattr(evaluator.policy, "reset", reset)
    patch.setattr(evaluator.policy, "infer", infer)


def test_an_intervention_leads_to_a_rerun_with_the_gate_open(
    make: Make, short: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = make(task="hold")
    sent: dict[str, list[float]] = {"Gate": [], "OpenGate": []}
    original, write, now = evaluator._run, evaluator.own.write, "Gate"

    def spy(seed: int, gate_class: type) -> Episode:
        nonlocal now
        now = gate_class.__name__
        return original(seed, gate_class)

    def written(excitation: np.ndarray) -> None:
        sent[now].append(float(excitation[0]))
        write(excitation)

    monkeypatch.setattr(evaluator, "_run", spy)
    monkeypatch.setattr(evaluator.own, "write", written)
    wishing(evaluator, monkeypatch, 0.0, 1.0, 0.0)
    episode = evaluator.episode(0)
    assert sent["Gate"][:4] == [0.0, 0.5, 0.0, 0.0]  # slewed
    assert sent["OpenGate"][:4] == [0.0, 1.0, 0.0, 0.0]
    assert episode.gate == {"slew": 1}
    assert episode.solved_open == original(0, evaluate.OpenGate).solved
    figures = summary(evaluator.asked, [episode], evaluator.policy)
    assert figures["gate"] == {"slew": 1}
    assert figures["score_mean_gate_open"] == round(episode.solved_open, 4)


def test_the_open_gate_clips_like_the_official_environment(
    make: Make, short: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = make(task="hold")
    sent: list[float] = []
    write = evaluator.own.write
    monkeypatch.setattr(evaluator.own, "write", lambda e: (sent.append(float(e[0])), write(e)))
    wishing(evaluator, monkeypatch, 0.0, 1.5, -0.5)
    evaluator._run(0, evaluate.OpenGate)
    assert sent[:3] == [0.0, 1.0, 0.0]


def test_a_policy_that_begins_with_nan_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for evaluator in (make(task="hold"), make(env=P1)):
        wishing(evaluator, monkeypatch, float("nan"))
        with pytest.raises(ContractError, match=r"onnx: it can't be armed: the policy, tried"):
            evaluator.episode(0)


def test_a_policy_that_comes_to_nan_scores_no_more_and_is_told(
    make: Make, short: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = make(task="hold")
    wishing(evaluator, monkeypatch, 0.0, float("nan"))
    episode = evaluator.episode(0)
    assert episode.solved == 0.1  # the step before
    figures = summary(evaluator.asked, [episode], evaluator.policy)
    assert figures["gate"]["command_not_finite"] == 1
    assert figures["score_mean"] == 0.1
    msgspec.json.encode(figures)


# --- official environments -------------------------------------------------------------


def test_the_official_score_is_a_plain_gymnasium_loops(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = make(env=P1)
    sent: list[np.ndarray] = []
    write = evaluator.official.write
    monkeypatch.setattr(evaluator.official, "write", lambda e: (sent.append(e.copy()), write(e)))
    episode = evaluator.episode(0)
    with gym.make(P1, normalize_act=False) as env:
        task = env.unwrapped
        task.ball_1_starting_angle = 3 * np.pi / 4
        task.ball_2_starting_angle = -np.pi / 4
        env.reset(seed=0)
        solved, errors, dropped = 0, [], False
        for excitation in sent:
            _, _, dropped, truncated, info = env.step(excitation)
            solved += bool(info["solved"])
            errors.append([-info["pos_dist_1"], -info["pos_dist_2"]])
            if dropped or truncated:
                break
    assert len(errors) == len(sent) == len(episode.errors_m)
    assert episode.solved == solved / HORIZON > 0.0
    assert episode.dropped == dropped
    assert np.allclose(episode.errors_m, errors, atol=1e-9)
    assert episode.task == "ccw"


def test_the_first_phase_is_scored(make: Make) -> None:
    evaluator = make(env=P1)
    done = [evaluator.episode(number) for number in range(2)]
    assert equal(*done)  # its reset is deterministic
    figures = summary(evaluator.asked, done, evaluator.policy)
    assert KEYS | {"env", "start", "perturb"} == figures.keys()
    assert (figures["env"], figures["start"], figures["perturb"]) == (P1, "classic", False)
    assert figures["score_sem"] == 0.0
    assert figures["drop_rate"] == 1.0
    assert figures["first_solved_step"] == 0.0


def test_perturbed_starts_differ(make: Make) -> None:
    evaluator = make(env=P1, perturb=True)
    first, other = evaluator.episode(0), evaluator.episode(1)
    assert not equal(first, other)
    assert equal(evaluator.episode(0), first)


def test_the_current_start_can_not_be_solved_at_once(make: Make) -> None:
    episode = make(env=P1, start="current").episode(0)
    assert episode.first_solved != 0
    if episode.first_solved is None:
        assert episode.solved_since_first == 0.0
    else:
        rest = HORIZON - episode.first_solved
        assert episode.solved_since_first == pytest.approx(episode.solved * HORIZON / rest)


def test_the_second_phase_is_scored_by_task(make: Make) -> None:
    evaluator = make(env=P2, start="current")
    done = [evaluator.episode(number) for number in (0, 1, 3, 11)]
    figures = summary(evaluator.asked, done, evaluator.policy)
    counts = {name: row["episodes"] for name, row in figures["per_task"].items()}
    assert counts == {"ccw": 2, "cw": 1, "hold": 1}
    assert figures["drop_rate"] == 1.0


def test_the_gate_does_not_intervene_in_an_official_episode(make: Make) -> None:
    assert make(env=P2, start="current").episode(1).gate == {}


# --- figures ---------------------------------------------------------------------------


def test_the_figures_are_means_over_episodes(make: Make) -> None:
    evaluator = make(task="hold")
    done = [
        Episode("hold", 0.25, True, 4, np.array([[0.01, 0.02]]), {"slew": 2}, 0.5),
        Episode("hold", 0.75, False, 0, np.array([[0.03, 0.04]]), {}, 0.75),
        Episode("cw", 0.50, False, None, np.array([[0.05, 0.06]]), {"slew": 1, "range": 4}, 0.1),
    ]
    figures = summary(evaluator.asked, done, evaluator.policy)
    assert figures["score_mean"] == 0.5
    assert figures["score_sem"] == pytest.approx(0.25 / np.sqrt(3), abs=1e-4)
    assert figures["drop_rate"] == pytest.approx(1 / 3, abs=1e-4)
    assert figures["score_mean_gate_open"] == 0.45
    assert figures["gate"] == {"slew": 3, "range": 4}
    assert figures["first_solved_step"] == 2.0
    assert figures["error_mm"]["p50"] == 35.0
    assert figures["per_task"]["hold"]["score_mean"] == 0.5
    assert figures["per_task"]["cw"]["episodes"] == 1
    assert figures["per_task"]["cw"]["score_sem"] == 0.0


def test_nothing_solved_has_no_first_step(make: Make) -> None:
    evaluator = make(task="hold")
    done = [Episode("hold", 0.0, True, None, np.array([[0.1, 0.1]]))]
    assert summary(evaluator.asked, done, evaluator.policy)["first_solved_step"] is None


# --- scripts ---------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "sign"), [("hold", 0.0), ("cw", -1.0), ("ccw", 1.0)])
def test_a_steady_script(task: str, sign: float) -> None:
    script = rotation_script(Asked(Path(), task=task, period_s=8.0), 50, seed=1)
    assert np.array_equal(script, np.full((50, 1), sign * 0.5))


def test_a_profile_keeps_speeds_for_seconds_and_repeats_for_its_seed() -> None:
    asked = Asked(Path(), task="profile")
    script = rotation_script(asked, 8000, seed=1)
    assert np.array_equal(script, rotation_script(asked, 8000, seed=1))
    assert not np.array_equal(script, rotation_script(asked, 8000, seed=2))
    assert np.abs(script).max() <= 1.0
    assert script.min() < -0.8
    assert script.max() > 0.8
    changes = np.flatnonzero(np.diff(script[:, 0]))
    lengths = np.diff(changes) * baoding.CONTROL_STEP_S
    assert lengths.min() >= 1.0 - 1e-9
    assert np.median(lengths) == pytest.approx(2.5, abs=0.8)
    assert (script == 0.0).mean() == pytest.approx(0.25, abs=0.12)


# --- two processes ---------------------------------------------------------------------


def test_two_processes_give_what_one_gives(make: Make, policy: Path) -> None:
    done = list(episodes(Asked(policy, task="hold"), 2))
    evaluator = make(task="hold")
    assert [equal(one, evaluator.episode(n)) for n, one in enumerate(done)] == [True, True]


def test_a_bad_question_is_refused_before_any_process_starts(policy: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no policy")
    with pytest.raises(ContractError, match="onnxruntime refuses it"):
        next(episodes(Asked(tmp_path / "bad.onnx"), 1))
    with pytest.raises(SettingsError, match="not known; allowed"):
        next(episodes(Asked(policy, env="myoHand"), 1))


# --- the scoreboard --------------------------------------------------------------------


@pytest.fixture
def board(make: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the scoreboard in this process."""

    def run(as_json: bool, **settings: Any) -> None:
        evaluator = make(**settings)

        def here(_asked: Asked, count: int) -> list[Episode]:
            return [evaluator.episode(number) for number in range(count)]

        monkeypatch.setattr(scoreboard, "episodes", here)
        scoreboard.run(evaluator.asked, 2, as_json)

    return run


def test_json_is_all_that_is_printed(
    board: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    board(True, task="cw")
    captured = capsys.readouterr()
    figures = msgspec.json.decode(captured.out)
    assert figures.keys() >= KEYS
    assert figures["episodes"] == 2
    assert captured.err == ""


def test_a_table_names_tasks_gate_and_versions(
    board: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    board(False, task="cw")
    out = capsys.readouterr().out
    for text in ("own task cw", "all", "gate interventions: none", "gate open", "mujoco 4"):
        assert text in out
