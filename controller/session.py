"""A session: one YAML file says what runs, with what, how fast and within which limits."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from controller.errors import SettingsError
from controller.settings import load

Milliseconds = Annotated[float, Meta(gt=0.0, le=10_000.0)]


class GateSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Limits of the gate; the ceilings here are the built-in ones."""

    hold_after_ms: Annotated[float, Meta(gt=0.0, le=100.0)] = 100.0
    """An intention older than this holds the goal where it is."""
    relax_after_ms: Annotated[float, Meta(gt=0.0, le=300.0)] = 300.0
    """An intention older than this relaxes the hand."""
    slew_per_s: Annotated[float, Meta(gt=0.0, le=20.0)] = 20.0
    """Largest change of an excitation in a second."""
    relax_within_ms: Annotated[float, Meta(ge=100.0, le=300.0)] = 250.0
    """A full excitation ramps down to rest in this time: a ramp, not a step."""


class RealTimeSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What is asked of the scheduler; ``required`` refuses to start without it."""

    priority: Annotated[int, Meta(ge=0, le=99)] = 0
    """SCHED_FIFO priority; 0 leaves the scheduler alone."""
    cpu: Annotated[int, Meta(ge=0)] | None = None
    """The processor to pin the loop to."""
    required: bool = False
    """Refuse to start when the priority or the processor is refused."""


class Adapter(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A plant or a source, by the name under which it is installed."""

    use: str
    options: dict[str, Any] = {}


class Session(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Everything that ``myoloop run`` needs to know."""

    skill: str
    policy: str
    """ONNX file; a relative path is looked up beside the session file, then in the checkout."""
    source: Adapter
    plant: Adapter
    rate_hz: Annotated[float, Meta(gt=0.0, le=1000.0)] = 40.0
    gate: GateSettings = GateSettings()
    realtime: RealTimeSettings = RealTimeSettings()


def load_session(path: str | Path) -> Session:
    """Read a session file.

    Raises:
        SettingsError: names the key, the value and what is allowed.
    """
    session = load(path, Session)
    if session.gate.hold_after_ms > session.gate.relax_after_ms:
        raise SettingsError(
            f"{path}: gate.hold_after_ms: {session.gate.hold_after_ms:g} is later than "
            f"relax_after_ms ({session.gate.relax_after_ms:g}); holding comes first"
        )
    return session
