"""Which Debian packages this machine lacks.

``make system`` and ``.ci/run`` run this file before anything is installed, with whatever
Python is there: standard library only, and nothing newer than Python 3.9.
"""

import ctypes
import glob
import importlib.util
import shutil
import sys


def missing() -> list[str]:
    """Names of the packages to install."""
    needs = [
        ("make", shutil.which("make") is not None),
        ("python3-venv", importlib.util.find_spec("ensurepip") is not None),
        ("libegl1", _loads("libEGL.so.1")),
        ("libgl1", _loads("libGL.so.1")),
        ("libgl1-mesa-dri", _has_driver()),
    ]
    return [package for package, there in needs if not there]


def missing_for_tests() -> list[str]:
    """Names of the packages that only tests need: the page is looked at in a real browser."""
    return [] if shutil.which("chromium") else ["chromium"]


def apt_line(packages: list[str]) -> str:
    """The one command that installs them."""
    return "sudo apt-get install -y --no-install-recommends " + " ".join(packages)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _has_driver() -> bool:
    """A driver that renders off screen: Mesa's files, or a vendor's own EGL."""
    vendors = glob.glob("/usr/share/glvnd/egl_vendor.d/*.json")
    mesa = glob.glob("/usr/lib/*/dri/*_dri.so") + glob.glob("/usr/lib/*/libgallium-*.so")
    return bool(mesa) or any("mesa" not in vendor for vendor in vendors)


if __name__ == "__main__":
    packages = missing()
    if "--names" in sys.argv:
        print(" ".join(packages + missing_for_tests()))
    elif packages:
        print(apt_line(packages))
    else:
        print("no system package is missing")
