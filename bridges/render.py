"""Recorded ticks as a picture that moves: ``.gif`` or ``.mp4``, in real time.

Runs after the loop has ended: it takes all the time that it needs.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import imageio_ffmpeg
import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor
from rich.console import Console
from rich.progress import track

from bridges import palette, stage, strip
from bridges.offscreen import make_context, offscreen_backend
from bridges.strip import Image8
from controller.errors import HostError, SettingsError
from controller.ports import Skill

FRAME_RATES: Final = {".gif": 20.0, ".mp4": 40.0}  # by suffix: frames a second
WIDTH: Final = 640
HEIGHT: Final = 640 - strip.HEIGHT  # square with the strip; codecs like multiples of 16
FINE: Final = 2  # drawn this much larger, then reduced: smooth edges at half of MSAA's cost
MAX_GEOMS: Final = 2000  # of the scene, three times of what it has
PALETTE_FRAMES: Final = 8  # that a GIF's one palette is made from
MP4_QUALITY: Final = 8  # imageio's scale, 10 is best


def check_target(path: Path) -> None:
    """Refuse before a run what could not be written after it.

    Raises:
        SettingsError: another suffix than FRAME_RATES has.
        HostError: the file can't be written, or nothing renders on this machine.
    """
    if path.suffix.lower() not in FRAME_RATES:
        raise SettingsError(
            f"{path}: can't make a picture of the kind {path.suffix or 'without suffix'!r}; "
            f"allowed: {', '.join(FRAME_RATES)}"
        )
    if not path.parent.is_dir():
        raise HostError(f"{path}: the folder {path.parent} does not exist")
    existed = path.exists()
    try:
        path.open("ab").close()
    except OSError as error:
        raise HostError(f"{path}: can't be written: {error.strerror}") from None
    if not existed:
        path.unlink()
    offscreen_backend()


class Scene:
    """The hand, drawn off screen one tick at a time."""

    def __init__(self) -> None:
        # A user's handler keeps MuJoCo from writing MUJOCO_LOG.TXT into the folder.
        mujoco.set_mju_user_warning(logging.getLogger("mujoco").warning)
        self._stage = stage.Stage()
        model = self._stage.model
        self._view = mujoco.MjrRect(0, 0, FINE * WIDTH, FINE * HEIGHT)
        model.vis.global_.offwidth, model.vis.global_.offheight = FINE * WIDTH, FINE * HEIGHT
        model.vis.quality.offsamples = 0
        self._camera, self._options = mujoco.MjvCamera(), mujoco.MjvOption()
        stage.aim(self._camera)
        stage.choose(self._options)
        self._scene = mujoco.MjvScene(model, MAX_GEOMS)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0  # not worth twice the time
        self._scene.flags[mujoco.mjtRndFlag.mjRND_FOG] = 1  # an even background
        self._gl = make_context(FINE * WIDTH, FINE * HEIGHT)
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)

    def pose(self, record: NDArray[np.void]) -> None:
        """Take over a tick (a board.RECORD)."""
        self._stage.pose(record)

    def frame(self) -> Image8:
        """The picture of the pose, (HEIGHT, WIDTH, 3)."""
        image = np.empty((FINE * HEIGHT, FINE * WIDTH, 3), np.uint8)
        mujoco.mjv_updateScene(
            self._stage.model,
            self._stage.data,
            self._options,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        mujoco.mjr_render(self._view, self._scene, self._context)
        mujoco.mjr_readPixels(image, None, self._view, self._context)
        upright = image[::-1]  # OpenGL counts rows from below
        return np.asarray(Image.fromarray(upright).reduce(FINE))

    def close(self) -> None:
        """Free the graphics memory."""
        self._context.free()
        self._gl.free()


def render(
    records: Sequence[NDArray[np.void]], path: Path, skill: Skill, fps: float | None = None
) -> None:
    """Write ticks (board.RECORD) to ``path`` as they passed, in real time.

    Args:
        records: at least one, in order of time.
        skill: that the hand worked at.
        path: see ``check_target``.
        fps: frames a second, FRAME_RATES' unless given.
    """
    suffix = path.suffix.lower()
    fps = fps or FRAME_RATES[suffix]
    chosen = [records[index] for index in sample(records, fps)]
    scene = Scene()
    try:
        film = _Film(scene, chosen, skill, path.name)
        (_write_gif if suffix == ".gif" else _write_mp4)(film, path, fps)
    finally:
        scene.close()


def sample(records: Sequence[NDArray[np.void]], fps: float) -> NDArray[np.intp]:
    """Which record each frame shows: the nearest in time, (frames,)."""
    times = np.array([record["time_ns"] for record in records]) / 1e9
    frames = int((times[-1] - times[0]) * fps + 1e-6) + 1
    wanted = times[0] + np.arange(frames) / fps
    indices: NDArray[np.intp] = np.searchsorted((times[:-1] + times[1:]) / 2, wanted)
    return indices


class _Film:
    """Frames of chosen records, drawn when they are asked for."""

    def __init__(
        self, scene: Scene, records: list[NDArray[np.void]], skill: Skill, name: str
    ) -> None:
        self._scene, self._records, self._skill, self._name = scene, records, skill, name

    def __iter__(self) -> Iterator[Image8]:
        screen = Console(stderr=True)
        for record in track(self._records, f"drawing {self._name}", console=screen):
            yield self._draw(record)

    def some(self, count: int) -> list[Image8]:
        """A few frames, spread over the whole film."""
        step = math.ceil(len(self._records) / count)
        return [self._draw(record) for record in self._records[::step]]

    def _draw(self, record: NDArray[np.void]) -> Image8:
        elapsed_s = float(record["time_ns"] - self._records[0]["time_ns"]) / 1e9
        self._scene.pose(record)
        below = strip.draw(record, self._skill, elapsed_s, WIDTH)
        return np.concatenate([self._scene.frame(), below])


def _write_mp4(film: _Film, path: Path, fps: float) -> None:
    size = (WIDTH, HEIGHT + strip.HEIGHT)
    writer = imageio_ffmpeg.write_frames(str(path), size, fps=fps, quality=MP4_QUALITY)
    writer.send(None)
    try:
        for image in film:
            writer.send(np.ascontiguousarray(image))
    finally:
        writer.close()


def _write_gif(film: _Film, path: Path, fps: float) -> None:
    """One palette for all frames: nothing flickers, and what stands still costs nothing."""
    colours = _palette(film.some(PALETTE_FRAMES))
    pictures = (
        Image.fromarray(image).quantize(palette=colours, dither=Image.Dither.NONE) for image in film
    )
    next(pictures).save(
        path, save_all=True, append_images=pictures, duration=round(1000 / fps), loop=0
    )


def _palette(images: list[Image8]) -> Image.Image:
    """256 colours: those of the states, however small their lamp, and the most used ones."""
    lamps = [part for colour in palette.STATES.values() for part in ImageColor.getrgb(colour)]
    used = Image.fromarray(np.concatenate(images)).quantize(256 - len(palette.STATES))
    whole = Image.new("P", (1, 1))
    whole.putpalette([*(used.getpalette() or ()), *lamps])
    return whole
