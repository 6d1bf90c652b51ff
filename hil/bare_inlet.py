"""LSL's own share of a latency: an inlet in a process of its own, and nothing round it.

    python -m hil.bare_inlet SESSION SOURCE_ID

Reads until SIGTERM; then prints how old each sample was when it came [ms], as a JSON list.
"""

import signal
import sys
from types import FrameType
from typing import Final

import msgspec
import pylsl

from bridges.lsl_session import use_session

FIND_S: Final = 10.0
LOOK_S: Final = 0.2


def main() -> None:
    """Find the stream and read it."""
    session, source_id = sys.argv[1:]
    use_session(session)
    over = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal over
        over = True

    signal.signal(signal.SIGTERM, end)
    found = pylsl.resolve_byprop("source_id", source_id, timeout=FIND_S)
    if not found:
        sys.exit(f"no stream {source_id} within {FIND_S:g} s")
    inlet = pylsl.StreamInlet(found[0], max_buflen=1, max_chunklen=1, recover=False)
    ages_ms = []
    while not over:
        _, stamp_s = inlet.pull_sample(LOOK_S)
        if stamp_s is not None:
            ages_ms.append((pylsl.local_clock() - stamp_s) * 1e3)
    print(msgspec.json.encode(ages_ms).decode())


if __name__ == "__main__":
    main()
