import subprocess
import sys
from importlib.metadata import EntryPoint, version
from pathlib import Path

import pytest

from controller import cli

MODULE = '''
from controller.errors import SettingsError

def good(name: str = "hand"):
    """Works."""
    print("moved", name)

def wrong():
    raise SettingsError("a.yaml: rate_hz: is -1, allowed: above 0")

def interrupted():
    raise KeyboardInterrupt

def untrained():
    import torch_is_not_there

def bare():
    raise ModuleNotFoundError("No module named 'torch'", name="torch.nn")
'''


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plug_in.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "plug_needs_torch.py").write_text("from torch_ import nn", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    names = ("good", "wrong", "interrupted", "untrained", "bare")
    values = {name: f"plug_in:{name}" for name in names}
    values["broken"] = "plug_in:nothing"
    values["extra"] = "plug_needs_torch:run"
    found = [EntryPoint(name, value, "myoloop.commands") for name, value in values.items()]
    found.append(EntryPoint("bench", "controller.bench:app", "myoloop.commands"))
    bench = [EntryPoint("strength", "plug_in:good", "myoloop.benches")]
    groups = {"myoloop.commands": found, "myoloop.benches": bench}
    monkeypatch.setattr(cli, "entry_points", lambda group: groups[group])
    monkeypatch.setitem(cli.EXTRAS, "torch_", "train")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["myoloop", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code


@pytest.mark.usefixtures("commands")
class TestCommands:
    def test_runs(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(monkeypatch, "good", "--name", "foot") == 0
        assert capsys.readouterr().out == "moved foot\n"

    def test_expected_error_is_one_line(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(monkeypatch, "wrong") == 2
        out, err = capsys.readouterr()
        assert (out, err) == ("", "myoloop: a.yaml: rate_hz: is -1, allowed: above 0\n")

    def test_interrupt_is_silent(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(monkeypatch, "interrupted") == 130
        assert capsys.readouterr() == ("", "")

    @pytest.mark.parametrize("command", ["bare", "extra"])
    def test_missing_extra_is_named(
        self, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(monkeypatch, command, *(["--seconds", "3"] if command == "extra" else [])) == 2
        assert "'.[train]'" in capsys.readouterr().err

    def test_other_missing_module_is_a_fault(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["myoloop", "untrained"])
        with pytest.raises(ModuleNotFoundError, match="torch_is_not_there"):
            cli.main()

    def test_help_survives_a_broken_command(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(monkeypatch, "--help") == 0
        out = capsys.readouterr().out
        assert "Works." in out
        assert "Not available" in out

    def test_broken_command_says_why(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(monkeypatch, "broken", "argument", "--option") == 2
        assert "plug_in:nothing can't be loaded" in capsys.readouterr().err

    def test_a_bench_is_found_under_bench(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(monkeypatch, "bench", "strength", "--name", "arm") == 0
        assert capsys.readouterr().out == "moved arm\n"

    def test_bench_lists_only_benches(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(monkeypatch, "bench", "--help") == 0
        out = capsys.readouterr().out
        assert "strength" in out
        assert "untrained" not in out

    def test_unknown_command(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(monkeypatch, "dance") == 2
        assert "No such command 'dance'" in capsys.readouterr().err


def test_installed_command_prints_the_version() -> None:
    script = Path(sys.executable).with_name("myoloop")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"myoloop {version('myoloop')}\n"
