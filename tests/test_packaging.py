"""The lock, the list of packages and the names that the installed packages take."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FLOORS = ("controller", "bridges", "training", "hil")


def locked() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): pin for name, pin in pins}


def asked_by(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # of an extra that this environment does without
        return []


def installed(name: str) -> str | None:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None


def needed(name: str, extras: tuple[str, ...], seen: set[tuple[str, str]]) -> set[str]:
    """What a package asks for on this Python, and what that asks for."""
    names = set()
    for extra in (*extras, ""):
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in asked_by(name):
            asked = Requirement(line)
            if asked.marker is None or asked.marker.evaluate({"extra": extra}):
                child = canonicalize_name(asked.name)
                names |= {child} | needed(child, tuple(asked.extras), seen)
    return names


def test_every_installed_dependency_is_the_locked_one() -> None:
    pins = locked()
    extras = tuple(PROJECT["project"]["optional-dependencies"])
    names = needed("myoloop", extras, set()) - {"myoloop"}
    assert len(names) > 100
    assert names <= pins.keys()
    wrong = {n: (installed(n), pins[n]) for n in names if installed(n) not in (None, pins[n])}
    assert not wrong


def test_the_lock_names_no_local_build() -> None:
    assert all(re.fullmatch(r"[\w.]+", pin) for pin in locked().values())


def test_no_other_package_takes_our_import_names() -> None:
    owners = packages_distributions()
    for name in (*FLOORS, "configs", "policies", "myoloop_data"):
        assert set(owners.get(name, [])) <= {"myoloop"}


def test_every_package_is_listed() -> None:
    there = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for floor in FLOORS
        for file in (ROOT / floor).rglob("__init__.py")
    }
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert {name for name in listed if not name.startswith("myoloop_data.")} == there
