"""A machine that has more to do than the loop: busy processors, and a page with ten viewers."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from controller.errors import HostError

VIEWERS: Final = 10
END_S: Final = 5.0
BUSY: Final = "while True: pass"


@contextmanager
def loaded(session: str) -> Iterator[None]:
    """Both; the page waits for the session's daemons and outlives each.

    Raises:
        HostError: the page does not start.
    """
    with watched_page(session), busy_processors():
        yield


@contextmanager
def busy_processors() -> Iterator[None]:
    """A process on each processor that never rests."""
    started = [
        subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(len(os.sched_getaffinity(0)))
    ]
    try:
        yield
    finally:
        for one in started:
            one.kill()
            one.wait()


@contextmanager
def watched_page(session: str) -> Iterator[None]:
    """The page of a session, as ``myoloop view`` shows it, with ten connected viewers.

    Raises:
        HostError: the page does not start.
    """
    page = subprocess.Popen(
        [sys.executable, "-m", "controller.cli", "view", "--session", session, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    started = [page]
    try:
        assert page.stdout is not None  # asked for above
        address = re.search(r"http://(127\.0\.0\.1:\d+)", page.stdout.readline())
        if address is None:
            raise HostError("the page did not start; its reason stands above")
        viewers = [sys.executable, "-m", "hil.viewers", f"ws://{address[1]}", str(VIEWERS)]
        started.append(subprocess.Popen(viewers, stdout=subprocess.PIPE, text=True))
        assert started[1].stdout is not None  # asked for above
        if not started[1].stdout.readline():
            raise HostError("the viewers did not connect; their reason stands above")
        yield
        if started[1].poll() is not None:
            raise HostError("the viewers lost the page; their reason stands above")
    finally:
        for one in started:
            one.terminate()
        for one in started:
            try:
                one.communicate(timeout=END_S)
            except subprocess.TimeoutExpired:
                one.kill()
                one.communicate()
