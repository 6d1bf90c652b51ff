"""Pictures of ticks. Where OpenGL is missing these fail, and the error names 'make system'."""

import logging
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from bridges import offscreen, palette, render, strip
from bridges.myohand import Layout, Start, load_model
from bridges.render import HEIGHT, WIDTH, Scene, check_target
from controller.board import RECORD
from controller.errors import HostError, SettingsError
from controller.names import JOINTS
from controller.skills import baoding
from controller.supervisor.states import State

PERIOD_NS = 25_000_000
SIZE = (WIDTH, HEIGHT + strip.HEIGHT)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


@pytest.fixture(scope="module")
def start() -> NDArray[np.void]:
    """A tick at the official start."""
    model = load_model()
    data, layout = mujoco.MjData(model), Layout(model)
    data.qpos[:] = Start.of(model).qpos
    mujoco.mj_forward(model, data)
    feedback = layout.feedback(np.array(0.0), data.qpos, data.qvel, data.act, data.xpos, data.xmat)
    goal = baoding.begin(feedback)
    record = np.zeros((), RECORD)
    record["time_ns"] = 10**12
    record["state"] = State.ACTIVE
    record["joint_pos"] = feedback.joint_pos
    record["objects"] = 2
    record["object_pos"] = feedback.object_pos
    record["target_pos"] = baoding.markers(feedback, goal)
    record["error_m"] = baoding.errors_m(feedback, goal)
    return record


def ticks(start: NDArray[np.void], count: int) -> list[NDArray[np.void]]:
    """Ticks in which ball 1 rises by 4 mm each time."""
    records = [start.copy() for _ in range(count)]
    for index, record in enumerate(records):
        record["time_ns"] += index * PERIOD_NS
        record["object_pos"][0, 2] += 0.004 * index
    return records


def picture(scene: Scene, record: NDArray[np.void]) -> NDArray[np.int64]:
    scene.pose(record)
    return scene.frame().astype(np.int64)


def centre(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean row and column of the pixels that are set."""
    return np.argwhere(mask).mean(axis=0)


def test_a_gif_shows_the_ticks_in_real_time(start: NDArray[np.void], tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    render.render(ticks(start, 5), path, baoding)
    with Image.open(path) as film:
        frames = []
        for index in range(film.n_frames):
            film.seek(index)
            frames.append(np.asarray(film.convert("RGB")))
        assert (film.n_frames, film.size, film.info["duration"]) == (3, SIZE, 50)
    for before, after in zip(frames, frames[1:], strict=False):
        assert (before != after)[:HEIGHT].any()


def test_a_gif_keeps_the_colour_of_the_state(start: NDArray[np.void], tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    render.render(ticks(start, 1), path, baoding)
    lamp = palette.rgb(palette.STATES[State.ACTIVE])
    with Image.open(path) as film:
        found = film.convert("RGB").getpixel((32, HEIGHT + 31))
    assert np.abs(np.subtract(found, np.multiply(lamp, 255))).max() <= 1


def test_an_mp4_shows_every_tick(start: NDArray[np.void], tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    render.render(ticks(start, 5), path, baoding)
    decode = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24"]
    decoded = subprocess.run([*decode, "-"], capture_output=True, check=True)
    assert re.search(rf"{SIZE[0]}x{SIZE[1]}.* 40 fps", decoded.stderr.decode())
    frames = np.frombuffer(decoded.stdout, np.uint8).reshape(-1, *SIZE[::-1], 3)
    assert len(frames) == 5
    assert len({frame.tobytes() for frame in frames}) == 5


def test_frames_are_sampled_by_time(start: NDArray[np.void]) -> None:
    records = ticks(start, 6)
    for record in records[3:]:
        record["time_ns"] += 4 * PERIOD_NS  # the loop stood still for a while
    assert render.sample(records, 40.0).tolist() == [0, 1, 2, 2, 2, 3, 3, 3, 4, 5]
    assert render.sample(records, 20.0).tolist() == [0, 2, 2, 3, 4]
    assert render.sample(records[:1], 20.0).tolist() == [0]


def test_muscles_redden_with_activation(scene: Scene, start: NDArray[np.void]) -> None:
    red = []
    for activation in (0.0, 0.5, 1.0):
        record = start.copy()
        record["activation"] = activation
        r, g, b = np.moveaxis(picture(scene, record), -1, 0)
        red.append(int(((r - g > 90) & (r - b > 70) & (b > g - 20)).sum()))
    assert red[0] < red[1] < red[2]
    assert red[2] > 5000


def test_balls_are_drawn_where_the_tick_has_them(scene: Scene, start: NDArray[np.void]) -> None:
    record = start.copy()
    record["object_pos"][1] += [-0.03, 0.0, 0.0]
    record["target_pos"][1] += [-0.03, 0.0, 0.0]
    blues = []
    for shown in (start, record):
        r, _, b = np.moveaxis(picture(scene, shown), -1, 0)
        blues.append(centre(b - r > 100))
    down, right = blues[1] - blues[0]
    assert right > 50  # the camera looks along the forearm: -x is to its right
    assert abs(down) < right


@pytest.mark.parametrize("field", ["target_pos", "joint_pos"])
def test_targets_and_joints_move(scene: Scene, start: NDArray[np.void], field: str) -> None:
    record = start.copy()
    record[field][..., -1] += 0.02 if field == "target_pos" else 0.5
    assert (picture(scene, record) != picture(scene, start)).any(axis=-1).sum() > 100


def test_a_tick_that_is_not_finite_is_survived(scene: Scene, start: NDArray[np.void]) -> None:
    before, broken = picture(scene, start), start.copy()
    for field in ("joint_pos", "activation", "object_pos", "target_pos", "error_m", "intention"):
        broken[field] = np.nan
    assert picture(scene, broken).shape == before.shape
    assert strip.draw(broken, baoding, 0.0, WIDTH).shape == (strip.HEIGHT, WIDTH, 3)
    assert (picture(scene, start) == before).all()


@pytest.mark.parametrize("state", State)
def test_the_strip_shows_the_state(start: NDArray[np.void], state: State) -> None:
    record = start.copy()
    record["state"] = state
    lamp = strip.draw(record, baoding, 1.0, WIDTH)[31, 32]
    wanted = ImageColor.getrgb(palette.STATES[state])
    assert np.abs(lamp.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize(("value", "side"), [(-1.0, slice(195, 270)), (1.0, slice(290, 365))])
def test_the_strip_shows_the_rotation(start: NDArray[np.void], value: float, side: slice) -> None:
    record = start.copy()
    record["intention"][0] = value
    drive = ImageColor.getrgb(palette.DRIVE)
    blue = (np.abs(strip.draw(record, baoding, 0.0, WIDTH)[50].astype(int) - drive) <= 1).all(
        axis=-1
    )
    assert blue[side].all()
    assert blue.sum() < 100


def test_mujoco_writes_no_log_file(
    scene: Scene,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    model = load_model()
    data = mujoco.MjData(model)
    data.qpos[len(JOINTS)] = np.nan
    with caplog.at_level(logging.WARNING, "mujoco"):
        mujoco.mj_step(model, data)
    assert "QPOS" in caplog.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["film.avi", "film"])
def test_another_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name}: .*allowed: \.gif, \.mp4"):
        check_target(tmp_path / name)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no/such does not exist"):
        check_target(tmp_path / "no/such/film.gif")


def test_a_file_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.gif").mkdir()
    with pytest.raises(HostError, match=r"film\.gif: can't be written: Is a directory"):
        check_target(tmp_path / "film.gif")


def test_a_check_changes_nothing(tmp_path: Path) -> None:
    old = tmp_path / "OLD.MP4"
    old.write_bytes(b"old")
    check_target(old)
    check_target(tmp_path / "new.gif")
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


def test_a_machine_without_opengl_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offscreen, "BACKENDS", ("nonsense", "glx"))
    with pytest.raises(HostError, match="nonsense: RuntimeError.*glx: .*make system"):
        offscreen.offscreen_backend.__wrapped__()


def test_a_driver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offscreen, "PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr(offscreen, "PROBE_TIMEOUT_S", 0.1)
    with pytest.raises(HostError, match=r"no answer within 0\.1 s"):
        offscreen.offscreen_backend.__wrapped__()
