"""``myoloop doctor``: what this machine can do, in plain words, and how to mend the rest."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from bridges.check import Check
from bridges.doctor_network import devices, network
from bridges.doctor_realtime import realtime
from bridges.offscreen import offscreen_backend
from bridges.system_packages import apt_line, missing
from controller import data
from controller.errors import ContractError, HostError, SettingsError

PROBE_TIMEOUT_S: Final = 60.0
FREE_DISK_GB: Final = 2.0  # a day of recordings and checkpoints
COLOURS: Final = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Check this machine and say how to mend what is missing; exit code 1 on a problem."""
    checks = list(examine())
    problem = any(check.status == "problem" for check in checks)
    if json:
        print(msgspec.json.format(msgspec.json.encode(checks), indent=2).decode())
    else:
        _print(checks)
    raise typer.Exit(int(problem))


def examine() -> Iterator[Check]:
    """Every check, in the order in which to mend."""
    yield _python()
    yield from _packages()
    yield _system_packages()
    yield _processors()
    yield from realtime()
    yield _off_screen()
    yield _display()
    yield from network()
    yield _lsl()
    yield from devices()
    yield from _policies()
    yield _disk()


def _print(checks: list[Check]) -> None:
    console = Console(soft_wrap=True)
    for check in checks:
        status = Text(f"{check.status:8}", COLOURS[check.status])
        console.print(status, f"{check.name:18} {check.found}", markup=False, highlight=False)
        if check.fix:
            console.print(f"{'':9}-> {check.fix}", markup=False, highlight=False)


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("Python", "ok", found)
    return Check("Python", "problem", found, "make PYTHON=python3.12 setup, in a fresh checkout")


def _packages() -> Iterator[Check]:
    """What scores depend on, against the exact versions that myoloop asks for."""
    pins: dict[str, dict[str, str]] = {"": {}}
    for line in requires("myoloop") or []:
        pin = re.match(r"([\w.-]+)==([\w.]+)(?:.*extra == .(\w+))?", line)
        if pin:
            pins.setdefault(pin[3] or "", {})[pin[1]] = pin[2]
    for extra, wanted in pins.items():
        yield _extra(extra, wanted)


def _extra(extra: str, wanted: dict[str, str]) -> Check:
    found = {name: _installed(name) for name in wanted}
    name = f"extra [{extra}]" if extra else "base packages"
    chosen = f".[{extra}]" if extra else "."
    fix = f"{sys.executable} -m pip install -c constraints.txt -e '{chosen}'"
    if extra and not any(found.values()):
        return Check(name, "warning", f"not installed ({', '.join(wanted)})", fix)
    wrong = [
        f"{package} is {found[package] or 'missing'}, needs {pin}"
        for package, pin in wanted.items()
        if found[package] != pin
    ]
    if wrong:
        return Check(name, "problem", "; ".join(wrong), fix)
    return Check(name, "ok", ", ".join(f"{package} {pin}" for package, pin in wanted.items()))


def _installed(package: str) -> str | None:
    try:
        return version(package).partition("+")[0]  # 2.13.0+cpu is the same release
    except PackageNotFoundError:
        return None


def _system_packages() -> Check:
    lacking = missing()
    if lacking:
        return Check(
            "system packages", "warning", f"missing: {', '.join(lacking)}", apt_line(lacking)
        )
    return Check("system packages", "ok", "none missing")


def _processors() -> Check:
    count = len(os.sched_getaffinity(0))
    if count < 2:
        return Check("processors", "warning", "1: the loop shares it with everything else")
    return Check("processors", "ok", str(count))


def _off_screen() -> Check:
    name = "off-screen drawing"
    if importlib.util.find_spec("mujoco") is None:
        return Check(name, "warning", "not tried: the extra [hand] is not installed")
    try:
        return Check(name, "ok", f"works with {offscreen_backend()}")
    except HostError as error:
        lacking = missing()
        return Check(name, "warning", str(error), apt_line(lacking) if lacking else "")


def _display() -> Check:
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(name):
            return Check("screen", "ok", f"{name}={os.environ[name]}")
    return Check("screen", "warning", "none: no window opens, the demo runs in the terminal")


def _lsl() -> Check:
    fix = "allow UDP 16571-16604 and TCP 16572-16604 on loopback"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bridges.lsl_probe"],
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return Check("LSL", "problem", f"no answer within {PROBE_TIMEOUT_S:g} s", fix)
    if done.returncode == 0:
        return Check("LSL", "ok", done.stdout.strip())
    reason = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
    return Check("LSL", "problem", reason[-1], fix)


def _policies() -> Iterator[Check]:
    from controller.policy import load

    try:
        files = sorted(data.find("policies").glob("*.onnx"))
    except SettingsError:
        files = []
    fix = "myoloop export runs/baoding/checkpoint.pt"
    if not files:
        yield Check("policy", "warning", "none is there", fix)
    for file in files:
        try:
            policy = load(file)
        except ContractError as error:
            yield Check("policy", "problem", str(error), fix)
        else:
            contract = policy.contract
            found = f"{file.name}: {contract.skill} at {contract.rate_hz:g} Hz"
            yield Check("policy", "ok", found)


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < FREE_DISK_GB:
        return Check("free disk", "warning", f"{free:.1f} GB here", "make room, at least 2 GB")
    return Check("free disk", "ok", f"{free:.0f} GB here")
