"""Off-screen OpenGL: which way works on this machine, and a context of that kind."""

import functools
import importlib
import os
import subprocess
import sys
from typing import Any, Final

from controller.errors import HostError

BACKENDS: Final = ("egl", "osmesa")  # a GPU or Mesa through EGL first, plain software last
PROBE: Final = """
import mujoco
with mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 8, 8) as renderer:
    renderer.render()
"""
PROBE_TIMEOUT_S: Final = 60.0


@functools.cache
def offscreen_backend() -> str:
    """The first of BACKENDS that renders, tried in a process of its own: a driver may crash.

    Raises:
        HostError: none works; tells how to get one.
    """
    faults = []
    for backend in BACKENDS:
        fault = _fault(backend)
        if not fault:
            return backend
        faults.append(f"{backend}: {fault}")
    raise HostError(
        "pictures need off-screen OpenGL and this machine has none that works "
        f"({'; '.join(faults)}); 'make system' prints the apt-get line"
    )


def _environment(backend: str) -> dict[str, str]:
    """What MuJoCo and PyOpenGL look at before they load a library."""
    return {"MUJOCO_GL": backend, "PYOPENGL_PLATFORM": backend}


def _fault(backend: str) -> str:
    """Why ``backend`` can't render, or "" when it can."""
    try:
        probe = subprocess.run(
            [sys.executable, "-c", PROBE],
            env=os.environ | _environment(backend),
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PROBE_TIMEOUT_S:g} s"
    lines = probe.stderr.strip().splitlines()
    return "" if probe.returncode == 0 else lines[-1] if lines else f"exit {probe.returncode}"


def make_context(width: int, height: int) -> Any:
    """A current OpenGL context; keep it as long as anything draws into it.

    ``mujoco.Renderer`` takes the kind that MUJOCO_GL named when mujoco was first
    imported; this one works however late it is asked for.

    Raises:
        HostError: see ``offscreen_backend``.
    """
    backend = offscreen_backend()
    os.environ.update(_environment(backend))
    context = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
    context.make_current()
    return context
