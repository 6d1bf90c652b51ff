"""How the hand looks, and how a recorded tick becomes a pose: for pictures and the window.

Bones, a translucent skin, muscles that redden with activation, two balls, and a
translucent shell where the goal wants each ball.
"""

from typing import Any, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from bridges import palette
from bridges.myohand import Layout, load_model
from controller.names import JOINTS

SKIN_GROUP: Final = 4  # geom group of the hand's collision capsules
TARGETS: Final = ("target1_site", "target2_site")
SKIN_RGBA: Final = (0.91, 0.74, 0.64, 0.22)
BONE_GLOW: Final = 0.15  # a little light of their own: the skin dims them
FLOOR_RGBA: Final = (0.93, 0.94, 0.95, 1.0)
FOG_M: Final = (0.6, 1.0)  # from the camera: behind the hand, before the floor
NOWHERE_M: Final = (0.0, 0.0, -10.0)
TARGET_ALPHA: Final = 0.30
TARGET_SHELL: Final = 1.16  # of the ball's radius: seen as a halo when the ball is in place

CENTRE_M: Final = (-0.239, -0.486, 1.44)  # between wrist and finger tips
PALM_M: Final = (-0.241, -0.461, 1.418)  # of the official start, for which that is the centre
LIGHT_M: Final = (-0.65, -0.75, 2.3)
DISTANCE_M: Final = 0.275
AZIMUTH_DEG: Final = 242.0  # along the forearm, as the hand's owner sees it
ELEVATION_DEG: Final = -76.0


class Stage:
    """The dressed model, and its state at one tick."""

    def __init__(self) -> None:
        self.model = load_model()
        self.data = mujoco.MjData(self.model)
        self._layout = Layout(self.model)
        self._targets = [self.model.site(name).id for name in TARGETS]
        _hide_scenery(self.model)
        _dress(self.model, self._layout, self._targets)
        _light(self.model)

    def pose(self, record: NDArray[np.void]) -> None:
        """Put hand, muscles, balls and targets where ``record`` (a board.RECORD) has them."""
        data, objects = self.data, int(record["objects"])
        data.qpos[: len(JOINTS)] = record["joint_pos"]
        data.act[:] = [palette.tone(share) for share in record["activation"].tolist()]
        for index, start in enumerate(self._layout.ball_qpos):
            seen = index < objects  # a hand alone: its balls are nowhere near
            data.qpos[start : start + 3] = record["object_pos"][index] if seen else NOWHERE_M
        mujoco.mj_fwdPosition(self.model, data)
        data.site_xpos[self._targets] = NOWHERE_M
        data.site_xpos[self._targets[:objects]] = record["target_pos"][:objects]


def aim(camera: Any) -> None:
    """Look at the palm from above the forearm; ``camera`` is a free MjvCamera."""
    camera.lookat[:] = CENTRE_M
    camera.distance, camera.azimuth, camera.elevation = DISTANCE_M, AZIMUTH_DEG, ELEVATION_DEG


def choose(options: Any) -> None:
    """Show the skin, and colour muscles by activation; ``options`` is an MjvOption."""
    options.geomgroup[SKIN_GROUP] = 1
    options.flags[mujoco.mjtVisFlag.mjVIS_ACTUATOR] = 1
    options.flags[mujoco.mjtVisFlag.mjVIS_ACTIVATION] = 1


def _hide_scenery(model: Any) -> None:
    """Leave of the room only a plain floor, and no lines but the muscles."""
    model.geom_rgba[model.geom_bodyid == 0, 3] = 0.0
    model.site_rgba[:, 3] = 0.0
    helpers = np.setdiff1d(np.arange(model.ntendon), model.actuator_trnid[:, 0])
    model.tendon_rgba[helpers, 3] = 0.0  # from each ball to its target
    _paint(model, model.geom("floor").id, FLOOR_RGBA)


def _dress(model: Any, layout: Layout, targets: list[int]) -> None:
    skin = np.flatnonzero((model.geom_group == SKIN_GROUP) & (model.geom_bodyid != 0))
    _paint(model, skin, SKIN_RGBA)
    model.mat_emission[model.geom("capitate").matid] = BONE_GLOW
    for ball, target, colour in zip(layout.ball_geoms, targets, palette.BALLS, strict=True):
        glaze = model.geom_matid[ball]
        model.mat_rgba[glaze, :3] = palette.rgb(colour)
        model.mat_specular[glaze], model.mat_shininess[glaze] = 0.7, 0.8
        model.site_rgba[target] = (*palette.rgb(colour), TARGET_ALPHA)
        model.site_size[target] = TARGET_SHELL * model.geom_size[ball, 0]
        model.site_group[target] = 0  # a group that is shown
    model.vis.rgba.actuator[:3] = palette.rgb(palette.MUSCLE_REST)
    model.vis.rgba.actuatorpositive[:3] = palette.rgb(palette.MUSCLE_FULL)
    model.vis.map.actuatortendon = 1.6  # of the tendon's width


def _paint(model: Any, geoms: Any, rgba: tuple[float, ...]) -> None:
    """A plain colour instead of a material."""
    model.geom_matid[geoms] = -1
    model.geom_rgba[geoms] = rgba


def _light(model: Any) -> None:
    """Soft light from the viewer, and one lamp above the hand."""
    model.vis.headlight.ambient[:] = 0.45
    model.vis.headlight.diffuse[:] = 0.35
    model.vis.headlight.specular[:] = 0.05
    towards = np.subtract(CENTRE_M, LIGHT_M)
    model.light_pos[0], model.light_dir[0] = LIGHT_M, towards / np.linalg.norm(towards)
    model.vis.rgba.fog[:] = FLOOR_RGBA
    model.vis.map.fogstart, model.vis.map.fogend = np.divide(FOG_M, model.stat.extent)
    model.light_diffuse[0], model.light_specular[0] = 0.45, 0.25
    model.light_cutoff[0], model.light_exponent[0] = 80.0, 2.0
