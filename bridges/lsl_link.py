"""The connection to the intention stream: made, kept and made again, off the loop.

A connection is used only after its stream was matched in every field, at the start and
after each loss alike. Nothing reconnects silently.
"""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from bridges.lsl_api import Inlet, Stream
from bridges.lsl_match import WINDOW_S, NoMatch, Wanted, find, mismatches
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

    def refresh(self) -> None:
        """Take over liblsl's newest correction: instant, ``connect`` has waited for the first."""
        with suppress(RuntimeError):  # the reader notices a loss itself; the last value holds
            self.correction_s = self.inlet.correction_s(0.0)


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

    A second Python thread would make the loop wait for the GIL: this one sleeps without a
    time-out while the stream flows and runs only when ``look`` finds the link lost or silent,
    when the hand is relaxed anyway. Reader and thread share plain attributes, no lock.

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
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="lsl-link", daemon=True)
        self._thread.start()

    def look(self, link: Link, now_s: float) -> None:
        """The reader's, at each read: have a link that is lost or silent looked after.

        Args:
            link: the one that was read.
            now_s: CLOCK_MONOTONIC [s].
        """
        if link.lost:
            self._wake.set()
        elif now_s >= self._check_due_s:
            self._check_due_s = now_s + CHECK_S
            if now_s - link.heard_s > SILENT_S:
                self._wake.set()
            else:
                link.refresh()

    def close(self) -> None:
        """End the thread and let the stream go."""
        self._closing.set()
        self._wake.set()
        self._thread.join(CLOSE_S)
        self.link = self._retired = None

    def _run(self) -> None:
        while self._wake.wait() and not self._closing.is_set():
            self._wake.clear()
            link = self.link
            if link is None or link.lost:
                self._reconnect()
            else:
                self._replace_if_succeeded(link)
            if self.link is None:
                self._closing.wait(POLL_S)
                self._wake.set()

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
            why = error.brief if isinstance(error, NoMatch) else error
            self.trouble = f"the stream was lost: {why}"
            return
        self._number = link.number
        self.link = link
