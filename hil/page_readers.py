"""Reads a page's data in many connections, as browsers elsewhere do, and draws nothing.

``python -m hil.page_readers URL COUNT``; each connection is dropped and made again at times.
"""

import asyncio
import os
import sys
from contextlib import suppress
from importlib.metadata import version
from typing import Final

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin, Subprotocol

NICE: Final = 10  # as the page's own
STAY_S: Final = 4.0


async def read(url: str, number: int) -> None:
    """One reader, until the process ends."""
    spoken = Subprotocol(f"viser-v{version('viser')}")
    while True:
        with suppress(OSError, WebSocketException, TimeoutError):
            async with connect(
                url.replace("http", "ws"),
                origin=Origin(url),
                subprotocols=[spoken],
                max_size=None,
                compression=None,
            ) as connection:
                print(number, flush=True)
                async with asyncio.timeout(STAY_S + number / 2):
                    async for _ in connection:
                        pass
        await asyncio.sleep(0.1)


async def main() -> None:
    """All of them."""
    url, count = sys.argv[1], int(sys.argv[2])
    await asyncio.gather(*(read(url, number) for number in range(count)))


if __name__ == "__main__":
    os.nice(NICE)
    asyncio.run(main())
