"""The simulated decoder: its story as data, and what of it arrives over real LSL."""

import json
import signal
from itertools import pairwise

import pylsl
import pytest

from bridges.lsl_session import use_session
from bridges.simulated_intention import STORY, Scene, duration_s, scene_at

SPEED = 6.0  # the story is over in 5.6 s, its first scene in 0.17 s


@pytest.fixture
def start_simulated(start, lsl_session, source_id):
    def run(*options: str, source_id=source_id):
        return start(
            *("-m", "bridges.simulated_intention"),
            *("--session", lsl_session, "--source-id", source_id, *options),
        )

    return run


@pytest.fixture
def recorders(lsl_session):
    """Connects as a recording program does: every sample is kept until it is pulled."""
    use_session(lsl_session)
    opened = []

    def connect(*source_ids: str) -> list[pylsl.StreamInlet]:
        for source_id in source_ids:
            (info,) = pylsl.resolve_byprop("source_id", source_id, timeout=20.0)
            opened.append(pylsl.StreamInlet(info))
        return opened

    yield connect
    opened.clear()


def collect(recorder, process) -> list[tuple[float, float, float]]:
    """Rotation, engage and stamp of all samples until the process ends."""
    samples = []
    while process.poll() is None:
        rows, stamps = recorder.pull_chunk(0.1)
        samples += [(*row, stamp) for row, stamp in zip(rows, stamps, strict=True)]
    return samples


def wishes(scenes) -> list[tuple[float, float]]:
    """Rotation and engage of scenes, repetitions left out."""
    told = [(scene.rotation, scene.engage) for scene in scenes if not scene.silent]
    return [wish for k, wish in enumerate(told) if k == 0 or wish != told[k - 1]]


def test_the_story_engages_only_after_it_was_low():
    assert STORY[0].engage == 0.0
    for before, after in pairwise(STORY):
        if before.silent:
            assert after.engage == 0.0


def test_the_story_takes_as_long_as_its_scenes():
    assert duration_s(STORY) == 22.0
    assert duration_s(()) == 0.0


def test_scenes_follow_each_other_without_a_gap():
    first, second = Scene("a", 1.0, 0.0, 0.0), Scene("b", 2.0, 0.1, 1.0)
    at = {time_s: scene_at((first, second), time_s) for time_s in (0.0, 0.99, 1.0, 2.99, 3.0)}
    assert at == {0.0: first, 0.99: first, 1.0: second, 2.99: second, 3.0: None}


def test_once_read_it_plays_its_scenes_in_order_is_silent_when_it_says_and_ends(
    start_simulated, recorders, source_id
):
    process = start_simulated("--speed", str(SPEED))
    stages, intention = recorders(f"{source_id}-story", source_id)
    stages.info(20.0)  # else a pull would wait for it when the outlet is gone
    stages.open_stream(20.0)
    samples = collect(intention, process)
    named = [json.loads(row[0])["stage"] for row in stages.pull_chunk()[0]]
    assert named == [scene.name for scene in STORY] + ["rest"]
    heard = [(round(rotation, 3), engage) for rotation, engage, _ in samples]
    rest = (0.0, 0.0)
    told = [wish for k, wish in enumerate(heard) if k == 0 or wish != heard[k - 1]]
    # complete, although connecting takes a second: it waits for a reader
    assert told == [*wishes(STORY), rest]
    assert (process.returncode, process.stdout.read()) == (0, b"")
    silence = next(scene.seconds for scene in STORY if scene.silent) / SPEED
    back = next(k for k, (a, b) in enumerate(pairwise(samples)) if a[1] == 1.0 and b[1] == 0.0)
    assert samples[back + 1][2] - samples[back][2] >= silence - 0.02  # one sample at each end


def test_a_signal_ends_it_cleanly(start_simulated, recorders, source_id):
    numbers = (signal.SIGINT, signal.SIGTERM)
    names = [f"{source_id}-{number}" for number in numbers]
    processes = [start_simulated(source_id=name) for name in names]
    for recorder in recorders(*names):
        assert recorder.pull_sample(20.0)[0] is not None
    for process, number in zip(processes, numbers, strict=True):
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert process.stdout.read() == b""


def test_it_starts_again_with_loop_adds_noise_with_seed_and_names_scenes_with_verbose(
    start_simulated, open_source, read_until
):
    process = start_simulated("--speed", "20", "--loop", "--seed", "7", "--verbose")
    source = open_source()
    turning = read_until(source, lambda i: i.values[0] > 0.125)
    assert turning.values[0] != pytest.approx(0.15)
    read_until(source, lambda i: i.engage == 1.0)
    process.send_signal(signal.SIGUSR1)  # for a second, which is nearly a story
    read_until(source, lambda i: i.engage == 0.0 and i.values[0] > 0.125)
    read_until(source, lambda i: i.values[0] < -0.1)  # reverse, which comes once a story
    read_until(source, lambda i: i.values[0] > 0.125)  # faster, of the next one
    process.terminate()
    told = process.communicate(timeout=20)[0].decode().splitlines()
    assert {"faster", "reverse"} <= set(told) <= {scene.name for scene in STORY}
