"""The emulated stimulator behaves as its documents say."""

import pytest

from bridges.devices.sciencemode_codec import decode, encode
from bridges.devices.sciencemode_frame import Packet, Unwrapper, wrap
from bridges.devices.sciencemode_messages import (
    Answer,
    ChannelAnswer,
    Command,
    CurrentData,
    LlChannelConfig,
    LlInit,
    MlGetCurrentData,
    MlInit,
    MlStop,
    MlUpdate,
    Plain,
    Point,
    Result,
    Status,
    StimStatus,
    Train,
)
from hil.emulators.faults import Faults
from hil.emulators.sciencemode import StimulatorModel

STATUS = Plain(Command.GET_STIM_STATUS)


def pulse(width=200, current=20.0, period=25.0, ramp=3, back=-20.0):
    points = (Point(width, current), Point(100, 0.0), Point(width, back))
    return Train(period, ramp, points)


def update(*trains):
    return MlUpdate((*trains, *(None,) * (8 - len(trains))))


class Bench:
    def __init__(self, fault="", outputs=8):
        self.model, self.now_s = StimulatorModel(Faults.parse(fault, ("electrode",)), outputs), 0.0

    def ask(self, request, number=5):
        return self.wire(encode(number, request), number)

    def wire(self, data, number=5):
        (answer,) = self.model.hear(data, self.now_s)
        (packet,) = Unwrapper().feed(answer)
        assert packet.number == number
        return decode(packet)

    def wait(self, seconds):
        for _ in range(round(seconds / 0.005)):
            self.now_s += 0.005
            self.model.advance(self.now_s)


@pytest.fixture
def bench():
    return Bench()


def result_of(answer):
    return answer.to, Result(answer.result)


def test_nothing_leaves_before_it_was_made_ready(bench):
    assert result_of(bench.ask(update(pulse()))) == (Command.ML_UPDATE, Result.NOT_INITIALISED)
    assert result_of(bench.ask(MlStop())) == (Command.ML_STOP, Result.NOT_INITIALISED)
    assert bench.ask(STATUS) == StimStatus(0, Status.IDLE, 0)
    bench.ask(MlInit(True))
    assert bench.ask(STATUS).status == Status.MID_LEVEL
    assert bench.ask(update(pulse())).result == 0
    assert bench.ask(STATUS).status == Status.RUNNING and set(bench.model.outputs) == {0}
    assert bench.ask(update(None, pulse())).result == 0
    assert set(bench.model.outputs) == {1}  # who is not named is silent
    assert bench.ask(MlStop()).result == 0 and not bench.model.outputs


@pytest.mark.parametrize(
    "train",
    [
        pulse(current=130.5, back=-130.5),
        pulse(width=9),
        pulse(period=0.25),
        pulse(width=4095, period=8.0),
    ],
)
def test_what_is_beyond_its_limits_is_a_wrong_parameter(bench, train):
    bench.ask(MlInit(True))
    assert bench.ask(update(train)).result == Result.PARAMETER
    assert not bench.model.outputs


def test_it_does_not_care_for_charge_which_is_the_computers_affair(bench):
    bench.ask(MlInit(True))
    assert bench.ask(update(pulse(back=-10.0))).result == Result.OK
    assert bench.model.unbalanced == 1


def test_pulses_rise_in_a_ramp(bench):
    bench.ask(MlInit(True))
    bench.ask(update(pulse(ramp=3)))
    seen = []
    for _ in range(5):
        bench.wait(0.005)
        seen.append(bench.model.outputs[0].current_ma)
        bench.wait(0.02)
    assert seen == [5.0, 10.0, 15.0, 20.0, 20.0]


def test_its_watchdog_pauses_after_two_seconds_and_an_update_goes_on(bench):
    bench.ask(MlInit(True))
    bench.ask(update(pulse()))
    bench.wait(1.9)
    assert bench.ask(MlGetCurrentData(4)).active[0]  # which keeps it alive
    bench.wait(1.9)
    bench.ask(STATUS)  # which does not
    assert not bench.model.paused
    bench.wait(0.2)
    assert bench.model.paused and not bench.ask(MlGetCurrentData(4)).active[0]
    assert bench.model.paused
    bench.ask(update(pulse()))
    assert not bench.model.paused and bench.model.pauses == 1


@pytest.mark.parametrize("stop_on_error, left", [(True, set()), (False, {0})])
def test_a_lost_electrode(stop_on_error, left):
    bench = Bench("electrode=2")
    bench.ask(MlInit(stop_on_error))
    bench.ask(update(pulse(), pulse(current=14.5, back=-14.5)))
    bench.wait(0.3)
    assert bench.ask(MlGetCurrentData(4)).result == Result.OK  # too little current to tell
    bench.ask(update(pulse(), pulse()))
    bench.wait(0.3)
    found = bench.ask(MlGetCurrentData(4))
    assert isinstance(found, CurrentData) and found.errors[1] == Result.ELECTRODE
    assert set(bench.model.outputs) == left
    bench.ask(MlInit(True))
    assert bench.ask(MlGetCurrentData(4)).result == Result.OK


def test_wrong_bytes_and_unknown_commands_are_answered(bench):
    spoilt = bytearray(encode(5, MlInit(True)))
    spoilt[-2] ^= 1
    assert result_of(bench.wire(bytes(spoilt), 0)) == (Command.GENERAL_ERROR, Result.TRANSFER)
    found = bench.wire(wrap(Packet(5, 999, b"")))
    assert result_of(found) == (Command.UNKNOWN_COMMAND, Result.UNKNOWN_COMMAND)
    cut = wrap(Packet(5, Command.ML_UPDATE, b"\x01"))
    assert result_of(bench.wire(cut)) == (Command.ML_UPDATE, Result.PARAMETER)


def test_the_low_level_gives_a_pulse_when_asked(bench):
    one = LlChannelConfig(True, 1, 1, pulse().points)
    assert bench.ask(one) == ChannelAnswer(Result.NOT_INITIALISED, 1, 1)
    assert bench.ask(LlInit(6, 0)).result == 0
    assert bench.ask(one) == ChannelAnswer(Result.OK, 1, 1)
    assert isinstance(bench.ask(Plain(Command.LL_STOP)), Answer)
    assert bench.ask(STATUS).status == Status.IDLE


def test_a_rehamove3_answers_as_its_document_says():
    bench = Bench(outputs=4)
    assert bench.ask(Plain(Command.GET_VERSION_MAIN)).protocol[0] == 3
    unknown = Answer(Command.UNKNOWN_COMMAND, Result.UNKNOWN_COMMAND)
    assert bench.ask(Plain(Command.GET_EXTENDED_VERSION)) == unknown
    assert bench.ask(MlInit(True)).result == Result.PARAMETER  # a reserved byte
    assert bench.ask(MlInit(False)).result == Result.OK
    assert bench.ask(update(*[None] * 4, pulse())).result == Result.PARAMETER
    assert bench.ask(update(pulse(period=22.25))).result == Result.PARAMETER  # a reserved bit
    assert bench.ask(update(pulse(period=22.5))).result == Result.OK
    assert bench.ask(MlGetCurrentData(2)) == CurrentData(0, 2, (True,) * 4, (0,) * 4)
    assert bench.ask(MlGetCurrentData(4)) == unknown


def test_a_p24_does_not_know_the_other_question():
    bench = Bench()
    assert bench.ask(Plain(Command.GET_EXTENDED_VERSION)).protocol[0] == 4
    assert bench.ask(Plain(Command.GET_VERSION_MAIN)).to is Command.UNKNOWN_COMMAND
