"""Copies each tick onto the board and wakes the followers; all of it into preallocated memory."""

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.board import (
    MAX_CHANNELS,
    MAX_OBJECTS,
    MAX_OBSERVATION,
    TEXT,
    BoardWriter,
)
from controller.follower import Follower
from controller.loop import Loop, Tick
from controller.messages import Array
from controller.supervisor.supervisor import Supervisor


class Publisher:
    """The loop's way to everybody outside.

    Attributes:
        number: of the tick that comes next.
    """

    def __init__(
        self,
        board: BoardWriter,
        followers: Sequence[Follower],
        supervisor: Supervisor,
        taken: NDArray[np.int64],
    ) -> None:
        self.number = 0
        self._board = board
        self._woken = [one for one in followers if one.info.woken]
        self._goal = GoalRow(board.record["goal"])
        self._supervisor, self._taken = supervisor, taken
        self._ttl_ns = round(supervisor.limits.command_ttl_ms * 1e6)

    def begin(self, now_ns: int, lateness_ns: int, missed: int) -> None:
        """Note when this tick began."""
        record = self._board.record
        record["time_ns"], record["lateness_ns"], record["missed"] = now_ns, lateness_ns, missed

    def publish(self, tick: Tick, loop: Loop) -> None:
        """Show the tick; called before the plant is written."""
        record, supervisor = self._board.record, self._supervisor
        record["state"], record["reasons"] = tick.state, tick.command.reasons
        record["violations"] = supervisor.violations
        record["missing"], record["arming"] = supervisor.missing, supervisor.arming
        record["ttl_ns"], record["taken"] = self._ttl_ns, self._taken
        record["note"] = supervisor.note.encode()[:TEXT]
        self._enter_intention(tick)
        self._enter_policy(tick, loop)
        self._enter_hand(tick)
        parts = loop.parts
        record["read_ns"], record["think_ns"], record["gate_ns"] = (
            parts.read,
            parts.think,
            parts.gate,
        )
        self._board.publish(self.number)
        for follower in self._woken:
            follower.wake()

    def _enter_intention(self, tick: Tick) -> None:
        record, intention = self._board.record, tick.intention
        count = min(len(intention.values), MAX_CHANNELS)
        record["channels"], record["fresh"] = count, intention.fresh
        record["intention"][:count] = intention.values[:count]
        record["engage"], record["age_s"] = intention.engage, intention.age_s
        record["raw_stamp_s"], record["correction_s"] = (
            intention.raw_stamp_s,
            intention.correction_s,
        )
        record["fault"] = intention.fault.encode()[:TEXT]

    def _enter_policy(self, tick: Tick, loop: Loop) -> None:
        record = self._board.record
        record["goals"] = self._goal.enter(tick.goal)
        seen = tick.observation[:MAX_OBSERVATION]
        record["observations"], record["observation"][: len(seen)] = len(seen), seen
        record["policy_state"] = loop.policy.state_crc()
        if record["policy"] != loop.policies or not self.number:
            record["policy"], record["policy_sha256"] = loop.policies, loop.policy.sha256.encode()
        record["wished"], record["excitation"] = tick.wished, tick.command.excitation

    def _enter_hand(self, tick: Tick) -> None:
        record, feedback = self._board.record, tick.feedback
        record["plant_time_s"], record["feedback_age_s"] = feedback.time_s, feedback.age_s
        record["joint_pos"], record["joint_vel"] = feedback.joint_pos, feedback.joint_vel
        record["activation"] = feedback.activation
        record["palm_pos"], record["palm_rot"] = feedback.palm_pos, feedback.palm_rot
        count = min(len(feedback.object_pos), MAX_OBJECTS)
        record["objects"] = count
        record["object_pos"][:count] = feedback.object_pos[:count]
        record["object_vel"][:count] = feedback.object_vel[:count]

    def settle(self, tick: Tick, loop: Loop, took_ns: int) -> None:
        """Complete the tick with what is known at its end."""
        record, outcome = self._board.record, tick.outcome
        count = int(record["objects"])
        record["target_pos"][:count] = tick.targets[:count]
        record["error_m"][:count] = outcome.errors_m[:count]
        record["solved"], record["dropped"], record["judged"] = (
            outcome.solved,
            outcome.dropped,
            outcome.judged,
        )
        record["sent"], record["plant_ns"], record["took_ns"] = loop.sent, loop.parts.plant, took_ns
        record["left_ns"] = loop.parts.left_at - record["time_ns"]
        self._board.settle(self.number)
        self.number += 1

    def stop(self) -> None:
        """Show everybody the supervisor's last word: rest."""
        record, supervisor = self._board.record, self._supervisor
        record["state"], record["note"] = supervisor.state, supervisor.note.encode()[:TEXT]
        record["excitation"] = supervisor.gate.sent
        self._board.publish(self.number)
        for follower in self._woken:
            follower.wake()
        self.number += 1


class GoalRow:
    """The fields of a goal, one after the other, as far as there is room.

    Args:
        out: where they go.
    """

    def __init__(self, out: Array) -> None:
        self._out = out
        self._kind: type | None = None
        self._places: list[tuple[str, Array]] = []  # of each field, its view of ``out``
        self._count = 0

    def enter(self, goal: Any) -> int:
        """Write them; how many numbers these are."""
        if type(goal) is not self._kind:
            self._lay_out(goal)
        for name, place in self._places:
            place[...] = getattr(goal, name)
        return self._count

    def _lay_out(self, goal: Any) -> None:
        self._kind, self._places, self._count = type(goal), [], 0
        for field in fields(goal):
            shape = np.shape(getattr(goal, field.name))
            end = self._count + math.prod(shape)
            if end > len(self._out):
                break
            self._places.append((field.name, self._out[self._count : end].reshape(shape)))
            self._count = end
