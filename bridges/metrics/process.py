"""The process of ``metrics``: reads the board, answers scrapes."""

import os
import sys
from typing import Final

from prometheus_client import start_http_server

from bridges.follow import Follow
from bridges.metrics import MetricsOptions
from bridges.metrics.metrics import Metrics
from controller.follower import FollowerState
from controller.settings import convert

GATHER_S: Final = 0.1  # ticks are taken in handfuls
NICE: Final = 10


def main() -> None:
    """Answer until the daemon ends."""
    follow = Follow.from_arguments()
    options = convert(follow.job.options, MetricsOptions, "metrics")
    os.nice(NICE)
    metrics = Metrics(follow.job.context)
    try:
        server, thread = start_http_server(options.port, options.address, metrics.registry)
    except OSError as error:
        words = f"{options.address}:{options.port}: {error.strerror}"
        follow.tell(FollowerState.FAULT, words)
        sys.exit(f"myoloop: metrics: {words}")
    while follow.wait(GATHER_S):
        for record in follow.ticks():
            metrics.add(record)
        metrics.look()
        follow.tell(FollowerState.READY)
    server.shutdown()
    server.server_close()
    thread.join()


if __name__ == "__main__":
    main()
