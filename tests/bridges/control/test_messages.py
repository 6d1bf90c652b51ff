import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.control.messages import (
    MAX_BYTES,
    Reply,
    Request,
    decode_reply,
    decode_request,
    encode,
)
from controller.errors import MyoloopError

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_a_request_and_its_reply_come_back_as_they_were():
    request = Request(verb="swap", text="/ä.onnx", number=7)
    assert decode_request(encode(request)) == request
    reply = Reply(ok=True, message="stopped", state="FAULT", number=7, status={"tick": 3})
    assert decode_reply(encode(reply)) == reply


@given(st.binary(max_size=200) | plain.map(msgspec.msgpack.encode))
def test_whatever_comes_is_a_request_or_one_line(frame):
    try:
        request = decode_request(frame)
    except MyoloopError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(request, Request)


@given(
    st.fixed_dictionaries(
        {"verb": st.sampled_from(["arm", "estop", "fly"]) | plain},
        optional={"version": st.integers(0, 3) | plain, "number": plain, "text": plain, "x": plain},
    )
)
def test_only_a_request_of_this_version_is_taken(fields):
    try:
        request = decode_request(msgspec.msgpack.encode(fields))
    except MyoloopError:
        return
    assert set(fields) <= {"verb", "version", "number", "text"}
    assert request.verb in ("arm", "estop") and request.version == 1


@given(st.binary(max_size=200) | plain.map(msgspec.msgpack.encode))
def test_whatever_answers_is_a_reply_or_an_error(frame):
    try:
        assert isinstance(decode_reply(frame), Reply)
    except MyoloopError as error:
        assert "control port" in str(error)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"x" * (MAX_BYTES + 1), "at most 16384"),
        (b"\xc1", "not a request"),
        (b"\x91" * 5000, "not a request"),
        (msgspec.msgpack.encode({"verb": "fly"}), "not a request.*verb"),
        (msgspec.msgpack.encode({"verb": "arm", "version": 2}), "version 2; this daemon speaks 1"),
        (msgspec.msgpack.encode({"verb": "swap", "text": "x" * 1001}), "1000"),
    ],
)
def test_what_is_wrong_is_named(frame, words):
    with pytest.raises(MyoloopError, match=words):
        decode_request(frame)
