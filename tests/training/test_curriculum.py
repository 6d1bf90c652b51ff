from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from controller import data
from controller.errors import SettingsError
from training.curriculum import (
    FASTEST_PERIOD_S,
    Curriculum,
    Learning,
    Noise,
    Promotion,
    Stage,
    Task,
)
from training.skills import load_plan

SMALL: dict[str, Any] = {
    "skill": "baoding",
    "stages": [
        {
            "name": "hold",
            "tasks": [{"do": "hold"}],
            "noise": {"sigma": 0.2},
            "promote": {"solved": 0.5},
        }
    ],
}


def curriculum(tasks: list[list[Task]], keep: float) -> Curriculum:
    return Curriculum(
        skill="baoding",
        stages=[
            Stage(
                name=str(index),
                tasks=some,
                noise=Noise(sigma=0.1),
                promote=Promotion(solved=0.5),
                keep_earlier=keep,
            )
            for index, some in enumerate(tasks)
        ],
    )


HOLD, JUMP, TURN = Task(do="hold", share=3.0), Task(do="jump"), Task(do="rotate", share=0.25)


@pytest.mark.parametrize(
    "path", sorted((data.ROOT / "configs" / "curriculum").glob("*.yaml")), ids=lambda p: p.name
)
def test_a_shipped_curriculum_loads(path: Path) -> None:
    plan = load_plan(path)
    assert plan.stages
    for index, stage in enumerate(plan.stages):
        assert stage.promote.solved < 1.0, "a stage that nobody passes"
        if isinstance(plan, Curriculum):
            assert sum(task.share for task in plan.mix(index)) == pytest.approx(1.0, abs=1e-12)
            own = plan.stages[index]
            assert plan.hands % own.learning.minibatches == 0, "hands that never learn"
            assert own.noise.fade_to is None or own.noise.fade_to < own.noise.sigma
    assert len({stage.name for stage in plan.stages}) == len(plan.stages)


def test_a_small_one_loads_with_defaults(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    plan = load_plan(path)
    assert plan.stages[0].learning == Learning()
    assert plan.hands == 192


@pytest.mark.parametrize("keep", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_shares_of_a_mix_are_1(keep: float, index: int) -> None:
    mix = curriculum([[HOLD], [JUMP, TURN], [TURN]], keep).mix(index)
    assert sum(task.share for task in mix) == pytest.approx(1.0, abs=1e-12)
    assert all(task.share > 0 for task in mix)


def test_tasks_keep_their_proportion() -> None:
    mix = curriculum([[HOLD, JUMP]], 0.0).mix(0)
    assert [(task.do, task.share) for task in mix] == [("hold", 0.75), ("jump", 0.25)]


def test_earlier_stages_get_the_share_that_is_kept_for_them() -> None:
    mix = curriculum([[HOLD], [JUMP], [TURN]], 0.2).mix(2)
    assert [task.do for task in mix] == ["rotate", "hold", "jump"]
    assert [task.share for task in mix] == pytest.approx([0.8, 0.15, 0.05])


def test_the_first_stage_has_nothing_earlier_to_keep() -> None:
    mix = curriculum([[HOLD], [JUMP]], 0.5).mix(0)
    assert [(task.do, task.share) for task in mix] == [("hold", 1.0)]


def test_a_mix_changes_no_stage() -> None:
    plan = curriculum([[HOLD], [JUMP]], 0.5)
    plan.mix(1)
    assert plan.stages[0].tasks == [HOLD]


def test_noise_fades_and_stays() -> None:
    noise = Noise(sigma=0.2, fade_to=0.1, fade_steps=100)
    assert [noise.sigma_at(n) for n in (0, 50, 100, 10**9)] == pytest.approx([0.2, 0.15, 0.1, 0.1])
    assert Noise(sigma=0.2).sigma_at(10**9) == 0.2


def set_at(path: str, value: Any) -> dict[str, Any]:
    raw: Any = msgspec.json.decode(msgspec.json.encode(SMALL))
    *inside, last = path.split(".")
    at = raw
    for step in inside:
        at = at[int(step)] if step.isdigit() else at.setdefault(step, {})
    at[last] = value
    return raw


BAD = [
    ("skill", "juggling", "skill: invalid enum value 'juggling'"),
    ("hands", 0, r"hands: expected `?'?int'? >= 1 \(is 0\)"),
    ("wobble", 1, "wobble: unknown key; allowed: hands, seed, evaluate_every"),
    ("stages", [], "stages: "),
    ("stages.0.promote", {"solved": 1.5}, r"stages\[0\]\.promote\.solved: .*1.0 \(is 1.5\)"),
    ("stages.0.promote", {}, r"stages\[0\]\.promote: .*'solved'"),
    ("stages.0.noise", {"sigma": 0.0}, r"stages\[0\]\.noise\.sigma: .* \(is 0.0\)"),
    ("stages.0.noise", {"sigma": 0.1, "correlation": 1.0}, r"noise\.correlation"),
    ("stages.0.tasks", [], r"stages\[0\]\.tasks"),
    ("stages.0.tasks", [{"do": "spin"}], r"stages\[0\]\.tasks\[0\]\.do: .*'spin'"),
    (
        "stages.0.tasks",
        [{"do": "hold", "speed": 1}],
        r"tasks\[0\]\.speed: unknown key; allowed: do",
    ),
    ("stages.0.tasks", [{"do": "rotate", "period_s": 20.0}], r"tasks\[0\]\.period_s: expected"),
    (
        "stages.0.tasks",
        [{"do": "rotate", "period_s": [40.0, 20.0]}],
        r"tasks\[0\]: period_s: \[40, 20\]: the smaller one comes first",
    ),
    (
        "stages.0.tasks",
        [{"do": "jump", "segment_s": [2.0, 1.0]}],
        r"tasks\[0\]: segment_s: \[2, 1\]: the smaller one comes first",
    ),
    (
        "stages.0.tasks",
        [{"do": "rotate", "period_s": [3.0, 20.0]}],
        r"tasks\[0\]: period_s: 3 s is faster than the skill's 4 s",
    ),
    ("stages.0.drop_height_m", 1.0, r"stages\[0\]\.drop_height_m: .* \(is 1.0\)"),
    ("stages.0.physics", "fine", r"stages\[0\]\.physics: .*'fine'"),
    (
        "stages.0.learning",
        {"minibatches": 400},
        "stage 'hold': learning.minibatches: 400 do not divide the 192 hands",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), BAD, ids=[f"{p}={v}" for p, v, _ in BAD])
def test_a_bad_value_is_one_line_that_names_it(
    tmp_path: Path, path: str, value: Any, message: str
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump(set_at(path, value)), encoding="utf-8")
    with pytest.raises(SettingsError, match=message) as refused:
        load_plan(file)
    text = str(refused.value)
    assert text.startswith(f"{file}: ")
    assert "\n" not in text


@pytest.mark.parametrize("text", ["", "[1, 2]", "skill: [", "\x00"])
def test_a_file_that_is_no_curriculum_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"bad\.yaml: ") as refused:
        load_plan(file)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml: can't be read: No such file"):
        load_plan(tmp_path / "none.yaml")


def test_the_fastest_period_is_the_skills() -> None:
    assert pytest.approx(4.0) == FASTEST_PERIOD_S


def test_the_fastest_turn_of_the_second_phase_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "fast.yaml"
    raw = set_at("stages.0.tasks", [{"do": "rotate", "period_s": [4.0, 4.0]}])
    file.write_text(yaml.safe_dump(raw), encoding="utf-8")
    assert load_plan(file).stages[0].tasks[0].period_s == (4.0, 4.0)
