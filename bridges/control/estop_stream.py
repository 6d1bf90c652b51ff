"""An e-stop that comes as an LSL marker: from a button, an experiment script, another lab PC."""

import json
import threading
from typing import Final

from bridges import lsl_api
from bridges.lsl_session import use_session
from controller.errors import StreamError
from controller.session import MarkerStream

TYPE: Final = "Markers"
WORD: Final = "estop"
PULL_S: Final = 0.1
RESOLVE_S: Final = 1.0
CLOSE_S: Final = 3.0


def is_estop(marker: str) -> bool:
    """Whether a marker asks for a stop: the bare word, or JSON with it as its ``event``."""
    if marker.strip().lower() == WORD:
        return True
    try:
        found = json.loads(marker)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("event") == WORD


class EstopStream:
    """Listens in a thread of the control port's process.

    Attributes:
        trouble: why it hears nothing; "" while it listens.
    """

    def __init__(self, settings: MarkerStream) -> None:
        self._settings = settings
        self.trouble = self._lost = f"e-stop stream {settings.source_id!r} is not there"
        self._asked = threading.Event()
        self._closing = threading.Event()
        use_session(settings.session)
        self._thread = threading.Thread(target=self._run, name="estop-stream", daemon=True)
        self._thread.start()

    def take(self) -> bool:
        """Whether a stop was asked for since the last call."""
        asked = self._asked.is_set()
        self._asked.clear()
        return asked

    def close(self) -> None:
        """Listen no more."""
        self._closing.set()
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen(lsl_api.MarkerInlet(self._find()))
            except (StreamError, RuntimeError):
                self.trouble = self._lost

    def _find(self) -> lsl_api.Stream:
        """The one stream of this identity.

        Raises:
            StreamError: there is none, or it is of another kind.
        """
        for stream in lsl_api.streams(RESOLVE_S):
            if stream.source_id == self._settings.source_id and stream.type == TYPE:
                return stream
        raise StreamError(self._lost)

    def _listen(self, inlet: lsl_api.MarkerInlet) -> None:
        while not self._closing.is_set():
            marker = inlet.pull(PULL_S)
            self.trouble = ""
            if marker is not None and is_estop(marker):
                self._asked.set()
