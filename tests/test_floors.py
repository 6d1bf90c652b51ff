"""The floors of docs/design.md: an import goes down only."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("bridges", "training", "mujoco", "myosuite", "onnxruntime", "pylsl", "serial", "torch")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_every_import_goes_down() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("controller/clock.py", "import torch"),
        ("controller/skills/skill.py", "from bridges import myohand"),
        ("bridges/myohand.py", "import training.learn"),
        ("training/score.py", "import hil"),
        ("hil/__init__.py", "import training"),
    ],
)
def test_an_import_upwards_is_found(tmp_path: Path, file: str, line: str) -> None:
    for name in ("controller", "bridges", "training", "hil"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    target = tmp_path / file
    target.write_text(f"{target.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


def loaded_after(code: str) -> list[str]:
    code += f"\nimport sys; print(*sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr.split()


def test_the_command_line_starts_light() -> None:
    assert loaded_after("import controller.cli") == []


def test_the_help_loads_every_command_and_nothing_heavy() -> None:
    loaded = loaded_after(
        "import sys, contextlib, controller.cli\n"
        "sys.argv = ['myoloop', '--help']\n"
        "with contextlib.suppress(SystemExit): controller.cli.main()"
    )
    assert {"bridges", "training"} <= set(loaded)
    assert not {"mujoco", "myosuite", "pylsl", "serial", "torch"} & set(loaded)
