"""``myoloop analyse`` on a few hands and a fifth of a second."""

import json
from pathlib import Path

import mujoco
import numpy as np
import pytest
import typer
from myosuite.utils.mujoco_geom_utils import refresh_geom_derived_fields
from typer.testing import CliRunner

from bridges import myohand
from training import analyse, commands, episode_log
from training.analysis_report import rows
from training.batch import Balls, Hands, Physics
from training.curriculum import Task
from training.episode_log import Networks, record
from training.subspace import Components

TASKS = [Task(do="hold"), Task(do="rotate", direction="cw"), Task(do="rotate", direction="ccw")]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episode_log, "STEPS", 8)
    monkeypatch.setattr(analyse, "KEPT", (0, 39))
    monkeypatch.setattr("training.analysis_report.KEPT", (0, 39))
    monkeypatch.setattr(analyse, "SETTLED", 2)
    monkeypatch.setattr(analyse, "SAMPLE_EVERY", 3)
    monkeypatch.setattr(analyse, "DECODING_BATCHES", 1)


def test_a_log_has_every_step_of_every_hand(policy: Path) -> None:
    log = record(policy, Hands(3, Physics.named("coarse"), 1), TASKS, seed=1)
    assert log.task.tolist() == [0, 1, 2]
    assert log.alive.all()
    assert log.joint_pos.shape == log.joint_vel.shape == (8, 3, 23)
    assert log.activation.shape == log.excitation.shape == (8, 3, 39)
    assert log.memory.shape[:2] == log.seen.shape[:2] == (8, 3)
    assert not np.array_equal(log.memory[0], log.memory[7])


def test_a_batch_of_networks_is_the_policy_hand_by_hand(policy: Path) -> None:
    from controller.policy import load
    from controller.skills import baoding

    hands = Hands(2, Physics.named("coarse"), 1)
    networks, single = Networks(policy, 2), load(policy)
    goal = baoding.begin_at(np.array([0.1, 0.2]))
    networks.excite(hands.feedback(), goal)
    hands.step(np.full((2, 39), 0.3))
    second = networks.excite(hands.feedback(), goal)
    fresh = Networks(policy, 2)
    fresh.excite(Hands(2, Physics.named("coarse"), 1).feedback(), goal)
    seen = [fresh.seen[1], networks.seen[1]]
    single.reset()
    assert np.allclose([single.infer(one).copy() for one in seen][-1], second[1], atol=1e-6)


def test_keeping_all_components_changes_nothing() -> None:
    excitation = np.random.default_rng(0).uniform(0.01, 0.9, (500, 39))
    found = Components.of(analyse.to_action(excitation))
    whole = analyse.Inactivation(found, found.first(39))
    assert np.allclose(whole(excitation), excitation)
    none = analyse.Inactivation(found, found.last(0))(excitation)
    assert np.ptp(none, axis=0).max() < 1e-12
    assert np.allclose(myohand.to_excitation(analyse.to_action(excitation)), excitation)


def test_balls_are_made_as_the_official_environment_makes_them() -> None:
    mass, radius = np.array([0.05, 0.28]), np.array([0.019, 0.0235])
    friction = np.array([[0.9, 0.0045, 0.00009], [1.1, 0.0055, 0.00011]])
    hands = Hands(2, Physics.named("official"), 1)
    alike = [np.stack([one, one]) for one in (mass, radius, friction)]
    hands.make_balls(Balls(*alike))
    hands.place(np.arange(2))
    model, layout = myohand.load_model(), hands.layout
    model.body_mass[layout.balls] = mass
    model.geom_size[layout.ball_geoms, 0] = radius
    model.geom_friction[layout.ball_geoms] = friction
    refresh_geom_derived_fields(model, myohand._built()[1], layout.balls)
    data = mujoco.MjData(model)
    data.qpos[:] = hands.start_qpos
    excitation = np.linspace(0.0, 0.05, 39)
    data.ctrl[:] = excitation
    for _ in range(30):
        hands.step(np.tile(excitation, (2, 1)))
        mujoco.mj_step(model, data, 10)
    mujoco.mj_forward(model, data)
    assert np.allclose(hands.feedback().object_pos[1], data.xpos[layout.balls], atol=1e-6)


def test_the_command_draws_and_prints(policy: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(commands.analyse)
    arguments = [str(policy), "--episodes", "12", "--output", str(tmp_path), "--threads", "1"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["components"].keys() == {
        "joint positions",
        "joint velocities",
        "muscle activations",
        "actions",
    }
    assert figures["inactivation"]["first"][-1] == figures["inactivation"]["last"][-1]
    assert 0.0 <= figures["decoding"]["task"]["recurrent state"] <= 1.0
    assert {path.name for path in tmp_path.iterdir()} == {"components.png", "inactivation.png"}
    table = rows(figures)
    assert ("muscles above 5 %", f"{figures['muscles_active']:.1f}", "17.0", "") in table
    assert len(table) == 4 + 1 + 4 * 2
