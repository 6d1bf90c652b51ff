"""Where running daemons are found: a folder in memory for each session, with a lock.

The lock is held as long as the daemon lives, however it ends. Beside it lie the board and the
cells of the processes round the loop, ``context.json``, written by the daemon before the board,
and ``control.json``, written by the control port.
"""

import fcntl
import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from controller.errors import HostError, MyoloopError
from controller.follower import FollowerContext

MEMORY: Final = Path("/dev/shm")  # a board on a disk would stall when the disk does
LOCK: Final = "lock"
TRIES: Final = 5
ENDPOINT: Final = "control.json"
CONTEXT: Final = "context.json"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a lock says of its owner."""

    name: str
    pid: int
    file: str
    """The session file."""
    since: str


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a control port listens, and its CURVE public key, if it has one."""

    address: str
    server_key: str = ""


def root() -> Path:
    """The folder of all sessions of this user, made when it is missing.

    Raises:
        HostError: it can't be made, or is another user's.
    """
    base = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    path = base / f"myoloop-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise HostError(f"{path}: can't be made: {error.strerror}") from None
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise HostError(f"{path}: is not private to this user: remove it")
    return path


class RunFolder:
    """The folder of one session, held for this process.

    Raises:
        HostError: another daemon runs this session; names it.
    """

    def __init__(self, name: str, file: Path) -> None:
        self.path = root() / name
        self.path.mkdir(mode=0o700, exist_ok=True)
        self._lock = (self.path / LOCK).open("a+b")
        if not _acquired(self._lock):
            self._lock.close()
            raise HostError(f"session {name!r} is already run by {_owner(self.path)}")
        self._clear()  # of a run that was killed
        self._lock.truncate(0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        about = About(name=name, pid=os.getpid(), file=str(file.resolve()), since=since)
        self._lock.write(msgspec.json.encode(about))
        self._lock.flush()

    @property
    def board(self) -> Path:
        """Path of the board."""
        return self.path / "board"

    @property
    def orders(self) -> Path:
        """Path of the cell in which orders come."""
        return self.path / "orders"

    def tell(self, context: FollowerContext) -> None:
        """Leave what the run is made of to those who look at its board."""
        (self.path / CONTEXT).write_bytes(msgspec.json.encode(context))

    def _clear(self) -> None:
        """Remove everything but the lock, which must stay the same file for all."""
        for one in self.path.iterdir():
            if one.name != LOCK:
                one.unlink(missing_ok=True)

    def close(self) -> None:
        """Empty the folder and let the name go."""
        self._clear()
        self._lock.truncate(0)
        self._lock.close()


def _acquired(lock: IO[bytes]) -> bool:
    """Take the lock; somebody who only looks whether it is held has it for an instant."""
    for _ in range(TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _owner(folder: Path) -> str:
    try:
        about = msgspec.json.decode((folder / LOCK).read_bytes(), type=About)
    except (OSError, msgspec.MsgspecError):
        return "another process"
    return f"process {about.pid} ({about.file}, since {about.since})"


def _held(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def running() -> list[str]:
    """Names of the sessions that are being run."""
    return sorted(folder.name for folder in root().iterdir() if _held(folder))


def find(name: str = "") -> Path:
    """The folder of a running session: of this name, or of the only one.

    Raises:
        MyoloopError: none or several run, or not this one.
    """
    names = running()
    if name and name not in names:
        raise MyoloopError(f"no session {name!r} runs here; running: {', '.join(names) or 'none'}")
    if not name and len(names) != 1:
        several = f"choose one with --session: {', '.join(names)}"
        raise MyoloopError(several if names else "no session runs here: myoloop run CONFIG.yaml")
    return root() / (name or names[0])


def context(folder: Path) -> FollowerContext:
    """What the run in this folder is made of.

    Raises:
        HostError: it does not say.
    """
    try:
        return msgspec.json.decode((folder / CONTEXT).read_bytes(), type=FollowerContext)
    except (OSError, msgspec.MsgspecError):
        raise HostError(f"session {folder.name!r}: does not say what it runs") from None


def endpoint(folder: Path, wait_s: float = 5.0) -> Endpoint:
    """Where the control port of a running session listens; waits while it starts.

    Raises:
        HostError: it does not say.
    """
    deadline = time.monotonic() + wait_s
    while True:
        with suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode((folder / ENDPOINT).read_bytes(), type=Endpoint)
        if time.monotonic() > deadline:
            raise HostError(f"session {folder.name!r}: its control port does not answer")
        time.sleep(0.05)
