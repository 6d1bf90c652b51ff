"""The hand in 3-D, for a browser: bones, skin, muscles coloured by activation, balls, targets."""

import logging
from typing import Any, Final

import mujoco
import numpy as np
import trimesh
import viser
from mjviser.conversions import merge_geoms
from numpy.typing import NDArray

from bridges import palette, stage
from bridges.myohand import Layout

Record = NDArray[np.void]
BONES: Final = 0  # geom group of the bones' meshes
BONE_RGB: Final = (205, 190, 163)
SKIN_RGB: Final = (232, 189, 163)
SKIN_OPACITY: Final = 0.14
GAMMA: Final = 2.2  # the browser takes a line's colours for linear light
FOV_RAD: Final = 0.9
MUSCLE_M: Final = 0.0018
REST: Final = "#b98f80"  # seen on a dark and on a light ground
TARGET_OPACITY: Final = 0.28
FIRST_BODY: Final = "ulna"  # nothing of the body above the elbow is shown


class Hand:
    """Draws a tick; what does not change is sent once."""

    def __init__(self, scene: viser.SceneApi) -> None:
        # A user's handler keeps MuJoCo from writing MUJOCO_LOG.TXT into the folder.
        mujoco.set_mju_user_warning(logging.getLogger("mujoco").warning)
        self._stage = stage.Stage()
        model = self._stage.model
        layout = Layout(model)
        self._muscles = model.actuator_trnid[:, 0]
        self._bodies: list[tuple[int, Any]] = []
        first = model.body(FIRST_BODY).id
        for body in range(first, model.nbody):
            self._add_body(scene, body)
        self._lines = scene.add_line_segments(
            "/muscles",
            np.zeros((1, 2, 3), np.float32),
            np.zeros((1, 2, 3), np.uint8),
            thickness=MUSCLE_M,
        )
        radii = model.geom_size[layout.ball_geoms, 0]
        self._balls = [
            scene.add_icosphere(
                f"/ball{index + 1}",
                radius=float(radius),
                color=_rgb(colour),
                cast_shadow=False,
                receive_shadow=False,
            )
            for index, (radius, colour) in enumerate(zip(radii, palette.BALLS, strict=True))
        ]
        self._targets = [
            scene.add_icosphere(
                f"/target{index + 1}",
                radius=float(radius) * stage.TARGET_SHELL,
                color=_rgb(colour),
                opacity=TARGET_OPACITY,
                cast_shadow=False,
            )
            for index, (radius, colour) in enumerate(zip(radii, palette.BALLS, strict=True))
        ]

    def _add_body(self, scene: viser.SceneApi, body: int) -> None:
        model = self._stage.model
        own = np.flatnonzero(model.geom_bodyid == body).tolist()
        bones = [geom for geom in own if model.geom_group[geom] == BONES]
        skin = [geom for geom in own if model.geom_group[geom] == stage.SKIN_GROUP]
        if bones:
            mesh = merge_geoms(model, bones)
            mesh.merge_vertices()  # a third of the data, and smooth
            self._add(scene, body, "bone", mesh, BONE_RGB, None)
        if skin:
            limbs = trimesh.util.concatenate([_limb(model, geom) for geom in skin])
            self._add(scene, body, "skin", limbs, SKIN_RGB, SKIN_OPACITY)

    def _add(
        self,
        scene: viser.SceneApi,
        body: int,
        name: str,
        mesh: Any,
        rgb: tuple[int, int, int],
        opacity: float | None,
    ) -> None:
        handle = scene.add_mesh_simple(
            f"/{self._stage.model.body(body).name}/{name}",
            np.asarray(mesh.vertices, np.float32),
            np.asarray(mesh.faces, np.uint32),
            color=rgb,
            opacity=opacity,
            cast_shadow=False,
            receive_shadow=False,
        )
        self._bodies.append((body, handle))

    def show(self, record: Record) -> None:
        """Draw a tick (a board.RECORD)."""
        self._stage.pose(record)
        data = self._stage.data
        for body, handle in self._bodies:
            handle.position, handle.wxyz = data.xpos[body], data.xquat[body]
        self._lines.points, self._lines.colors = self._paths(record)
        objects = int(record["objects"])
        for index, (ball, target) in enumerate(zip(self._balls, self._targets, strict=True)):
            ball.visible = target.visible = index < objects
            ball.position = record["object_pos"][index]
            target.position = record["target_pos"][index]

    def _paths(self, record: Record) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Each muscle from wrap point to wrap point: ends (n, 2, 3) and colours (n, 2, 3)."""
        data = self._stage.data
        points = data.wrap_xpos.reshape(-1, 3)
        segments, colours = [], []
        for tendon, activation in zip(self._muscles, record["activation"], strict=True):
            start, count = data.ten_wrapadr[tendon], data.ten_wrapnum[tendon]
            path = points[start : start + count]
            segments.append(np.stack([path[:-1], path[1:]], axis=1))
            colours.append(np.tile(muscle_rgb(float(activation)), (count - 1, 2, 1)))
        return np.concatenate(segments).astype(np.float32), np.concatenate(colours)


def _limb(model: Any, geom: int) -> Any:
    """A capsule or an ellipsoid with few faces: phones draw it, too."""
    size = model.geom_size[geom]
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
        mesh = trimesh.creation.capsule(2 * size[1], size[0], count=(16, 16))
    else:
        mesh = trimesh.creation.icosphere(subdivisions=2)
        mesh.apply_scale(size)
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = turn.reshape(3, 3), model.geom_pos[geom]
    return mesh.apply_transform(place)


def muscle_rgb(activation: float) -> NDArray[np.uint8]:
    """From pale at rest to red in full force, (3,)."""
    share = palette.tone(activation)
    rest, full = (
        np.array(palette.rgb(REST)),
        np.array(palette.rgb(palette.MUSCLE_FULL)),
    )
    shown = rest + share * (full - rest)
    rgb: NDArray[np.uint8] = np.round(255 * shown**GAMMA).astype(np.uint8)
    return rgb


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in palette.rgb(colour))
    return red, green, blue


def camera(
    palm: NDArray[np.float64] | tuple[float, ...] = stage.PALM_M, away: float = 1.0, up: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the eye is, and where it looks: as in the pictures.

    Args:
        palm: where it is, (3,) [m].
        away: times the usual distance.
        up: how far above the middle the hand is to be, as a share of the picture's height.
    """
    view = mujoco.MjvCamera()
    stage.aim(view)
    azimuth, elevation = np.radians([view.azimuth, view.elevation])
    ahead = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    side = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    distance = away * view.distance
    down = np.cross(ahead, side) * up * 2.0 * distance * np.tan(FOV_RAD / 2.0)
    centre = view.lookat + (np.asarray(palm) - stage.PALM_M) + down
    return centre - distance * ahead, centre
