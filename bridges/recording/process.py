"""The recorder's own process."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from bridges.follow import Follow
from bridges.recorder import RecorderOptions
from bridges.recording.writer import RecordingWriter
from controller.follower import FollowerState
from controller.settings import convert

GATHER_S: Final = 0.02  # ticks are taken in handfuls


class Recorder:
    """Takes ticks over as long as the file takes them."""

    def __init__(self, follow: Follow) -> None:
        self._follow, context = follow, follow.job.context
        self._path = Path(convert(follow.job.options, RecorderOptions, "recorder").file)
        self._trouble = ""
        policy = context.about["policy"].get("path", "")
        content = Path(policy).read_bytes() if policy else b""
        self._writer = RecordingWriter(self._path, context.about, content, context.rate_hz)

    def run(self) -> None:
        """Until the daemon ends; a file that can't be written on is left as it is."""
        while self._follow.wait(GATHER_S):
            self._take(settled=True)
            self._tell()
        self._take(settled=False)  # a daemon that was killed settles no more
        if not self._trouble:
            self._try(self._writer.close)
        self._tell()

    def _take(self, settled: bool) -> None:
        for record in self._follow.ticks(settled):
            if self._trouble:
                self._follow.dropped += 1
            else:
                self._try(partial(self._writer.add, record))
        if not self._trouble:
            self._try(self._writer.flush)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            self._trouble = f"{self._path}: {error.strerror}; nothing more is recorded"

    def _tell(self) -> None:
        state = FollowerState.FAULT if self._trouble else FollowerState.READY
        self._follow.tell(state, self._trouble)


def main() -> None:
    """Record until the daemon ends."""
    Recorder(Follow.from_arguments()).run()


if __name__ == "__main__":
    main()
