"""``myoloop train``, ``export``, ``evaluate``, ``analyse``; heavy imports wait until used."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

import typer

from controller import data
from controller.errors import HostError, SettingsError

if TYPE_CHECKING:
    from training.learn import Learner

POSTURE_TASKS: Final = ("digits", "transitions", "sine", "step")


def train(
    curriculum: Annotated[Path, typer.Argument(help="Curriculum file, see configs/curriculum/.")],
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on from the folder's checkpoint, else from the published one, else start.",
        ),
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Where checkpoints and curves go (default: runs/NAME).")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads for physics and learning.")] = 2,
) -> None:
    """Train a policy stage by stage: static to dynamic, slow to fast.

    Promotion goes by deterministic episodes on fixed seeds. Kill it at any time:
    --resume continues with the same optimiser, normaliser, curriculum and random state.
    TensorBoard reads the folder.
    """
    from training.skills import load_plan

    curriculum = data.find(str(curriculum), Path.cwd())
    plan = load_plan(curriculum)
    folder = folder or Path("runs") / curriculum.stem
    saved = folder / "checkpoint.pt"
    if saved.exists() and not resume:
        raise SettingsError(f"{saved} exists: give --resume to go on, or another --folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"--folder {folder}: can't be made: {error.strerror}") from None

    import torch

    from training.balls.learn import BallsTrainer
    from training.balls.plan import BallsCurriculum
    from training.display import show
    from training.learn import Learner
    from training.posture.learn import PostureTrainer
    from training.posture.plan import PostureCurriculum
    from training.ppo import Trainer

    torch.set_num_threads(threads)
    trainer: Learner
    first: Path | None = None  # a checkpoint that the curriculum begins with
    if isinstance(plan, PostureCurriculum):
        trainer = PostureTrainer(plan, folder, threads)
    elif isinstance(plan, BallsCurriculum):
        first = data.find(plan.begin_with, Path.cwd())
        trainer = BallsTrainer(plan, folder, threads)
    else:
        trainer = Trainer(plan, folder, threads)
    published = data.ROOT / "policies" / f"{curriculum.stem}.checkpoint.pt"
    if resume and saved.exists():
        _resume(trainer, saved)
    elif resume and published.exists():
        _go_on(trainer, published)
    elif first is not None:
        _go_on(trainer, first)
    show(trainer)


def _resume(trainer: "Learner", path: Path) -> None:
    trainer.resume(path)
    print(f"resumed {path} at {trainer.progress.steps:,} steps", file=sys.stderr)


def _go_on(trainer: "Learner", path: Path) -> None:
    """Go on from a checkpoint of another folder; its history goes on as well."""
    curve = path.with_name(path.name.replace(".checkpoint.pt", ".curve.jsonl"))
    if curve.exists() and curve != path:
        shutil.copyfile(curve, trainer.folder / "curve.jsonl")
    _resume(trainer, path)


def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint of 'myoloop train', or an ONNX network trained elsewhere on the "
            "official environment."
        ),
    ],
    output: Annotated[Path, typer.Option(help="The ONNX file to write.")] = Path(
        "policies/baoding.onnx"
    ),
) -> None:
    """Turn a checkpoint into one ONNX file with its contract.

    Numeric parity with torch is measured first. The checkpoint with its curriculum
    state, and the learning curve, are put beside it: enough to go on training. A foreign
    ONNX network (86 observations to 39 actions) is wrapped instead: docs/policy.md.
    """
    if checkpoint.suffix == ".onnx":
        from training.wrap import wrap

        wrap(checkpoint, output)
        print(f"{output}: {checkpoint} wrapped with the official observation and action map")
        return
    from training.export import publish

    difference = publish(checkpoint, output)
    print(f"{output}: differs from torch by at most {difference:.1e} of excitation in 60 steps")


def evaluate(
    policy: Annotated[Path, typer.Argument(help="An exported policy.")],
    env: Annotated[
        str,
        typer.Option(help="An official environment: P1, P2 or, for postures, myoHandPose..."),
    ] = "",
    start: Annotated[
        Literal["classic", "current"] | None,
        typer.Option(help="P1's start angle: 3 pi/4 as in 2022, or pi/4 as today."),
    ] = None,
    perturb: Annotated[
        bool,
        typer.Option("--perturb", help="P1 or a digit with noise on its deterministic start."),
    ] = False,
    task: Annotated[
        Literal["hold", "cw", "ccw", "profile", "digits", "transitions", "sine", "step"] | None,
        typer.Option(
            help="One of the project's own tasks instead; of postures: the ten official digits "
            "in turn, digit to digit, the grip as a sine, the grip as a step."
        ),
    ] = None,
    period: Annotated[
        float,
        typer.Option(min=4.0, max=1000.0, help="Time of one turn for cw and ccw, in seconds."),
    ] = 20.0,
    episodes: Annotated[int, typer.Option(min=1, help="How many.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of the first episode.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Score a policy under the daemon's own tick, gate included.

    Without --env and --task: the official P1, classic start, or for a posture policy the
    digits in turn. Unperturbed P1 and the fixed digits have a deterministic reset: every
    episode is the same.
    """
    if env and task:
        raise SettingsError("--env and --task exclude each other")
    if task and (perturb or start):
        raise SettingsError("--start and --perturb belong to --env")

    from controller.policy import load
    from controller.skills import posture

    policy = data.find(str(policy), Path.cwd())
    if load(policy).contract.skill == posture.NAME:
        _evaluate_posture(policy, env, start, perturb, task, seed, episodes, json)
        return

    from bridges.official_env import P1, P2
    from training.evaluate import Asked
    from training.scoreboard import run

    if task in POSTURE_TASKS:
        raise SettingsError(f"--task {task}: of posture policies; {policy} is none")
    official = "" if task else env or P1
    asked = Asked(
        policy=policy,
        env=official,
        start=start or ("current" if official == P2 else "classic"),
        perturb=perturb,
        task=cast(Any, task or "hold"),
        period_s=period,
        seed=seed,
    )
    run(asked, episodes, json)


def _evaluate_posture(
    policy: Path,
    env: str,
    start: str | None,
    perturb: bool,
    task: str | None,
    seed: int,
    episodes: int,
    json: bool,
) -> None:
    from training.posture.evaluate import PostureAsked
    from training.posture.scoreboard import run

    if start:
        raise SettingsError("--start belongs to P1; a posture policy has none")
    if task and task not in POSTURE_TASKS:
        raise SettingsError(f"--task {task}: of Baoding; postures have {', '.join(POSTURE_TASKS)}")
    own = cast(Any, task or "digits")
    run(PostureAsked(policy, env, perturb, own, seed), episodes, json)


def analyse(
    policy: Annotated[Path, typer.Argument(help="An exported policy.")],
    episodes: Annotated[int, typer.Option(min=12, help="Hands, each one episode of 5 s.")] = 60,
    period: Annotated[
        float, typer.Option(min=4.0, max=1000.0, help="Time of one turn, in seconds.")
    ] = 20.0,
    output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("runs/analysis"),
    threads: Annotated[int, typer.Option(min=1, help="Threads for the physics.")] = 2,
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Show what a policy learned: dimensions of movement and control, what its memory knows.

    Hold, clockwise and counter-clockwise in turn; the values of the 2024 Neuron paper
    stand beside its own. docs/analysis.md
    """
    import msgspec

    from training.analyse import analyse as measure
    from training.analysis_report import draw, show

    found = measure(data.find(str(policy), Path.cwd()), episodes, period, threads)
    try:
        pictures = draw(found, output)
    except OSError as error:
        raise HostError(f"--output {output}: can't be written: {error.strerror}") from None
    if json:
        print(msgspec.json.format(msgspec.json.encode(found.figures), indent=2).decode())
        return
    show(found.figures)
    print(*pictures, sep="\n")
