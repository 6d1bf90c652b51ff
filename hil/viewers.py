"""Browsers without a screen: ``python -m hil.viewers ws://127.0.0.1:PORT COUNT``.

Each takes every message of the page, as fast as it is sent, until SIGTERM.
"""

import asyncio
import signal
import sys

import viser
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol


async def watch(url: str, ready: asyncio.Semaphore) -> None:
    """Connect as a browser does and read."""
    origin, protocol = url.replace("ws", "http", 1), Subprotocol(f"viser-v{viser.__version__}")
    async with connect(url, origin=origin, subprotocols=[protocol], max_size=None) as page:  # type: ignore[arg-type]
        first = True
        async for _ in page:
            if first:
                ready.release()
                first = False
    raise ConnectionError("the page closed the connection")


async def main() -> None:
    """Say so once all have had a message; then go on."""
    url, count, ready = sys.argv[1], int(sys.argv[2]), asyncio.Semaphore(0)
    watching = asyncio.gather(*(watch(url, ready) for _ in range(count)))
    for _ in range(count):
        await ready.acquire()
    print(f"{count} viewers", flush=True)
    await watching


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    asyncio.run(main())
