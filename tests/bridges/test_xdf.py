"""A recording of the real LabRecorder as the intention (tests/data/labrecorder.xdf).

It holds 6.5 s of ``bridges.simulated_intention``: ready, hold, slow turn, faster.
"""

import math
from pathlib import Path

import pytest

from bridges.xdf import OVER, create
from controller.errors import SettingsError, StreamError
from controller.skills.baoding import CHANNELS
from controller.skills.skill import Channel

FILE = Path(__file__).parents[1] / "data/labrecorder.xdf"
LENGTH_S = 6.51
OTHER = (Channel("speed", -1.0, 1.0, ""),)


def source(**options):
    return create({"file": str(FILE), **options}, CHANNELS, "test.yaml: source.options")


def test_samples_come_when_they_came():
    intention = source()
    begun = intention.read(100.0)
    assert (begun.values.tolist(), begun.engage, begun.age_s) == ([0.0], 0.0, 0.0)
    assert begun.fresh and begun.fault == ""
    assert begun.raw_stamp_s + begun.correction_s == pytest.approx(100.0)
    assert not intention.read(100.001).fresh
    told = [intention.read(100.0 + 0.01 * step) for step in range(1, 640)]
    assert all(0.0 <= one.age_s < 0.02 for one in told)
    assert sum(one.fresh for one in told) > 500  # stamps jitter
    story = [(round(float(one.values[0]), 2), one.engage) for one in told]
    assert list(dict.fromkeys(story)) == [(0.0, 0.0), (0.0, 1.0), (0.1, 1.0), (0.15, 1.0)]


def test_its_end_is_a_fault_and_it_grows_old():
    intention = source()
    intention.read(0.0)
    ended = intention.read(LENGTH_S + 1.0)
    assert ended.fault == OVER and not ended.fresh
    assert ended.age_s == pytest.approx(1.0, abs=0.05)


def test_it_may_be_repeated():
    intention = source(repeat=True)
    intention.read(0.0)
    again = intention.read(LENGTH_S + 0.005)
    assert (again.engage, again.fault, again.fresh) == (0.0, "", True)
    assert again.age_s < 0.02
    assert math.isclose(again.raw_stamp_s + again.correction_s, LENGTH_S, abs_tol=0.05)


@pytest.mark.parametrize(
    ("options", "channels", "words"),
    [
        ({"file": "/none.xdf"}, CHANNELS, ["/none.xdf", "No such file"]),
        ({"file": __file__}, CHANNELS, ["test_xdf.py", "not an XDF file"]),
        ({"file": str(FILE)}, OTHER, ["speed/engage", "'myoloop-intention' with rotation/engage"]),
        ({"file": str(FILE), "name": "x"}, CHANNELS, ["0 streams", "myoloop-intention"]),
    ],
)
def test_what_can_not_be_played_is_named(options, channels, words):
    with pytest.raises(StreamError) as raised:
        create(options, channels, "test.yaml: source.options")
    assert all(word in str(raised.value) for word in ("test.yaml", *words)), raised.value
    assert len(str(raised.value).splitlines()) == 1


def test_a_torn_recording_plays_as_far_as_it_goes(tmp_path):
    torn = tmp_path / "torn.xdf"
    torn.write_bytes(FILE.read_bytes()[:6000])
    intention = source(file=str(torn))
    intention.read(0.0)
    assert intention.read(1.5).engage == 1.0
    assert intention.read(LENGTH_S).fault == OVER


@pytest.mark.parametrize("options", [{}, {"file": ""}, {"file": "a", "loop": True}])
def test_a_wrong_option_is_refused(options):
    with pytest.raises(SettingsError, match="test.yaml"):
        create(options, CHANNELS, "test.yaml")
