"""Opens, reloads and closes tabs of a page all the time: ``python -m hil.tabs URL COUNT``.

A process of its own at nice 19: without a graphics card the browser draws on the processor.
"""

import os
import shutil
import sys
import time
from contextlib import suppress
from typing import Any, Final

from controller.errors import HostError

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
PAUSE_S: Final = 0.3
GO_MS: Final = 2000
NICE: Final = 19
EVERY: Final = 3  # of so many, one is closed, the others are reloaded


def browser() -> str:
    """Path of the browser.

    Raises:
        HostError: there is none.
    """
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        raise HostError("no browser here: sudo apt-get install -y chromium")
    return found


def main() -> None:
    """Until it is told to end."""
    from playwright.sync_api import Error, sync_playwright

    url, count = sys.argv[1], int(sys.argv[2])
    os.nice(NICE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=list(ARGUMENTS))
        tabs: list[Any] = []
        turn = 0
        while True:
            with suppress(Error):  # a tab that is slow is not waited for
                turn = _act(chromium, tabs, url, count, turn)
            time.sleep(PAUSE_S)


def _act(chromium: Any, tabs: list[Any], url: str, count: int, turn: int) -> int:
    """Open a tab while some are missing, else close or reload one."""
    if len(tabs) < count:
        tabs.append(chromium.new_page(viewport={"width": 480, "height": 360}))
        print(len(tabs), flush=True)
        tabs[-1].goto(url, wait_until="commit", timeout=GO_MS)
    elif turn % EVERY == 0:
        tabs.pop(turn % count).close()
    else:
        tabs[turn % count].reload(wait_until="commit", timeout=GO_MS)
    return turn + 1


if __name__ == "__main__":
    main()
