"""What a person sees while a policy learns: stage, score, speed, time to the next score."""

from contextlib import suppress

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from torch.utils.tensorboard import SummaryWriter

from training.learn import Learner, Report
from training.score import Score


def show(trainer: Learner) -> None:
    """Train to the end, or until Ctrl-C, which saves a checkpoint first."""
    console = Console()
    board = SummaryWriter(str(trainer.folder / "tensorboard"))
    scores: list[Score] = []
    try:
        with Live(console=console, refresh_per_second=2, transient=False) as live:
            for report in trainer.updates():
                scores = report.scores or scores
                _log(board, report)
                if console.is_terminal:
                    live.update(_panel(trainer, report, scores))
                elif report.scores or report.problem:
                    console.print(_line(trainer, report))
    except KeyboardInterrupt:
        trainer.save("checkpoint.pt")
        console.print(f"saved {trainer.folder / 'checkpoint.pt'}; --resume goes on from here")
    finally:
        with suppress(OSError):
            board.close()


def _log(board: SummaryWriter, report: Report) -> None:
    try:
        _add(board, report)
    except OSError as error:  # its thread met a full disk: the curve and the learning go on
        report.problem = report.problem or f"  TENSORBOARD STOPPED: {error.strerror}"


def _add(board: SummaryWriter, report: Report) -> None:
    step = report.progress.steps
    for name, value in report.losses.items():
        board.add_scalar(f"loss/{name}", value, step)
    board.add_scalar("explored/solved", report.solved, step)
    board.add_scalar("explored/error", report.error, step)
    board.add_scalar("speed/steps_per_s", report.steps_per_s, step)
    board.add_scalar("curriculum/stage", report.progress.stage, step)
    for row in report.scores:
        board.add_scalar(f"score/{row.task}", row.solved, step)


def _line(trainer: Learner, report: Report) -> str:
    progress = report.progress
    rows = "  ".join(f"{r.task} {r.solved:.3f}/{r.survival:.2f}" for r in report.scores)
    promoted = "  PROMOTED" if report.promoted else ""
    return (
        f"{progress.steps / 1e6:.2f} M  stage {progress.stage}  {report.steps_per_s:.0f}/s  "
        f"{rows}{promoted}{report.problem}"
    )


def _panel(trainer: Learner, report: Report, scores: list[Score]) -> Panel:
    progress, plan = report.progress, trainer.curriculum
    stage = plan.stages[progress.stage]
    left = max(0, progress.next_evaluation - progress.steps)
    table = Table("task", "solved", "no drop", "median error", box=None, pad_edge=False)
    for row in scores:
        table.add_row(
            row.task, f"{row.solved:.3f}", f"{row.survival:.2f}", f"{row.error:.1f} {row.unit}"
        )
    head = Text.assemble(
        (f"stage {progress.stage + 1} of {len(plan.stages)}: {stage.name}\n", "bold"),
        f"{progress.steps / 1e6:.2f} M steps in {progress.seconds / 3600:.2f} h, "
        f"{report.steps_per_s:.0f} steps/s\n",
        f"exploring: solved {report.solved:.3f}, error {report.error:.1f}, {report.drops} drops\n",
        f"next score in {left / max(report.steps_per_s, 1.0):.0f} s; "
        f"promotion at {stage.promote.solved:.2f}",
    )
    done = plan.evaluate_every - left
    bar = Padding(ProgressBar(total=plan.evaluate_every, completed=done, width=60), 0)
    return Panel(Group(head, bar, table, Text(report.problem)), title="myoloop train")
