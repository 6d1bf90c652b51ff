"""The supervisor: DISARMED -> ARMING -> ACTIVE <-> HOLD -> RELAXING -> DISARMED, and FAULT.

It starts disarmed and arms only by order, when every precondition is true at once. Rest is
always legal. After a relax nothing moves without a fresh arming, after a fault none without a
reset before it.
"""

from controller.messages import Excitation, Feedback, Intention, MuscleCommand
from controller.skills.skill import Channel
from controller.supervisor import judge
from controller.supervisor.gate import Gate
from controller.supervisor.judge import Judge, Machine
from controller.supervisor.limits import Action, Limits
from controller.supervisor.states import Missing, Order, Reason, State, names


class Supervisor:
    """Admits a tick, then allows, limits or withholds the wished excitation.

    Attributes:
        limits: what it holds everything against.
        state: where it is.
        arming: number of armings so far.
        violations: what this tick's inputs and the machine broke, whatever the state.
        missing: what the last arming lacked, or what ended it.
        note: the newest trouble, in words.
        counts: ticks by reason.
        stale_ticks: ticks with a late intention.
    """

    _entered = False  # RELAXING or FAULT began at this tick

    def __init__(self, limits: Limits, channels: tuple[Channel, ...], period_s: float) -> None:
        self.limits = limits
        self.state = State.DISARMED
        self.arming = 0
        self.violations = Reason(0)
        self.missing = Missing(0)
        self.note = ""
        self.counts = dict.fromkeys(Reason, 0)
        self.stale_ticks = 0
        self.gate = Gate(limits, period_s)
        self._judge = Judge(limits, channels)
        self._latching = limits.reasons_for(Action.LATCH)
        self._tolerated = limits.reasons_for(Action.LIMIT)
        self._arming_ticks = round(limits.arm_within_s / period_s)
        self._armed_ticks: int  # counted from an arming on
        self._reasons = self._cause = Reason(0)

    @property
    def resting(self) -> bool:
        """Whether the command is rest, fully ramped down, and no wish passes."""
        return not self.state.working and self.gate.resting

    def admit(
        self,
        intention: Intention,
        feedback: Feedback,
        machine: Machine,
        policy_fits: bool,
    ) -> State:
        """Judge this tick's inputs and move between the states.

        Args:
            intention: what the person wants.
            feedback: how the hand is.
            machine: orders, and how everything round the loop is.
            policy_fits: whether the policy, tried on the present hand, kept its contract;
                looked at when an arming is ordered.
        """
        order = machine.orders.order
        late = self._judge.late(intention)
        self.stale_ticks += late
        violations = (
            self._judge.intention(intention)
            | self._judge.feedback(feedback)
            | self._judge.machine(machine)
        )
        if machine.stopping:
            violations |= Reason.STOPPING
        if Order.DISARM in order:
            violations |= Reason.DISARMED
        self.violations, self._reasons = violations, Reason(0)
        if Order.ARM in order:
            self.missing = Missing.STATE  # unless it is granted below
        if Order.ESTOP in order:
            self._latch(Reason.ESTOP, "e-stop")
        elif self.state is State.FAULT:
            self._judge_fault(order)
        elif self.state.working:
            self._judge_working(violations, late, intention)
        elif self.state is State.RELAXING:
            self._judge_relaxing(violations, intention)
        elif self.state is State.ARMING:
            self._judge_arming(violations, late)
        elif Order.ARM in order:
            self._judge_disarmed(violations, late, intention, feedback, policy_fits)
        return self.state

    # --- the states ----------------------------------------------------------------

    def _judge_disarmed(
        self,
        violations: Reason,
        late: bool,
        intention: Intention,
        feedback: Feedback,
        policy_fits: bool,
    ) -> None:
        """Arm if everything is there; else say what is not."""
        self.missing = judge.missing(violations) | judge.missing_now(
            intention, feedback, late, policy_fits, self.gate.resting
        )
        if violations & (Reason.STOPPING | Reason.DISARMED):
            self.missing |= Missing.STATE
        if not self.missing:
            self.state, self._armed_ticks, self.note = State.ARMING, 0, ""
            self.arming += 1

    def _judge_arming(self, violations: Reason, late: bool) -> None:
        self._armed_ticks += 1
        self.missing = judge.missing(violations)
        withdrawn = violations & (Reason.STOPPING | Reason.DISARMED)
        if self._armed_ticks > self._arming_ticks:
            self.missing |= Missing.ENGAGE_IN_TIME
        if self.missing or withdrawn:
            self.state = State.DISARMED
            self.note = f"arming withdrawn: {', '.join(names(self.missing) or names(withdrawn))}"
        elif Reason.DISENGAGED not in violations and not late:
            self.state = State.ACTIVE

    def _judge_working(self, violations: Reason, late: bool, intention: Intention) -> None:
        if violations & self._latching:
            self._latch(violations, self._detail(violations, intention))
        elif violations:
            self._relax(violations, self._detail(violations, intention))
        elif late:
            self.state = State.HOLD
            self._reasons = Reason.INTENTION_HOLD
        else:
            self.state = State.ACTIVE

    def _judge_relaxing(self, violations: Reason, intention: Intention) -> None:
        if violations & self._latching:
            self._latch(violations, self._detail(violations, intention))
        elif self.gate.resting:
            self.state = State.DISARMED
        else:
            self._reasons = violations | self._cause

    def _judge_fault(self, order: Order) -> None:
        if Order.RESET in order and self.gate.resting:
            self.state, self._cause, self.note = State.DISARMED, Reason(0), ""
        else:
            self._reasons = self._cause

    # --- ways to rest --------------------------------------------------------------

    def _relax(self, reasons: Reason, detail: str = "") -> None:
        """Begin the ramp; what caused it is the reason of each of its ticks."""
        self.state, self._entered = State.RELAXING, True
        self._reasons |= reasons
        self._cause = self._reasons
        self._say(reasons, detail)

    def _latch(self, reasons: Reason, detail: str = "") -> None:
        self.state, self._entered = State.FAULT, True
        self._cause |= reasons
        self._reasons |= self._cause
        self._say(reasons, detail)

    def fail(self, detail: str) -> MuscleCommand:
        """Something broke inside the tick: rest at once, latched.

        Args:
            detail: what broke, in words.
        """
        self._reasons = Reason(0)
        self._latch(Reason.TICK_FAILED, detail)
        self.gate.cut()
        return self._command(count=True)

    def _say(self, reasons: Reason, detail: str) -> None:
        known = ", ".join(name.replace("_", " ") for name in names(reasons))
        self.note = f"{known}: {detail}" if detail else known

    def _detail(self, reasons: Reason, intention: Intention) -> str:
        return intention.fault if Reason.INTENTION_FAULT in reasons else self._judge.trouble

    # --- the command ---------------------------------------------------------------

    def allow(self, wished: Excitation) -> MuscleCommand:
        """The command that may be sent for this wish; valid until the next call.

        Args:
            wished: (39,) excitations; looked at only while working.
        """
        withheld = self._entered or not self.gate.resting
        if self.state.working:
            self._judge_wish(wished)
        if self.state.working:
            self.gate.take()
        elif self.state is State.FAULT and Reason.ESTOP in self._cause:
            self.gate.cut()
        else:
            self.gate.relax()
        return self._command(withheld or self._entered or self.state.working)

    def _judge_wish(self, wished: Excitation) -> None:
        reasons = self.gate.weigh(wished)
        self._reasons |= reasons
        if reasons & self._latching:
            self._latch(reasons)
        elif reasons & ~self._tolerated:
            self._relax(reasons)

    def _command(self, count: bool) -> MuscleCommand:
        """The newest command; a fault at rest withholds nothing and is not counted on."""
        self._entered = False
        for reason in self._reasons if count else ():
            self.counts[reason] += 1
        return MuscleCommand(
            excitation=self.gate.sent,
            reasons=int(self._reasons),
            relaxed=self.resting,
        )

    def report(self) -> dict[str, int]:
        """Ticks by reason, those that occurred."""
        return {names(reason)[0]: n for reason, n in self.counts.items() if n}
