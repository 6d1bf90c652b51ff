"""Coverage-guided fuzzing of both device codecs, for ``make proof``.

    .venv/bin/python tests/fuzz/fuzz_codecs.py [libFuzzer's options, such as -max_total_time=60]

The recorded vectors are where it starts. Frames are found by their checksum, which a fuzzer can
hardly guess: so that each input is also wrapped rightly and then decoded.
"""

import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bridges.devices"]):
    from bridges.devices import ability_hand_codec as hand
    from bridges.devices import sciencemode_codec as stimulator
    from bridges.devices import sciencemode_frame as frame

VECTORS = Path(__file__).parents[1] / "vectors"
CUT = 7


def expect(wanted: bool, what: str) -> None:
    if not wanted:
        raise AssertionError(what)


def stream(unwrapper_of, data: bytes) -> list:
    """The frames of a stream, which must not depend on how it was cut."""
    whole = unwrapper_of().feed(data)
    pieces = unwrapper_of()
    cut = [one for at in range(0, len(data), CUT) for one in pieces.feed(data[at : at + CUT])]
    expect(cut == whole, "a cut changes what is heard")
    held = pieces._bytes if unwrapper_of is frame.Unwrapper else pieces._frame
    expect(len(held) <= frame.LONGEST, "memory is not bounded")
    return whole


def hands(payload: bytes) -> None:
    command, reply = hand.decode_command(payload), hand.decode_reply(payload)
    if command is not None:
        (again,) = hand.Unwrapper().feed(hand.encode_command(command))
        expect(hand.decode_command(again) == command, "a command changes on its way")
    if reply is not None:
        expect(hand.encode_reply(reply) == payload, "a reply changes on its way")


def stimulators(packet: frame.Packet) -> None:
    message = stimulator.decode(packet)
    if message is not None:
        (again,) = frame.Unwrapper().feed(stimulator.encode(packet.number, message))
        expect(again.number == packet.number, "a number changes on its way")
        expect(stimulator.decode(again) == message, "a message changes on its way")


def one_input(data: bytes) -> None:
    for payload in stream(hand.Unwrapper, data):
        hands(payload)
    for packet in stream(frame.Unwrapper, data):
        stimulators(packet)
    hands(data)
    if len(data) >= 2:
        prefix = int.from_bytes(data[:2], "big")
        packet = frame.Packet(prefix >> 10, prefix & 0x3FF, data[2:])
        stimulators(packet)
        if len(data) <= 500:
            found = stream(frame.Unwrapper, frame.wrap(packet))
            expect(found == [packet], "a right frame is not heard")
    if 0 < len(data) <= 70:
        expect(stream(hand.Unwrapper, hand.wrap(data)) == [data], "a right frame is not heard")


def seeds(folder: Path) -> None:
    texts = [path.read_text() for path in VECTORS.glob("*.json")]
    found = [hexadecimal for text in texts for hexadecimal in _hexadecimals(json.loads(text))]
    for number, hexadecimal in enumerate(found):
        (folder / str(number)).write_bytes(bytes.fromhex(hexadecimal))


def _hexadecimals(node) -> list[str]:
    if isinstance(node, dict):
        return [
            one for key, value in node.items() if key != "source" for one in _hexadecimals(value)
        ]
    if isinstance(node, list):
        return [one for value in node for one in _hexadecimals(value)]
    return [node] if isinstance(node, str) else []


if __name__ == "__main__":
    corpus = Path(tempfile.mkdtemp(prefix="myoloop-fuzz-"))
    seeds(corpus)
    atheris.Setup([*sys.argv, str(corpus)], one_input)
    atheris.Fuzz()
