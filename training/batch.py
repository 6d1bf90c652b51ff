"""Many hands stepped at once on native threads (``mujoco.batch``, mujoco >= 4.0).

``persistent=True`` with ``stage=VEL`` refreshes the derived quantities that the
observation reads and continues the next step from them: on two cores this is as
fast as not refreshing at all.
"""

from dataclasses import dataclass
from typing import Final

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from bridges.myohand import Layout, Start, load_model
from controller.messages import Array, Feedback
from controller.names import JOINTS
from controller.skills.baoding import CONTROL_STEP_S

BAD: Final = {
    int(mujoco.mjtWarning.mjWARN_BADQPOS): "position",
    int(mujoco.mjtWarning.mjWARN_BADQVEL): "velocity",
    int(mujoco.mjtWarning.mjWARN_BADQACC): "acceleration",
    int(mujoco.mjtWarning.mjWARN_BADCTRL): "excitation",
}


# The balls of the official P1, and how far those of P2 go (myosuite 3.0.0, challenge/baoding).
BALL_MASS_KG: Final = (0.043, (0.030, 0.300))
BALL_RADIUS_M: Final = (0.022, (0.018, 0.024))
BALL_FRICTION: Final = np.array([1.0, 0.005, 0.0001])  # sliding, spinning, rolling
BALL_FRICTION_CHANGE: Final = np.array([0.2, 0.001, 0.00002])


@dataclass(frozen=True, slots=True)
class Balls:
    """The balls of a batch: mass [kg] and radius [m] (n, 2), friction (n, 2, 3)."""

    mass: Array
    radius: Array
    friction: Array

    @classmethod
    def drawn(
        cls, count: int, spread: float, rng: np.random.Generator, usual: float = 0.0
    ) -> "Balls":
        """Drawn from a share ``spread`` of P2's ranges; 0 are the balls of P1.

        So are those of a share ``usual`` of the hands.
        """
        own = np.where(rng.random((count, 1)) < usual, 0.0, spread)

        def uniform(nominal: float, ends: tuple[float, float]) -> Array:
            low, high = (nominal + own * (end - nominal) for end in ends)
            return rng.uniform(low, high, (count, 2))

        mass, radius = uniform(*BALL_MASS_KG), uniform(*BALL_RADIUS_M)
        change = own[..., None] * rng.uniform(-1, 1, (count, 2, 3)) * BALL_FRICTION_CHANGE
        return cls(mass, radius, BALL_FRICTION + change)

    @property
    def usual(self) -> NDArray[np.bool_]:
        """Hands whose balls are those of P1, (n,)."""
        same: NDArray[np.bool_] = (self.mass == BALL_MASS_KG[0]).all(axis=1)
        return same

    def twice(self) -> "Balls":
        """The same again for a second half of a batch."""
        parts = (self.mass, self.radius, self.friction)
        return Balls(*(np.concatenate([part, part]) for part in parts))


@dataclass(frozen=True, slots=True)
class Physics:
    """How finely a control step of 25 ms is integrated.

    The official model takes 10 Euler steps; 3 implicit steps train as well (same
    scores within noise on 32 starts) at three times the speed.
    """

    substeps: int
    integrator: int

    @classmethod
    def named(cls, name: str) -> "Physics":
        """``official`` or ``coarse``."""
        return {
            "official": cls(10, int(mujoco.mjtIntegrator.mjINT_EULER)),
            "coarse": cls(3, int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST)),
        }[name]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is added to the state of hands.

    Attributes:
        angle, speed: of the joints [rad], [rad/s], (n, 23).
        activation: of the muscles; stays within 0-1, (n, 39).
        place, velocity: of the balls in the world [m], [m/s], (n, 2, 3).
        spin: of the balls about their own axes [rad/s], (n, 2, 3).
    """

    angle: Array
    speed: Array
    activation: Array
    place: Array
    velocity: Array
    spin: Array


class Hands:
    """A batch of MyoHands with two balls each; feedback arrays are live views.

    Attributes:
        balls: what they are made like.
    """

    def __init__(self, count: int, physics: Physics, threads: int = 0) -> None:
        model = load_model()
        model.opt.timestep = CONTROL_STEP_S / physics.substeps
        model.opt.integrator = physics.integrator
        self.count = count
        self.layout = Layout(model)
        self.start_qpos = Start.of(model).qpos
        self._substeps = physics.substeps
        self.what_broke = ""
        self.balls = Balls.drawn(count, 0.0, np.random.default_rng(0))
        self._own_balls = False
        self._joint_range = model.jnt_range[: len(JOINTS)].T
        self._batch = Batch(model, count, threads, persistent=True)
        self._qpos, self._qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self._act, self._ctrl = self._batch.bind("act"), self._batch.bind("ctrl")
        self._xpos, self._xmat = self._batch.bind("xpos"), self._batch.bind("xmat")
        self.place(np.arange(count))

    def step(self, excitation: Array) -> None:
        """One control step of 25 ms under these excitations, (count, 39)."""
        self._ctrl[:] = excitation
        self._batch.step(nstep=self._substeps, stage=mujoco.mjtStage.mjSTAGE_VEL)

    def place(
        self, ids: NDArray[np.intp], joint_offset: Array | None = None, balls: Array | None = None
    ) -> None:
        """Put hands back to the official start.

        Args:
            ids: which hands, (n,).
            joint_offset: added to the joint angles, within their limits [rad], (n, 23).
            balls: where the ball centres go instead of their own start [m], (n, 2, 3).
        """
        self._batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE)
        self._qpos[ids] = self.start_qpos
        if joint_offset is not None:
            moved = self._qpos[ids, : len(JOINTS)] + joint_offset
            self._qpos[ids, : len(JOINTS)] = np.clip(moved, *self._joint_range)
        if balls is not None:
            for ball, address in enumerate(self.layout.ball_qpos):
                self._qpos[ids, address : address + 3] = balls[:, ball]
        self._batch.forward(ids, stage=mujoco.mjtStage.mjSTAGE_VEL)

    def start_balls(self, ids: NDArray[np.intp]) -> Array:
        """Ball centres at the official start [m], (n, 2, 3)."""
        one = np.stack([self.start_qpos[a : a + 3] for a in self.layout.ball_qpos])
        return np.tile(one, (ids.size, 1, 1))

    def feedback(self) -> Feedback:
        """The feedback of all hands, copied so that it stays as it was."""
        return self.layout.feedback(
            self._batch.bind("time").copy(),
            self._qpos.copy(),
            self._qvel.copy(),
            self._act.copy(),
            self._xpos,
            self._xmat,
        )

    def draw_balls(
        self, spread: float, rng: np.random.Generator, usual: float = 0.0, twins: bool = False
    ) -> None:
        """Draw each hand's balls from a share of P2's ranges; 0 brings P1's back.

        A share ``usual`` of the hands has P1's; with ``twins`` the second half of the hands has
        what the first has.
        """
        if spread or self._own_balls:
            count = self.count // 2 if twins else self.count
            made = Balls.drawn(count, spread, rng, usual)
            self.make_balls(made.twice() if twins else made)

    def make_balls(self, made: Balls) -> None:
        """Give each hand its own balls.

        Their inertia stays: it is the least that the model's compiler allows, which no ball
        of P2 exceeds.
        """
        self.balls, self._own_balls = made, True
        balls, geoms = self.layout.balls, self.layout.ball_geoms
        self._batch.expand("body_mass")[:, balls] = made.mass
        self._batch.expand("geom_size")[:, geoms, 0] = made.radius
        self._batch.expand("geom_rbound")[:, geoms] = made.radius
        self._batch.expand("geom_aabb")[:, geoms, 3:] = made.radius[..., None]
        volumes = self._batch.expand("bvh_aabb")
        volumes[:, self.layout.ball_bvh, 3:] = made.radius[..., None]
        self._batch.expand("geom_friction")[:, geoms] = made.friction
        self._batch.set_const()

    def states(self) -> Array:
        """The whole state of all hands, (count, nstate), full physics first; a copy."""
        states: Array = self._batch.state.copy()
        return states

    def ball_spin(self) -> Array:
        """Angular velocity of both balls [rad/s], (count, 6): for the critic only."""
        spin: Array = self._qvel[:, self.layout.ball_angular].reshape(self.count, -1)
        return spin

    def ball_spin_world(self) -> Array:
        """Angular velocity of both balls about the axes of the world [rad/s], (count, 2, 3)."""
        turn = self._xmat[:, self.layout.balls].reshape(self.count, 2, 3, 3)
        spin: Array = np.einsum("nbij,nbj->nbi", turn, self._qvel[:, self.layout.ball_angular])
        return spin

    def copy(self, of: NDArray[np.intp], to: NDArray[np.intp]) -> None:
        """Put the hands ``to``, (n,), into the whole state of the hands ``of``, (n,)."""
        self.put(to, self._batch.state[of])

    def put(self, ids: NDArray[np.intp], states: Array) -> None:
        """Put hands, (n,), into whole states, (n, nstate), that ``states`` once gave."""
        self._batch.state[ids] = states
        self._batch.forward(ids, stage=mujoco.mjtStage.mjSTAGE_VEL)

    def disturb(self, ids: NDArray[np.intp], by: Disturbance) -> None:
        """Change the state of these hands, (n,)."""
        joints = len(JOINTS)
        self._qpos[ids, :joints] += by.angle
        self._qvel[ids, :joints] += by.speed
        self._act[ids] = np.clip(self._act[ids] + by.activation, 0.0, 1.0)
        for ball, address in enumerate(self.layout.ball_qpos):
            self._qpos[ids, address : address + 3] += by.place[:, ball]
            self._qvel[ids[:, None], self.layout.ball_linear[ball]] += by.velocity[:, ball]
            self._qvel[ids[:, None], self.layout.ball_angular[ball]] += by.spin[:, ball]
        self._batch.forward(ids, stage=mujoco.mjtStage.mjSTAGE_VEL)

    def broken(self) -> NDArray[np.bool_]:
        """Hands whose physics became non-finite or was reset by MuJoCo since the last call.

        ``what_broke`` then says in words what it was.
        """
        lost, self.what_broke = broken(self._batch, self._qpos)
        return lost


def broken(batch: Batch, qpos: Array) -> tuple[NDArray[np.bool_], str]:
    """Hands lost since the last call, (count,), and in words what it was; forgets them."""
    kinds = batch.warning[:, list(BAD), 1] > 0
    batch.warning[:] = 0
    lost: NDArray[np.bool_] = kinds.any(axis=1) | ~np.isfinite(qpos).all(axis=1)
    named = [name for name, any_ in zip(BAD.values(), kinds.any(axis=0), strict=True) if any_]
    return lost, f"their {' and '.join(named) or 'position'} is not finite or too large"
