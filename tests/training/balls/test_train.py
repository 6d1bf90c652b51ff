"""Where ``myoloop train`` begins with a curriculum of gradients."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from controller import data
from controller.errors import SettingsError
from training import commands
from training.balls.learn import BallsTrainer


def test_it_begins_with_the_checkpoint_that_the_curriculum_names_and_its_history(
    write: Callable[..., Path], trained: Path, tmp_path: Path, shown: list[BallsTrainer]
) -> None:
    shutil.copy(trained / "checkpoint.pt", tmp_path / "ppo.checkpoint.pt")
    (tmp_path / "ppo.curve.jsonl").write_text('{"steps":64}\n', encoding="utf-8")
    plan = write(begin_with="ppo.checkpoint.pt")
    commands.train(plan, resume=False, folder=tmp_path / "run", threads=1)
    assert isinstance(shown[0], BallsTrainer)
    assert shown[0].progress.steps == 128
    assert (tmp_path / "run" / "curve.jsonl").read_text(encoding="utf-8") == '{"steps":64}\n'


def test_its_own_checkpoint_comes_first_then_the_published_one(
    write: Callable[..., Path],
    learner: BallsTrainer,
    tmp_path: Path,
    trained: Path,
    shown: list[BallsTrainer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copy(trained / "checkpoint.pt", tmp_path / "checkpoint.pt")
    learner.progress.steps = 1000
    learner.save("checkpoint.pt")
    plan = write()
    commands.train(plan, resume=True, folder=learner.folder, threads=1)
    monkeypatch.setattr(data, "ROOT", tmp_path)
    (tmp_path / "policies").mkdir()
    shutil.copy(learner.folder / "checkpoint.pt", tmp_path / "policies" / "tiny.checkpoint.pt")
    commands.train(plan, resume=True, folder=tmp_path / "other", threads=1)
    assert [one.progress.steps for one in shown] == [1000, 1000]


def test_a_checkpoint_to_begin_with_that_is_not_there_is_named(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    plan = write(begin_with="nowhere.pt")
    with pytest.raises(SettingsError, match=r"nowhere\.pt: not found; looked for "):
        commands.train(plan, resume=False, folder=tmp_path / "run", threads=1)
