"""A curriculum that fits in a second, what it trains, and the policy that comes of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from training import display
from training.batch import Hands, Physics
from training.curriculum import Curriculum, Learning, Noise, Promotion, Stage, Starts, Task

Tiny = Callable[..., Curriculum]


def _tiny(stages: int = 1, solved: float = 1.0, **changes: Any) -> Curriculum:
    """A curriculum of 8 hands whose stages differ in speed; nobody reaches ``solved`` = 1."""
    plan = [
        Stage(
            name=f"stage {index}",
            tasks=[Task(do="hold"), Task(do="rotate", period_s=(20.0 - index, 30.0))],
            noise=Noise(sigma=0.1, correlation=0.5, fade_to=0.05, fade_steps=1000),
            promote=Promotion(solved=solved, times=1),
            starts=Starts(on_targets=0.75),
            learning=Learning(steps=8, epochs=2, minibatches=2),
            episode_s=0.25,
            drop_height_m=1.25,
        )
        for index in range(stages)
    ]
    settings = {
        "hands": 8,
        "seed": 3,
        "evaluate_every": 64,
        "evaluation_episodes": 8,
        "hidden": 8,
        "critic": (8,),
        **changes,
    }
    return Curriculum(skill="baoding", stages=plan, **settings)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order, and room for others on the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def away_from_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo writes MUJOCO_LOG.TXT into the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    """Makes tiny curricula."""
    return _tiny


@pytest.fixture(scope="session")
def hands() -> Hands:
    """Four coarse hands that a test may leave as it likes."""
    return Hands(4, Physics.named("coarse"), threads=1)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training of two updates, with an evaluation after each."""
    from training.ppo import Trainer

    folder = tmp_path_factory.mktemp("trained")
    trainer = Trainer(_tiny(), folder, threads=1)
    for _, report in zip(range(2), trainer.updates(), strict=False):
        assert report.problem == ""
    return folder


@pytest.fixture(scope="session")
def policy(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported policy that has learned nothing worth mentioning."""
    from training.export import export

    target = tmp_path_factory.mktemp("policy") / "tiny.onnx"
    export(trained / "checkpoint.pt", target)
    return target


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Learners that would have been shown; nothing is learned."""
    learners: list[Any] = []
    monkeypatch.setattr(display, "show", learners.append)
    return learners


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


@pytest.fixture(scope="session")
def same() -> Callable[[Any, Any], bool]:
    """Whether nested data of tensors is equal to the last bit."""
    return _same
