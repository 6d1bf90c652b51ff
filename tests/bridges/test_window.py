"""The window itself needs a display; what is left to test is that it says so."""

import sys
from pathlib import Path

import pytest

from bridges import window
from controller.board import BoardWriter


@pytest.fixture(autouse=True)
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def run(monkeypatch: pytest.MonkeyPatch, board: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["window", str(board)])
    return window.main()


def test_no_display_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    BoardWriter(tmp_path / "board", slots=1)
    assert run(monkeypatch, tmp_path / "board") == 1
    assert "neither DISPLAY nor WAYLAND_DISPLAY is set" in capsys.readouterr().err


def test_no_board_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path / "board") == 1
    assert "can't read the board" in capsys.readouterr().err
