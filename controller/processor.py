"""The processor, by what decides how numbers are rounded: model and instruction sets."""

import platform
from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")


def processor() -> str:
    """Machine, model and features in one line; libraries choose their code by them."""
    found: dict[str, str] = {}
    try:
        text = CPUINFO.read_text()
    except OSError:  # not Linux
        text = ""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    model = found.get("model name", platform.processor() or "unknown")
    flags = " ".join(sorted(found.get("flags", found.get("Features", "")).split()))
    return f"{platform.machine()}; {model}; {flags}"
