"""The connection to the intention stream: made, kept and made again, off the loop.

A connection is used only after its stream was matched in every field, at the start and
after each loss alike. Nothing reconnects silently.
"""

import threading
import time
from dataclasses import dataclass, replace
from typing import Final

from bridges.lsl_api import Inlet, Stream
from bridges.lsl_match import WINDOW_S, Wanted, find, mismatches
from controller.errors import StreamError

ANSWER_S: Final = 5.0  # an outlet that takes longer to shake hands is not usable
POLL_S: Final = 0.1
CHECK_S: Final = 5.0
SILENT_S: Final = 1.0
CLOSE_S: Final = 3.0

LOST: Final = "the stream was lost; looking for it"


@dataclass(slots=True)
class Link:
    """A matched, open connection.

    Attributes:
        number: 1, 2, ... in the order of connecting.
        correction_s: what to add to stamps to bring them to the local LSL clock.
        heard_s: when the reader last took a sample (monotonic); at first, when connected.
        lost: set by the reader when the connection broke.
    """

    inlet: Inlet
    stream: Stream
    number: int
    correction_s: float
    heard_s: float
    lost: bool = False


def connect(wanted: Wanted, wait_s: float, number: int = 1) -> Link:
    """Find the stream and open it; blocks.

    Raises:
        StreamError: none or several match, or the one does not answer.
    """
    stream = find(wanted, wait_s)
    try:
        inlet = Inlet(stream)
        described = inlet.describe(ANSWER_S)  # also what keeps Inlet.pull from blocking
        correction_s = inlet.correction_s(ANSWER_S)
        inlet.open(ANSWER_S)  # last: whoever waits for a reader has one that listens
    except RuntimeError as error:
        raise StreamError(f"stream {wanted.name!r}: no answer while connecting: {error}") from None
    if differing := mismatches(described, wanted):
        raise StreamError(f"stream {wanted.name!r}: changed while connecting: {differing[0]}")
    return Link(inlet, described, number, correction_s, heard_s=time.monotonic())


class LinkKeeper:
    """Keeps a link in a thread of its own; the reader only looks at ``link`` and ``trouble``.

    A Python thread in the loop's process is bearable here because it sleeps or waits
    inside liblsl, without the GIL, nearly all of the time. While the stream flows it runs
    some ten lines of bytecode every 0.1 s, and asks for the time correction every 5 s,
    which is instant after the first; only when the stream is gone, and the hand relaxed,
    does it do more. Reader and thread share plain attributes, no lock.

    Attributes:
        link: the connection to read, or None while there is none that matches.
        trouble: why there is none.
    """

    def __init__(self, wanted: Wanted, link: Link) -> None:
        self.link: Link | None = link
        self.trouble = ""
        self._wanted = replace(wanted, host=link.stream.host)
        self._number = link.number
        self._retired: Link | None = None
        self._check_due_s = time.monotonic() + CHECK_S
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lsl-link", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and let the stream go."""
        self._closing.set()
        self._thread.join(CLOSE_S)
        self.link = self._retired = None

    def _run(self) -> None:
        while not self._closing.wait(POLL_S):
            link = self.link
            if link is None or link.lost:
                self._reconnect()
            elif time.monotonic() >= self._check_due_s:
                self._check_due_s = time.monotonic() + CHECK_S
                self._check(link)

    def _check(self, link: Link) -> None:
        if time.monotonic() - link.heard_s > SILENT_S:
            self._replace_if_succeeded(link)
            return
        try:
            link.correction_s = link.inlet.correction_s(ANSWER_S)
        except RuntimeError:
            return  # the reader notices a loss itself; until then the last value holds

    def _replace_if_succeeded(self, link: Link) -> None:
        """A host that vanished closes no connection: look whether a new outlet took over.

        The same outlet, only silent, or none at all: the link stays and may flow again.
        """
        try:
            successor = find(self._wanted, WINDOW_S)
        except StreamError:
            return
        if successor.uid != link.stream.uid:
            self._reconnect()

    def _reconnect(self) -> None:
        if self.link:
            # Held until the next loss: were the reader the last to hold it, the reader's
            # tick would pay for the closing of the connection.
            self._retired = self.link
            self.trouble = LOST
            self.link = None
        try:
            link = connect(self._wanted, WINDOW_S, self._number + 1)
        except StreamError as error:
            self.trouble = f"the stream was lost: {' '.join(str(error).split())}"
            return
        self._number = link.number
        self.link = link
