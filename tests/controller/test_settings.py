"""Every refusal is one line: the file, the key, the value, what is allowed."""

from typing import Annotated

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from controller.errors import SettingsError
from controller.session import Session
from controller.settings import convert, load


class Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    speed: Annotated[float, Meta(gt=0.0, le=2.0)] = 1.0
    name: str = ""


class Whole(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    rate_hz: Annotated[float, Meta(gt=0.0)]
    part: Part = Part()
    parts: list[Part] = []
    by_name: dict[str, Part] = {}
    maybe: Part | None = None
    count: Annotated[int, Meta(ge=0, le=9)] | None = None
    flag: bool = False


@pytest.fixture
def refused(tmp_path):
    """The refusal of a file, without the file's own name."""
    path = tmp_path / "settings.yaml"

    def refuse(text, kind=Whole):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError) as caught:
            load(path, kind)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and len(message.splitlines()) == 1
        return message.removeprefix(f"{path}: ")

    return refuse


def test_a_whole_file(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("rate_hz: 40\npart: {speed: 0.5}\nparts: [{name: ü}]\ncount: 3\n", "utf-8")
    assert load(path, Whole) == Whole(
        rate_hz=40.0, part=Part(speed=0.5), parts=[Part(name="ü")], count=3
    )
    assert load(str(path), Whole) == load(path, Whole)


BAD = {
    # unknown keys, at every depth
    "rate_hz: 1\ncolour: red": (
        "colour: unknown key; allowed: rate_hz, part, parts, by_name, maybe, count, flag"
    ),
    "rate_hz: 1\npart: {spede: 1}": "part.spede: unknown key; allowed: speed, name",
    "rate_hz: 1\nparts: [{}, {spede: 1}]": "parts[1].spede: unknown key; allowed: speed, name",
    "rate_hz: 1\nby_name: {a: {spede: 1}}": (
        "by_name[...].spede: unknown key; allowed: speed, name"
    ),
    "rate_hz: 1\nmaybe: {spede: 1}": "maybe.spede: unknown key; allowed: speed, name",
    # wrong types
    "rate_hz: fast": "rate_hz: expected 'float', got 'str' (is 'fast')",
    "rate_hz: '40'": "rate_hz: expected 'float', got 'str' (is '40')",
    "rate_hz: true": "rate_hz: expected 'float', got 'bool' (is True)",
    "rate_hz: null": "rate_hz: expected 'float', got 'null' (is None)",
    "rate_hz:": "rate_hz: expected 'float', got 'null' (is None)",
    "rate_hz: [1]": "rate_hz: expected 'float', got 'array'",
    "rate_hz: {a: 1}": "rate_hz: expected 'float', got 'object'",
    "rate_hz: 2020-01-01": ("rate_hz: expected 'float', got 'date' (is datetime.date(2020, 1, 1))"),
    "rate_hz: 1\npart: 3": "part: expected 'object', got 'int' (is 3)",
    "rate_hz: 1\npart: {name: 3}": "part.name: expected 'str', got 'int' (is 3)",
    "rate_hz: 1\nparts: [{speed: x}]": "parts[0].speed: expected 'float', got 'str' (is 'x')",
    "rate_hz: 1\nby_name: {a: {speed: x}}": "by_name[...].speed: expected 'float', got 'str'",
    "rate_hz: 1\nflag: 1": "flag: expected 'bool', got 'int' (is 1)",
    "rate_hz: 1\ncount: 1.5": "count: expected 'int | null', got 'float' (is 1.5)",
    # out of range
    "rate_hz: 0": "rate_hz: expected 'float' > 0.0 (is 0)",
    "rate_hz: -1": "rate_hz: expected 'float' > 0.0 (is -1)",
    "rate_hz: .nan": "rate_hz: expected 'float' > 0.0 (is nan)",
    "rate_hz: -.inf": "rate_hz: expected 'float' > 0.0 (is -inf)",
    "rate_hz: 1\npart: {speed: .inf}": "part.speed: expected 'float' <= 2.0 (is inf)",
    "rate_hz: 1\npart: {speed: 2.1}": "part.speed: expected 'float' <= 2.0 (is 2.1)",
    "rate_hz: 1\nparts: [{}, {speed: 3}]": "parts[1].speed: expected 'float' <= 2.0 (is 3)",
    "rate_hz: 1\ncount: 10": "count: expected 'int' <= 9 (is 10)",
    "rate_hz: 1\ncount: -1": "count: expected 'int' >= 0 (is -1)",
    # missing, or no mapping at all
    "part: {}": "the file: object missing required field 'rate_hz'",
    "": "the file: expected 'object', got 'null' (is None)",
    "just text": "the file: expected 'object', got 'str' (is 'just text')",
    "- 1": "the file: expected 'object', got 'array'",
    # keys that are not text
    "1: 2": "the file: expected 'str' as a key; keys are text",
    "rate_hz: 1\npart: {1: 2}": "part: expected 'str' as a key; keys are text",
    "rate_hz: 1\npart: {yes: 2}": "part: expected 'str' as a key; keys are text",
    '"a\\nb": 1': ("a b: unknown key; allowed: rate_hz, part, parts, by_name, maybe, count, flag"),
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_named(refused, text):
    assert refused(text) == BAD[text]


class Either(msgspec.Struct, forbid_unknown_fields=True):
    part: int | Part


def test_allowed_keys_of_one_kind_among_several(refused):
    message = refused("part: {spede: 1}", Either)
    assert message == "part.spede: unknown key; allowed: speed, name"


@pytest.mark.parametrize(
    "text",
    [
        "rate_hz: [",
        "a: b: c",
        "\t- x",
        "rate_hz: *nothing",
        "!!python/object/apply:os.system [echo]",
        "? [a]\n: b",
        "a: 2021-13-45",
        "!!int foo",
        "!!float foo",
        "!!bool foo",
        "!!timestamp foo",
        "a: " + "9" * 5000,
        "[" * 600,
        "a: !!binary 'x'",
        "\x00",
        "--- 1\n--- 2",
    ],
)
def test_what_is_not_yaml_is_said_to_be_none(refused, text):
    assert refused(text).startswith("not YAML: ")


def test_missing_file(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "none.yaml", Whole)
    message = f"{tmp_path / 'none.yaml'}: can't be read: No such file or directory"
    assert str(caught.value) == message


def test_folder(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, Whole)
    assert str(caught.value) == f"{tmp_path}: can't be read: Is a directory"


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_bytes(b"rate_hz: \xff")
    with pytest.raises(SettingsError, match="can't be read: .*utf-8"):
        load(path, Whole)


def test_plain_data_names_its_origin():
    assert convert({"rate_hz": 1}, Whole, "here").rate_hz == 1.0
    with pytest.raises(SettingsError) as caught:
        convert({"rate_hz": 0}, Whole, "session.yaml: plant.options")
    expected = "session.yaml: plant.options: rate_hz: expected 'float' > 0.0 (is 0)"
    assert str(caught.value) == expected


KEYS = st.one_of(
    st.sampled_from(["rate_hz", "part", "parts", "skill", "gate", "source", "use", "options"]),
    st.text(max_size=8),
    st.integers(),
)
PLAIN = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=8,
)


def loads_or_refuses(path, text):
    """A file is read or refused in one line; nothing else ever comes out."""
    path.write_text(text, encoding="utf-8")
    for kind in (Whole, Session):
        try:
            assert isinstance(load(path, kind), kind)
        except SettingsError as error:
            assert str(error).startswith(f"{path}: ")
            assert len(str(error).splitlines()) == 1


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(plain=PLAIN)
def test_any_yaml_loads_or_is_refused_in_one_line(tmp_path_factory, plain):
    loads_or_refuses(tmp_path_factory.getbasetemp() / "fuzz.yaml", yaml.safe_dump(plain))


PIECES = st.sampled_from(
    [*"[]{}:,-?&*!|>'\"%@`#\n\t ab0", ": ", "- ", "\n  ", "!!int ", "!!bool ", "&a ", "*a", "<<: "]
    + ["rate_hz: ", "part: ", "1e3", ".nan", "2021-99-99", "0x", "1:99", "---\n", "\x07", "\u2028"]
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(pieces=st.lists(PIECES, max_size=25))
def test_any_text_loads_or_is_refused_in_one_line(tmp_path_factory, pieces):
    loads_or_refuses(tmp_path_factory.getbasetemp() / "fuzz.yaml", "".join(pieces))
