"""The dialogue with an emulated stimulator, without a line or a clock between them."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml

from bridges.devices.sciencemode import ScienceMode, ScienceModeOptions
from bridges.devices.sciencemode_codec import decode, encode
from bridges.devices.sciencemode_frame import Unwrapper
from bridges.devices.sciencemode_messages import (
    Answer,
    Command,
    CurrentData,
    DeviceId,
    MlInit,
    MlStop,
    MlUpdate,
    Plain,
    Result,
    Version,
)
from bridges.devices.stimulation_limits import StimulationLimits
from bridges.feed import Command as Live
from controller.board import RECORD
from controller.names import MUSCLES
from hil.emulators.faults import Faults
from hil.emulators.sciencemode import StimulatorModel

STEP_S = 0.01
EXAMPLE = Path(__file__).parents[3] / "configs" / "fes_emulated_calibration.yaml"
GRASP = np.array([0.8 * muscle.startswith(("FDS", "FDP")) for muscle in MUSCLES], np.float32)


class Pair:
    """A dialogue and a device; what was said and answered is kept."""

    def __init__(self, fault: str = "", has: int = 8, **options) -> None:
        self.device = StimulatorModel(Faults.parse(fault, ("electrode",)), has)
        given = {"port": "none", "calibration": str(EXAMPLE), **options}
        self.dialogue = ScienceMode(msgspec.convert(given, ScienceModeOptions))
        self.now_s, self.said = 0.0, []
        self.mend = lambda answer: answer

    def say(self, data: bytes) -> None:
        self.said += [decode(packet) for packet in Unwrapper().feed(data)]
        self.device.advance(self.now_s)
        answers = map(self.mend, self.device.hear(data, self.now_s))
        self.dialogue.hear(b"".join(answers), self.now_s)

    def move(self, excitation=GRASP, seconds: float = 1.0) -> None:
        record = np.zeros((), RECORD)
        for _ in range(round(seconds / STEP_S)):
            record["number"] += 1
            if self.dialogue.trouble:
                return
            self.say(self.dialogue.move(Live(True, excitation, record), self.now_s))
            self.now_s += STEP_S

    def rest(self, seconds: float) -> None:
        """As the driver does between two arming: questions, ten a second."""
        for _ in range(round(seconds / 0.1)):
            self.now_s += 0.1
            self.say(self.dialogue.ask())


@pytest.fixture
def met():
    """A pair that knows each other."""
    pair = Pair()
    pair.say(pair.dialogue.greet())
    return pair


def replaced(change):
    """A way to change the device's answers."""

    def mend(answer: bytes) -> bytes:
        (packet,) = Unwrapper().feed(answer)
        found = change(decode(packet))
        return b"" if found is None else encode(packet.number, found)

    return mend


def test_it_knows_the_device_and_stops_it_first(met):
    assert met.dialogue.identified and met.dialogue.stopped and not met.dialogue.trouble
    assert isinstance(met.said[0], MlStop)


def test_what_a_driver_before_left_running_is_stopped_by_the_greeting(met):
    met.move()
    assert met.device.outputs
    follower = ScienceMode(ScienceModeOptions(port="none", calibration=str(EXAMPLE)))
    met.device.hear(follower.greet(), met.now_s)
    assert not met.device.outputs and met.device.stops == 1


def test_a_grasp_leads_to_pulses_within_the_limits(met):
    met.move()
    assert set(met.device.outputs) == {0} and met.device.unbalanced == 0
    assert not met.dialogue.trouble and met.dialogue.reports
    updates = [one for one in met.said if isinstance(one, MlUpdate)]
    assert len(updates) > 30 and all(
        StimulationLimits().refuse(one, (12.0,) * 8) == "" for one in updates
    )


def test_tighter_limits_hold():
    with pytest.raises(Exception, match="current"):
        Pair(limits={"current_max_ma": 10.0})


@pytest.fixture
def four(tmp_path):
    """The options for a device with four outputs."""
    raw = yaml.safe_load(EXAMPLE.read_text())
    raw["channels"] = dict(list(raw["channels"].items())[:4])
    path = tmp_path / "calibration.yaml"
    path.write_text(yaml.safe_dump(raw))
    return {"outputs": 4, "calibration": str(path)}


def test_a_rehamove3_is_known_and_driven(four):
    pair = Pair(has=4, **four)
    pair.say(pair.dialogue.greet())
    assert pair.dialogue.identified and not pair.dialogue.trouble
    pair.move()
    assert set(pair.device.outputs) == {0} and pair.dialogue.reports and not pair.dialogue.trouble
    assert MlInit(False) in pair.said and MlInit(True) not in pair.said


def test_an_electrode_that_a_rehamove3_lost_stops_it(four):
    pair = Pair("electrode=1", has=4, **four)
    pair.say(pair.dialogue.greet())
    pair.move()
    assert pair.dialogue.trouble == "output 1: electrode"
    pair.say(pair.dialogue.stop(emergency=True))
    assert not pair.device.outputs


@pytest.mark.parametrize(
    "has, words",
    [
        (4, "it does not know get_extended_version: it is no P24, so are there 8 outputs?"),
        (8, "it does not know get_version_main: it is no RehaMove3, so are there 4 outputs?"),
    ],
)
def test_the_wrong_number_of_outputs_is_refused(four, has, words):
    pair = Pair(has=has, **(four if has == 8 else {}))
    pair.say(pair.dialogue.greet())
    assert pair.dialogue.trouble == words and not pair.dialogue.identified


def test_another_version_than_that_of_the_device_is_refused():
    pair = Pair()
    pair.mend = replaced(
        lambda reply: Version(0, (1, 0, 0), (5, 0, 0)) if isinstance(reply, Version) else reply
    )
    pair.say(pair.dialogue.greet())
    words = "it speaks ScienceMode 5: it is no P24, so are there 8 outputs?"
    assert pair.dialogue.trouble == words and not pair.dialogue.identified


def test_data_of_four_channels_from_a_device_with_eight_are_passed_over(met):
    few = CurrentData(0, 2, (True,) * 4, (0,) * 4)
    met.mend = replaced(lambda reply: few if isinstance(reply, CurrentData) else reply)
    met.move()
    assert met.device.outputs and not met.dialogue.reports and not met.dialogue.trouble


def test_another_device_than_that_of_the_calibration_is_refused():
    pair = Pair()
    pair.mend = replaced(
        lambda reply: DeviceId(0, "P24-000123") if isinstance(reply, DeviceId) else reply
    )
    pair.say(pair.dialogue.greet())
    assert not pair.dialogue.identified
    assert pair.dialogue.trouble == "the calibration is of EMULATOR01, this is P24-000123"


@pytest.mark.parametrize(
    "code, words", [(2, "parameter"), (7, "not initialised"), (99, "error 99")]
)
@pytest.mark.parametrize("to", [Command.ML_INIT, Command.ML_UPDATE, Command.GENERAL_ERROR])
def test_an_error_reply_is_trouble(met, to, code, words):
    def spoil(reply):
        if to is Command.GENERAL_ERROR and isinstance(reply, CurrentData):
            return Answer(to, code)
        return Answer(to, code) if isinstance(reply, Answer) and reply.to is to else reply

    met.mend = replaced(spoil)
    met.move()
    assert met.dialogue.trouble == f"{to.name.lower()} was answered with: {words}"


def test_without_an_answer_to_its_start_no_pulse_leaves(met):
    met.mend = replaced(lambda reply: None)
    met.move()
    assert met.dialogue.trouble == "it was not ready within 200 ms"
    assert not any(isinstance(one, MlUpdate) for one in met.said)


def test_a_lost_answer_to_its_start_is_asked_for_again(met):
    answers = iter([None])
    met.mend = replaced(
        lambda reply: next(answers, reply) if reply == Answer(Command.ML_INIT, Result.OK) else reply
    )
    met.move()
    assert met.said.count(MlInit(True)) == 2 and met.device.outputs and not met.dialogue.trouble


def test_a_lost_electrode_stops_the_device_and_is_named():
    pair = Pair("electrode=1")
    pair.say(pair.dialogue.greet())
    pair.move()
    assert pair.dialogue.trouble in (
        "output 1: electrode",
        "ml_update was answered with: electrode",
    )
    assert not pair.device.outputs


def test_an_excitation_that_is_no_number_is_trouble(met):
    met.move(seconds=0.1)
    met.move(np.full(39, np.nan, np.float32))
    assert met.dialogue.trouble == "an excitation is no number"


def test_a_planned_stop_and_an_emergency_on_the_wire(met):
    met.move()
    met.say(met.dialogue.stop(emergency=False))
    assert met.said[-1] == MlStop() and not isinstance(met.said[-2], MlStop)
    assert met.dialogue.stopped and not met.device.outputs
    met.move()
    met.say(met.dialogue.stop(emergency=True))
    assert met.said[-2:] == [MlUpdate((None,) * 8), MlStop()]
    assert met.dialogue.stopped and not met.device.outputs
    assert not met.dialogue.trouble  # complaints of a stopped device are none


@pytest.mark.parametrize("lost", [0, 1])
def test_either_packet_of_an_emergency_ends_the_stimulation(met, lost):
    met.move()
    packets = Unwrapper().feed(met.dialogue.stop(emergency=True))
    met.device.hear(encode(packets[1 - lost].number, decode(packets[1 - lost])), met.now_s)
    assert not met.device.outputs


def test_an_answer_of_before_does_not_confirm_a_stop(met):
    met.move()
    late = met.device.hear(met.dialogue.ask(), met.now_s)
    met.dialogue.stop(emergency=False)  # and it does not arrive
    met.dialogue.hear(b"".join(late), met.now_s)
    assert not met.dialogue.stopped
    met.rest(0.1)  # it says that it runs
    assert not met.dialogue.stopped
    met.say(met.dialogue.stop(emergency=False))
    assert met.dialogue.stopped


def test_questions_at_rest_keep_nothing_alive(met):
    met.move()
    met.dialogue.stop(emergency=True)  # lost on the way, as is every later one
    met.rest(1.9)
    assert not met.device.paused
    met.rest(0.2)
    assert met.device.paused and not met.dialogue.stopped
    assert {type(one) for one in met.said[-21:]} == {Plain}


def test_a_new_start_begins_from_silence(met):
    met.move()
    met.say(met.dialogue.stop(emergency=False))
    before = len(met.said)
    met.move(seconds=0.1)
    updates = [one for one in met.said[before:] if isinstance(one, MlUpdate)]
    assert updates[0] == MlUpdate((None,) * 8)
    assert updates[-1].trains[0].points[0].width_us < 80
