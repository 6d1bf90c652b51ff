"""A session: one YAML file says what runs, with what, how fast and within which limits."""

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from controller.errors import SettingsError
from controller.settings import load

Name = Annotated[str, Meta(pattern=r"^[\w.-]{0,64}$")]


class RealTimeSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What is asked of the system; a refusal is reported, ``required`` does not start with one."""

    priority: Annotated[int, Meta(ge=0, le=99)] = 0
    """SCHED_FIFO priority; 0 leaves the scheduler alone. The source's threads come one below."""
    cpu: Annotated[int, Meta(ge=0)] | None = None
    """The processor to pin the loop to."""
    lock_memory: bool = False
    """Keep all pages of the loop's process in memory."""
    wake_within_us: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    """Keep the processors out of idle states that take longer to leave [us]; 0: never idle."""
    freeze_gc: bool = True
    """Let Python collect no garbage while the loop runs: the tick makes none that lasts."""
    required: bool = False
    """Refuse to start when any of these is refused."""


class Adapter(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A plant or a source, by the name under which it is installed."""

    use: str
    options: dict[str, Any] = {}


class FollowerSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A process beside the loop, by the name under which it is installed: device, recorder, ..."""

    use: str
    name: Name = ""
    """Its own name when one kind is used twice; else that of the kind."""
    required: bool = False
    """The hand works only while it answers; when it falls silent, that is a fault."""
    priority: Annotated[int, Meta(ge=0, le=99)] = 0
    """SCHED_FIFO priority of its process; below the loop's. 0 leaves the scheduler alone."""
    options: dict[str, Any] = {}


class MarkerStream(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An LSL stream of type Markers: one string channel, irregular rate."""

    source_id: Annotated[str, Meta(min_length=1)]
    """The sender's own identity."""
    session: Annotated[str, Meta(min_length=1)] = "default"
    """LSL session."""


class ControlSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Who may arm, disarm and stop; docs/control.md."""

    bind: str = "tcp://127.0.0.1:*"
    """ZeroMQ endpoint; beyond this machine only with ``server_key`` and ``clients``."""
    server_key: str = ""
    """CURVE secret key file of this daemon (NAME.key_secret)."""
    clients: str = ""
    """Folder of the CURVE public keys (*.key) that may connect."""
    attended: bool = False
    """The hand works only while a dead-man client holds on (``myoloop arm --attend``)."""
    estop_stream: MarkerStream | None = None
    """An LSL marker stream; its marker ``estop`` stops the hand."""


class Session(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Everything that ``myoloop run`` needs to know."""

    skill: str
    policy: str = ""
    """ONNX file; a relative path is looked up beside the session file, then in the checkout. Only
    a skill that passes the intention through needs none."""
    source: Adapter
    plant: Adapter
    name: Name = ""
    """One daemon runs for each name; that of the file by default."""
    rate_hz: Annotated[float, Meta(gt=0.0, le=1000.0)] = 40.0
    """Of the loop: the policy's, or a whole multiple of it."""
    safety: str = "configs/safety.yaml"
    """Limits; a relative path is looked up as the policy's is."""
    followers: list[FollowerSettings] = []
    control: ControlSettings = ControlSettings()
    realtime: RealTimeSettings = RealTimeSettings()


def load_session(path: str | Path) -> Session:
    """Read a session file; a session without a name gets the file's.

    Raises:
        SettingsError: names the key, the value and what is allowed.
    """
    session = load(path, Session)
    if not session.name:
        plain = re.sub(r"[^\w.-]", "-", Path(path).stem)
        session = msgspec.structs.replace(session, name=plain)
    names = [follower.name or follower.use for follower in session.followers]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{path}: followers: two are called {name!r}; give them names")
    return session
