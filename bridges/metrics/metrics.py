"""The metrics: names, units and how a tick changes them (https://prometheus.io/docs/practices)."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info

from bridges.control.status import followers_of
from controller.follower import FollowerContext, FollowerState
from controller.supervisor.states import Reason, State

Record = NDArray[np.void]  # a board.RECORD
TIMES_S: Final = (*(50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1),)
AGES_S: Final = (2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.2, 0.3, 0.5, 1.0)


class Metrics:
    """Everything that one session shows.

    Attributes:
        registry: to expose.
    """

    def __init__(self, context: FollowerContext) -> None:
        self.registry = CollectorRegistry()
        self._folder = Path(context.folder)
        self._before: Record | None = None
        self._add_loop()
        self._add_task()
        self._add_followers()
        self._describe(context)

    def _add_loop(self) -> None:
        to = self.registry
        self._ticks = Counter("myoloop_ticks", "Ticks of the loop", registry=to)
        self._missed = Counter("myoloop_missed_deadlines", "Ticks skipped, too late", registry=to)
        self._late = Histogram(
            "myoloop_wake_lateness_seconds", "Wake-up after due", buckets=TIMES_S, registry=to
        )
        self._took = Histogram(
            "myoloop_tick_seconds", "Work of a tick", buckets=TIMES_S, registry=to
        )
        self._ages = Histogram(
            "myoloop_intention_age_seconds", "At the tick", buckets=AGES_S, registry=to
        )
        self._hand_age = Gauge("myoloop_feedback_age_seconds", "At the newest tick", registry=to)
        self._newest = Gauge(
            "myoloop_newest_tick_timestamp_seconds", "On CLOCK_MONOTONIC", registry=to
        )
        states = [state.name for state in State]
        self._state = Enum("myoloop_state", "Of the supervisor", states=states, registry=to)
        self._armings = Counter("myoloop_armings", "Accepted armings", registry=to)
        self._reasons = Counter(
            "myoloop_reason_ticks", "Ticks not as wished, by reason", ["reason"], registry=to
        )
        for reason in Reason:
            self._reasons.labels(_name(reason))  # a counter that is not there can not rise

    def _add_task(self) -> None:
        to = self.registry
        self._judged = Counter("myoloop_judged_ticks", "Ticks that the policy worked", registry=to)
        self._solved = Counter("myoloop_solved_ticks", "Ticks in place, of these", registry=to)
        self._error = Gauge(
            "myoloop_object_error_meters", "Object off its target", ["object"], registry=to
        )

    def _add_followers(self) -> None:
        to = self.registry
        self._ready = Gauge("myoloop_follower_ready", "1: does its work", ["follower"], registry=to)
        self._silent = Gauge(
            "myoloop_follower_silent_seconds", "Since its last sign", ["follower"], registry=to
        )
        self._dropped = Gauge(
            "myoloop_follower_dropped_ticks", "Ticks it never saw", ["follower"], registry=to
        )

    def _describe(self, context: FollowerContext) -> None:
        about = context.about
        info = Info("myoloop_run", "What runs", registry=self.registry)
        info.info(
            {
                "session": context.session,
                "skill": str(about["skill"]),
                "rate_hz": f"{context.rate_hz:g}",
                "policy_sha256": str(about["policy"]["sha256"]),
                "safety_sha256": str(about["safety"]["sha256"]),
                "version": str(about["versions"]["myoloop"]),
            }
        )

    def add(self, record: Record) -> None:
        """Take in a tick that is over."""
        before, self._before = self._before, record
        self._ticks.inc()
        self._missed.inc(_rise(record, before, "missed"))
        self._armings.inc(_rise(record, before, "arming"))
        self._late.observe(float(record["lateness_ns"]) / 1e9)
        self._took.observe(float(record["took_ns"]) / 1e9)
        self._ages.observe(float(record["age_s"]))  # never heard: beyond the last bucket
        self._hand_age.set(float(record["feedback_age_s"]))
        self._newest.set(float(record["time_ns"]) / 1e9)
        self._state.state(State(int(record["state"])).name)
        for reason in Reason(int(record["reasons"])):
            self._reasons.labels(_name(reason)).inc()
        self._judged.inc(int(record["judged"]))
        self._solved.inc(int(record["judged"] and record["solved"]))
        for index in range(int(record["objects"])):
            self._error.labels(str(index + 1)).set(float(record["error_m"][index]))

    def look(self) -> None:
        """See how the processes beside the loop are."""
        for name, status in followers_of(self._folder).items():
            self._ready.labels(name).set(status["state"] == FollowerState.READY.name)
            self._silent.labels(name).set(status["silent_ms"] / 1e3)
            self._dropped.labels(name).set(status["dropped"])


def _name(reason: Reason) -> str:
    return (reason.name or "").lower()


def _rise(record: Record, before: Record | None, field: str) -> int:
    return int(record[field]) - (0 if before is None else int(before[field]))
