"""What a measurement was made on; without it a figure says nothing."""

import os
import platform
import time
from importlib.metadata import version
from typing import Any, Final

from controller.processor import processor

PACKAGES: Final = ("myoloop", "numpy", "onnxruntime", "pylsl", "mujoco")


def machine() -> dict[str, Any]:
    """Date, processor, kernel and versions."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": processor().split("; ")[1],
        "processors": len(os.sched_getaffinity(0)),
        "kernel": f"{platform.release()} {platform.version()}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }
