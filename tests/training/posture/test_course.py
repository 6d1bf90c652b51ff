import numpy as np
import pytest
import torch

from training.posture.body import Body
from training.posture.course import course
from training.posture.geometry import fit
from training.posture.hands import PoseHands
from training.posture.pilot import bare, seen
from training.posture.targets import named


@pytest.fixture(scope="module")
def hands() -> PoseHands:
    return PoseHands(10, "official", threads=1)


def test_it_leads_where_mujoco_does(hands: PoseHands) -> None:
    """A step's course is off by a fraction of its way; contacts are not in it."""
    body, pilot = Body(hands, fit()), bare(hands)
    hands.place(np.arange(10), np.zeros((10, 23)))
    off, way, drift = 0.0, 0.0, 0.0
    for _ in range(50):
        before = seen(hands)
        excitation = pilot.excite(named()[:10])
        hands.step(excitation)
        with torch.inference_mode():
            asked = torch.from_numpy(excitation.astype(np.float32))
            guessed = course(body, body(before[0]), before, asked)
        after = seen(hands)
        off += float((guessed[0] - after[0]).norm(dim=1).mean())
        way += float((after[0] - before[0]).norm(dim=1).mean())
        drift = max(drift, float((guessed[2] - after[2]).abs().mean()))
    assert off < 0.5 * way
    assert drift < 0.02


def test_its_gradient_tells_what_mujoco_does(hands: PoseHands) -> None:
    """More excitation of each muscle, and where each hand is then: the signs agree."""
    body, pilot = Body(hands, fit()), bare(hands)
    hands.place(np.arange(10), np.tile(named()[5] / 2, (10, 1)))
    still = pilot.excite(np.tile(named()[5] / 2, (10, 1)))[0]
    muscle = int(np.argmax(still))
    more = np.tile(still, (10, 1))
    more[1, muscle] = min(1.0, still[muscle] + 0.2)
    state = tuple(part[:1] for part in seen(hands))
    excitation = torch.tensor(still[None], dtype=torch.float32, requires_grad=True)
    angle = course(body, body(state[0]), state, excitation)[0]
    hands.step(more)
    moved = hands.feedback().joint_pos
    moved = moved[1] - moved[0]
    joint = int(np.argmax(np.abs(moved)))
    angle[0, joint].backward()
    assert excitation.grad is not None
    slope = float(excitation.grad[0, muscle])
    assert np.sign(slope) == np.sign(moved[joint])
    assert 0.3 < slope * (more[1, muscle] - still[muscle]) / moved[joint] < 3.0
