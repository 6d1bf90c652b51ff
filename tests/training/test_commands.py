import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
import yaml
from click.testing import Result
from typer.testing import CliRunner

from bridges.official_env import P1, P2
from controller import data
from controller.errors import ContractError, HostError, MyoloopError, SettingsError
from training import commands, scoreboard
from training.curriculum import Curriculum
from training.evaluate import Asked
from training.ppo import Trainer

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    app = typer.Typer()
    for function in (commands.train, commands.export, commands.evaluate):
        app.command()(function)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


def refused(result: Result, kind: type[MyoloopError]) -> str:
    """The one line that controller.cli prints for what the user can mend."""
    assert isinstance(result.exception, kind), result.exception or result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


# --- evaluate --------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Asked, int, bool]]:
    """What evaluate asks for; nothing is run."""
    calls: list[tuple[Asked, int, bool]] = []
    monkeypatch.setattr(scoreboard, "run", lambda *arguments: calls.append(arguments))
    return calls


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--env", P1, "--task", "hold"], "--env and --task exclude each other"),
        (["--task", "hold", "--perturb"], "--start and --perturb belong to --env"),
        (["--task", "cw", "--start", "classic"], "--start and --perturb belong to --env"),
    ],
)
def test_options_that_exclude_each_other(
    run: Run, policy: Path, options: list[str], message: str
) -> None:
    assert refused(run("evaluate", policy, *options), SettingsError) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--env", "myoHand"], f"--env myoHand: not known; allowed: {P1}, {P2}"),
        (["--env", P2, "--start", "classic"], "--start classic and --perturb are for"),
        (["--env", P2, "--perturb"], "--start classic and --perturb are for"),
    ],
)
def test_options_that_the_environment_refuses(
    run: Run, policy: Path, options: list[str], message: str
) -> None:
    assert message in refused(run("evaluate", policy, *options), SettingsError)


@pytest.mark.parametrize(
    "options",
    [
        ["--task", "juggle"],
        ["--start", "middle"],
        ["--episodes", "0"],
        ["--seed", "-1"],
        ["--task", "cw", "--period", "3"],
    ],
)
def test_values_that_no_option_has(run: Run, policy: Path, options: list[str]) -> None:
    result = run("evaluate", policy, *options)
    assert result.exit_code == 2
    assert "Invalid value" in result.output


def test_a_missing_policy_is_named_with_where_it_was_looked_for(run: Run, tmp_path: Path) -> None:
    message = refused(run("evaluate", "nowhere.onnx"), SettingsError)
    assert message.startswith("nowhere.onnx: not found; looked for ")
    assert str(tmp_path / "nowhere.onnx") in message


def test_a_file_that_is_no_policy(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("not a policy", encoding="utf-8")
    assert "onnxruntime refuses it" in refused(run("evaluate", path), ContractError)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"env": P1, "start": "classic", "perturb": False}),
        (["--perturb", "--start", "current"], {"env": P1, "start": "current", "perturb": True}),
        (["--env", P1], {"env": P1, "start": "classic"}),
        (["--env", P2], {"env": P2, "start": "current"}),
        (["--task", "profile"], {"env": "", "task": "profile"}),
        (["--task", "cw", "--period", "8"], {"env": "", "task": "cw", "period_s": 8.0}),
        (["--seed", "7"], {"seed": 7}),
    ],
)
def test_what_is_asked_for(
    run: Run,
    policy: Path,
    asked: list[tuple[Asked, int, bool]],
    options: list[str],
    expected: dict[str, Any],
) -> None:
    assert run("evaluate", policy, *options).exit_code == 0
    [(one, count, as_json)] = asked
    assert one.policy == policy
    assert (count, as_json) == (200, False)
    assert {name: getattr(one, name) for name in expected} == expected


def test_episodes_and_json_are_passed_on(
    run: Run, policy: Path, asked: list[tuple[Asked, int, bool]]
) -> None:
    run("evaluate", policy, "--episodes", 3, "--json")
    assert asked[0][1:] == (3, True)


def test_a_relative_policy_is_looked_up_in_the_working_directory(
    run: Run, policy: Path, asked: list[tuple[Asked, int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(policy.parent)
    run("evaluate", policy.name)
    assert asked[0][0].policy.samefile(policy)


# --- export ----------------------------------------------------------------------------


def test_export_of_what_is_no_checkpoint(run: Run, tmp_path: Path) -> None:
    assert "no such checkpoint" in refused(run("export", "nowhere.pt"), ContractError)
    path = tmp_path / "text.pt"
    path.write_text("text", encoding="utf-8")
    assert "not a checkpoint" in refused(run("export", path), ContractError)
    assert not (tmp_path / "policies" / "baoding.onnx").exists()


def test_export_tells_the_parity(
    run: Run, trained: Path, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import export

    def copy(_graph: object, _contract: object, path: Path) -> None:
        path.write_bytes(policy.read_bytes())

    monkeypatch.setattr(export, "_write", copy)
    target = tmp_path / "deep" / "hand.onnx"
    result = run("export", trained / "checkpoint.pt", "--output", target)
    assert result.exit_code == 0
    assert result.output.startswith(f"{target}: differs from torch by at most ")
    assert target.exists()


def test_export_wraps_a_foreign_network(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import wrap

    wrapped: list[tuple[Path, Path]] = []
    monkeypatch.setattr(wrap, "wrap", lambda *paths: wrapped.append(paths))
    result = run("export", "net.onnx", "--output", "hand.onnx")
    assert wrapped == [(Path("net.onnx"), Path("hand.onnx"))]
    assert "wrapped with the official observation" in result.output


# --- train -----------------------------------------------------------------------------


@pytest.fixture
def plan(tiny: Callable[..., Curriculum], tmp_path: Path) -> Path:
    """A curriculum that one evaluation passes."""
    path = tmp_path / "quick.yaml"
    raw = msgspec.to_builtins(tiny(solved=0.0))
    path.write_text(yaml.safe_dump(msgspec.json.decode(msgspec.json.encode(raw))), encoding="utf-8")
    return path


def test_train_begins_in_a_folder_of_the_curriculums_name(
    run: Run, plan: Path, shown: list[Trainer]
) -> None:
    result = run("train", plan, "--threads", 1)
    assert result.exit_code == 0, result.exception
    assert shown[0].folder == Path("runs") / "quick"
    assert shown[0].folder.is_dir()
    assert shown[0].progress.steps == 0


def test_train_does_not_overwrite(run: Run, plan: Path, shown: list[Trainer]) -> None:
    folder = plan.parent / "kept"
    folder.mkdir()
    (folder / "checkpoint.pt").write_bytes(b"precious")
    message = refused(run("train", plan, "--folder", folder), SettingsError)
    assert (
        message == f"{folder / 'checkpoint.pt'} exists: give --resume to go on, or another --folder"
    )
    assert (folder / "checkpoint.pt").read_bytes() == b"precious"
    assert shown == []


def test_train_goes_on_from_its_own_checkpoint(
    run: Run, plan: Path, trained: Path, shown: list[Trainer]
) -> None:
    result = run("train", plan, "--folder", trained, "--resume", "--threads", 1)
    assert result.exit_code == 0, result.exception
    assert shown[0].progress.steps == 128
    assert f"resumed {trained / 'checkpoint.pt'} at 128 steps" in result.output


def test_train_goes_on_from_the_published_checkpoint_and_its_curve(
    run: Run, plan: Path, trained: Path, shown: list[Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "ROOT", Path.cwd())
    Path("policies").mkdir()
    published = Path("policies") / "quick.checkpoint.pt"
    published.write_bytes((trained / "checkpoint.pt").read_bytes())
    Path("policies/quick.curve.jsonl").write_text('{"steps":64}\n')
    assert run("train", plan, "--resume", "--threads", 1).exit_code == 0
    assert shown[0].progress.steps == 128
    assert (shown[0].folder / "curve.jsonl").read_text().startswith('{"steps":64}')


def test_train_resumes_nothing_when_there_is_nothing(
    run: Run, plan: Path, shown: list[Trainer]
) -> None:
    assert run("train", plan, "--resume", "--threads", 1).exit_code == 0
    assert shown[0].progress.steps == 0


def test_a_checkpoint_that_can_not_be_resumed_is_refused(
    run: Run, plan: Path, shown: list[Trainer]
) -> None:
    folder = plan.parent / "bad"
    folder.mkdir()
    (folder / "checkpoint.pt").write_bytes(b"text")
    message = refused(run("train", plan, "--folder", folder, "--resume"), ContractError)
    assert "not a checkpoint" in message
    assert shown == []


def test_a_folder_that_can_not_be_made_is_refused(run: Run, plan: Path) -> None:
    message = refused(run("train", plan, "--folder", plan / "below"), HostError)
    assert message == f"--folder {plan / 'below'}: can't be made: Not a directory"


def test_a_curriculum_that_is_not_there_is_refused(run: Run) -> None:
    assert "nowhere.yaml: not found" in refused(run("train", "nowhere.yaml"), SettingsError)


def test_train_trains(run: Run, plan: Path) -> None:
    """The whole command, display included, until the last stage is passed."""
    result = run("train", plan, "--folder", plan.parent / "run", "--threads", 1)
    assert result.exit_code == 0, result.exception
    assert "stage 0" in result.output
    assert "PROMOTED" in result.output
    names = {path.name for path in (plan.parent / "run").iterdir()}
    expected = {"best.pt", "checkpoint.pt", "curve.jsonl", "passed-00.pt", "tensorboard"}
    assert names == expected


def test_training_killed_outright_goes_on_from_its_checkpoint(
    tmp_path: Path, tiny: Callable[..., Curriculum]
) -> None:
    plan = tiny(evaluate_every=64)
    file, folder = tmp_path / "plan.yaml", tmp_path / "run"
    file.write_text(yaml.safe_dump(msgspec.to_builtins(plan)), encoding="utf-8")
    arguments = [sys.executable, "-c", "from controller.cli import main; main()", "train", file]
    with subprocess.Popen(
        [*arguments, "--folder", folder, "--threads", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            deadline = time.monotonic() + 90.0
            while not (folder / "checkpoint.pt").exists() and time.monotonic() < deadline:
                assert process.poll() is None
                time.sleep(0.02)
        finally:
            process.kill()
    trainer = Trainer(plan, folder, threads=1)
    trainer.resume(folder / "checkpoint.pt")
    before = trainer.progress.steps
    assert before > 0
    assert before % 64 == 0
    next(trainer.updates())
    assert trainer.progress.steps == before + 64
