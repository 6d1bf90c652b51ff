import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from training import display
from training.curriculum import Curriculum
from training.learn import Report, load_checkpoint
from training.ppo import Trainer

Tiny = Callable[..., Curriculum]


class Interrupted(Trainer):
    """Somebody presses Ctrl-C after the first update."""

    def updates(self) -> Iterator[Report]:
        yield next(super().updates())
        raise KeyboardInterrupt


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()

    def console() -> Console:
        return Console(file=text, force_terminal=True, width=100, height=40)

    monkeypatch.setattr(display, "Console", console)
    return text


def test_a_terminal_shows_stage_score_and_speed(
    tiny: Tiny, tmp_path: Path, screen: io.StringIO
) -> None:
    display.show(Trainer(tiny(stages=2, solved=0.0), tmp_path, threads=1))
    out = screen.getvalue()
    for text in ("myoloop train", "stage 2 of 2: stage 1", "steps/s", "hold", "median error"):
        assert text in out, out
    assert list((tmp_path / "tensorboard").iterdir())


def test_ctrl_c_saves_a_checkpoint(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = Interrupted(tiny(evaluate_every=10**6), tmp_path, threads=1)
    trainer.progress.next_evaluation = 10**6
    display.show(trainer)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["progress"]["updates"] == 1
    assert "--resume goes on from here" in capsys.readouterr().out


def test_a_full_disk_is_shown(
    tiny: Tiny, tmp_path: Path, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_trainer: Trainer, _name: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Trainer, "save", full)
    trainer = Trainer(tiny(), tmp_path, threads=1)
    updates = trainer.updates()
    monkeypatch.setattr(trainer, "updates", lambda: [next(updates), next(updates)])
    display.show(trainer)
    assert "NOT SAVED: No space left on device" in screen.getvalue()


def test_a_full_disk_does_not_end_training_through_tensorboard(
    tiny: Tiny, tmp_path: Path, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(display.SummaryWriter, "add_scalar", full)
    display.show(Trainer(tiny(solved=0.0), tmp_path, threads=1))
    assert "TENSORBOARD STOPPED: No space left on device" in screen.getvalue()
    assert load_checkpoint(tmp_path / "checkpoint.pt")["progress"]["finished"]
