"""Where the palm is in the world, and the hand's capsules in the palm's frame, in torch.

Products of exponentials (Brockett 1984): each joint turns what follows it about an axis that is
where it was with all joints at 0. Axes, anchors and capsules are read from the compiled model.
"""

from typing import Any, Final, NamedTuple

import mujoco
import numpy as np
import torch
from torch import nn

from bridges.myohand import PALM_BODY, Layout, load_model
from controller.messages import Array
from training.posture.geometry import GROUPS
from training.posture.muscles import keep

WRIST: Final = GROUPS[0]  # joints between the world and the palm
FINGERS: Final = GROUPS[1:]  # of four joints each, thumb first
LINKS: Final = (
    ("firstmc", "proximal_thumb", "distal_thumb"),
    *((f"proxph{k}", f"midph{k}", f"distph{k}") for k in (2, 3, 4, 5)),
)  # bodies after a finger's second, third and fourth joint
ON_LINK: Final = (0, 1, 2, 2)  # of the four capsules of a finger: the last is its tip
SKIN: Final = tuple(f"{k}mcskin" for k in (2, 3, 4, 5))  # capsules of the palm itself
CAPSULES: Final = len(FINGERS) * len(ON_LINK) + len(SKIN)


class Motion(NamedTuple):
    """How the links moved from where they are with all joints at 0.

    Attributes:
        turn: rotations, (n, 5, 3, 3, 3): hands, fingers, links.
        shift: translations [m], (n, 5, 3, 3).
    """

    turn: torch.Tensor
    shift: torch.Tensor


class Capsules(NamedTuple):
    """Both ends of the axis of each capsule in the palm's frame [m], (n, 24, 3)."""

    begin: torch.Tensor
    end: torch.Tensor


def cross_matrices(axis: Array) -> Array:
    """The matrices (..., 3, 3) that take the cross product with vectors (..., 3)."""
    x, y, z = np.moveaxis(axis, -1, 0)
    o = np.zeros_like(x)
    return np.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(*axis.shape, 3)


def turned(points: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Vectors (..., 3), each by its own rotation (..., 3, 3)."""
    return (turn @ points[..., None])[..., 0]


def _rotation(cross: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Rodrigues' formula: rotations (..., 3, 3) by angles (...) [rad] about given axes."""
    angle = angle[..., None, None]
    return torch.eye(3) + torch.sin(angle) * cross + (1.0 - torch.cos(angle)) * (cross @ cross)


class Kinematics(nn.Module):
    """Joint angles (n, 23) [rad] -> poses.

    Attributes:
        radius: of the capsules [m], (24,).
    """

    wrist_axis: torch.Tensor
    wrist_anchor: torch.Tensor
    palm_turn: torch.Tensor
    palm_place: torch.Tensor
    finger_axis: torch.Tensor
    finger_anchor: torch.Tensor
    begin: torch.Tensor
    end: torch.Tensor
    skin_begin: torch.Tensor
    skin_end: torch.Tensor
    radius: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        model = load_model()
        data = mujoco.MjData(model)
        data.qpos[:] = 0.0
        data.qpos[Layout(model).ball_qpos + 3] = 1.0  # quaternions of the balls
        mujoco.mj_kinematics(model, data)
        palm = model.body(PALM_BODY).id
        turn, place = data.xmat[palm].reshape(3, 3), data.xpos[palm]
        wrist, fingers = np.array(WRIST), np.array(FINGERS)
        keep(self, "wrist_axis", cross_matrices(data.xaxis[wrist]))
        keep(self, "wrist_anchor", data.xanchor[wrist])
        keep(self, "palm_turn", turn)
        keep(self, "palm_place", place)
        keep(self, "finger_axis", cross_matrices(data.xaxis[fingers] @ turn))
        keep(self, "finger_anchor", (data.xanchor[fingers] - place) @ turn)
        found = [_capsules_of(model, data, links) for links in LINKS]
        skin = [_axis_of(model, data, model.geom(name).id) for name in SKIN]
        for name, ends in (("begin", 0), ("end", 1)):
            keep(self, name, (np.array([[c[ends] for c in f] for f in found]) - place) @ turn)
            keep(self, f"skin_{name}", (np.array([c[ends] for c in skin]) - place) @ turn)
        keep(self, "radius", [c[2] for f in (*found, skin) for c in f])

    def palm(self, angle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotation (n, 3, 3) and place (n, 3) [m] of the palm in the world."""
        turn, shift = torch.eye(3).expand(len(angle), 3, 3), torch.zeros(len(angle), 3)
        for joint in WRIST:
            own = _rotation(self.wrist_axis[joint], angle[:, joint])
            moved = self.wrist_anchor[joint] - own @ self.wrist_anchor[joint]
            shift, turn = turned(moved, turn) + shift, turn @ own
        return turn @ self.palm_turn, (turn @ self.palm_place) + shift

    def fingers(self, angle: torch.Tensor) -> Motion:
        """Motions of the links in the palm's frame."""
        own = _rotation(self.finger_axis, angle[:, len(WRIST) :].reshape(-1, 5, 4))
        moved = self.finger_anchor - turned(self.finger_anchor, own)
        turn, shift, turns, shifts = own[:, :, 0], moved[:, :, 0], [], []
        for joint in (1, 2, 3):
            shift, turn = turned(moved[:, :, joint], turn) + shift, turn @ own[:, :, joint]
            turns.append(turn)
            shifts.append(shift)
        return Motion(torch.stack(turns, 2), torch.stack(shifts, 2))

    def capsules(self, angle: torch.Tensor) -> Capsules:
        """The capsules of the fingers, four each, thumb first, then those of the palm."""
        motion, n = self.fingers(angle), len(angle)
        turn, shift = motion.turn[:, :, ON_LINK], motion.shift[:, :, ON_LINK]
        ends = [
            torch.cat([(turned(own, turn) + shift).reshape(n, -1, 3), skin.expand(n, -1, 3)], 1)
            for own, skin in ((self.begin, self.skin_begin), (self.end, self.skin_end))
        ]
        return Capsules(*ends)


def _capsules_of(model: Any, data: Any, links: tuple[str, ...]) -> list[tuple[Array, Array, float]]:
    """The capsule of each link of a finger, and that of the tip, which lies on the last."""
    found: dict[int, tuple[Array, Array, float]] = {}
    for link, name in enumerate(links):
        body = model.body(name).id
        for geom in np.flatnonzero((model.geom_bodyid == body) & (model.geom_contype != 0)):
            is_capsule = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE
            found[link if is_capsule else len(links)] = _axis_of(model, data, int(geom))
    return [found[slot] for slot in range(len(ON_LINK))]


def _axis_of(model: Any, data: Any, geom: int) -> tuple[Array, Array, float]:
    """Ends of the axis in the world [m] and radius [m] of a capsule, or of one as the geom is."""
    turn, centre = data.geom_xmat[geom].reshape(3, 3), data.geom_xpos[geom]
    size = model.geom_size[geom]
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
        along, half, radius = 2, size[1], size[0]
    else:  # an ellipsoid: as thick as its two shorter axes in the mean
        along, (thin, thick, _) = int(np.argmax(size)), np.sort(size)
        radius = thick * 0.5 + thin * 0.5
        half = max(size[along] - radius, 0.0)
    reach = half * turn[:, along]
    return centre - reach, centre + reach, float(radius)
