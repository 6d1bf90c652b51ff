"""Typed settings from YAML: a file can only set what a class declares.

Every refusal is one line that names the file, the key, the value and what is allowed.
"""

import copy
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from controller.errors import SettingsError

T = TypeVar("T")


def load(path: str | Path, kind: type[T]) -> T:
    """Read a YAML file into the settings class ``kind``.

    Raises:
        SettingsError: missing or unreadable file, unknown key, wrong type, value out of range.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: can't be read: {_reason(error)}") from None
    try:
        raw = yaml.safe_load(text)
    except Exception as error:  # PyYAML lets the errors of int(), date() and others through
        raise SettingsError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    return convert(raw, kind, str(path))


def convert(raw: Any, kind: type[T], origin: str) -> T:
    """Check plain data against ``kind``; ``origin`` is named in the error."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        line = " ".join(_explain(str(error), raw, kind).split())  # a key may hold a line break
        raise SettingsError(f"{origin}: {line}") from None


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _explain(message: str, raw: Any, kind: type) -> str:
    """Put the key and its value in front of msgspec's sentence."""
    match = re.match(
        r"(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?$", message, re.DOTALL
    )
    assert match is not None  # every part of the pattern is optional
    what, path = match["what"].replace("`", "'"), (match["path"] or "").lstrip(".")
    if match["key"]:
        return f"{path or 'the file'}: {what[:1].lower() + what[1:]} as a key; keys are text"
    unknown = re.search(r"unknown field '(.*)'", what, re.DOTALL)
    if unknown:
        where = f"{path}.{unknown[1]}" if path else unknown[1]
        return f"{where}: unknown key; allowed: {', '.join(_allowed(kind, path))}"
    if path.endswith("[...]"):
        path = _named(raw, path.removesuffix("[...]"), kind)
    found = _at(raw, path)
    shown = "" if isinstance(found, dict | list) else f" (is {found!r})"
    return f"{path or 'the file'}: {what[:1].lower() + what[1:]}{shown}"


def _named(raw: Any, path: str, kind: type) -> str:
    """The path of the first wrong value of a mapping, which msgspec does not name."""
    mapping = _at(raw, path)
    for key in mapping:
        alone = copy.deepcopy(raw)
        inside = _at(alone, path)
        for other in mapping.keys() - {key}:
            del inside[other]
        try:
            msgspec.convert(alone, kind)
        except msgspec.ValidationError:
            return f"{path}.{key}"
    return path


def _steps(path: str) -> list[str]:
    return re.findall(r"\.{3}|[^.\[\]]+", path)  # "[...]" is any value of a mapping


def _at(raw: Any, path: str) -> Any:
    """The value at ``a.b[0]`` inside plain data, or the data itself where it ends."""
    for step in _steps(path):
        if isinstance(raw, list) and step.isdigit():
            raw = raw[int(step)]
        elif isinstance(raw, dict) and step in raw:
            raw = raw[step]
        else:
            return {}
    return raw


def _allowed(kind: Any, path: str) -> list[str]:
    """The keys that the settings class at ``path`` inside ``kind`` declares."""
    info = msgspec.inspect.type_info(kind)
    for step in _steps(path):
        info = _inside(info, step)
    return [field.encode_name for field in getattr(_unwrap(info), "fields", ())]


def _unwrap(info: Any) -> Any:
    """A Struct's type out of an optional or a union."""
    for member in getattr(info, "types", ()):
        if hasattr(member, "fields"):
            return member
    return info


def _inside(info: Any, step: str) -> Any:
    info = _unwrap(info)
    for field in getattr(info, "fields", ()):
        if field.encode_name == step:
            return field.type
    return getattr(info, "item_type", getattr(info, "value_type", info))
