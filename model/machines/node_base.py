"""What a node holds, and how it gives it back: the retry, the end, the permit."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.facts import NodeStatus, Outcome, Verdict
from playbill.model.machines.machine import Machine
from playbill.model.machines.node_state import NodeState
from playbill.model.messages import Due, Ended, Retrying, Settle, Withdraw

if TYPE_CHECKING:
    from datetime import datetime

    from playbill.model.effects import Outbox
    from playbill.model.facts import Failure, Inputs, Now, Output, Permit, Receipt
    from playbill.model.machines.ladder import Ladder
    from playbill.model.messages import LookAgain, Recovered, Returned, Token
    from playbill.model.plan import NodePlan, RunFacts

S: Final = NodeState
# Bound once, see machine.py.
DONE: Final = S.DONE
COMPLETED: Final = NodeStatus.COMPLETED
CLOSE_SECONDS: Final = 1.0
"""Two clocks that are no further apart agree."""


class NodeBase(Machine[NodeState]):
    """What a node holds, and how it ends."""

    INITIAL = S.WAITING

    # No slots: most of these keep their defaults in most nodes, and a node is made for every step of every run.
    inputs_are_mine = False
    has_slot = False
    asks: int = 0
    ask_id = ""
    waits: int = 0
    """So many waits for slots and at breakers there were."""
    waits_since: Now | None = None
    """When it wanted the slot or the permit that it waits for."""
    has_waited = False
    """Whether one has ended since its last attempt began."""
    slot_ms = permit_ms = 0
    """How long the attempt that is to begin has waited, in all."""
    permit: Permit | None = None
    failure: Failure | None = None
    past: Recovered | None = None
    """What had begun of it when its run was left; None: it began here."""
    ladder: Ladder | None = None
    due = 0.0
    """When its delay or its back-off is over, in monotonic seconds..."""
    due_at: datetime | None = None
    """... and on the wall, as it is recorded: whatever comes first."""
    began_at = 0.0
    heard_at = 0.0
    total_at: float | None = None
    total_left: float | None = None

    def __init__(self, facts: RunFacts, plan: NodePlan, me: Token, supervisor: Token, breaker: Token) -> None:
        self.facts = facts
        self.plan = plan
        self.me = me
        self.supervisor = supervisor
        self.breaker = breaker
        self.missing = plan.incoming
        # What each node's way reads most: an instance's own values are found faster (2 k instructions a node, 1 %).
        self.inputs: Inputs | None = None
        self.paused = False
        self.attempts: int = 0

    # ---- the retry -----------------------------------------------------------------------------------------------

    def _failed(
        self,
        failure: Failure,
        now: Now,
        out: Outbox,
        *,
        jitter: float = 0.5,
        receipt: Receipt | None = None,
        final: bool = False,
    ) -> None:
        """Retry after a back-off if the policy allows, else end failed."""
        retry = self.plan.retry
        charged = self.attempts if self.past is None else self.attempts - self.past.lost
        if (
            final
            or charged >= retry.max_attempts
            or not retry.should_retry(failure.kinds, retryable=failure.retryable)
        ):
            self._end(out, Outcome(NodeStatus.FAILED, self.attempts, failure=failure, receipt=receipt))
            return
        delay = retry.delay(charged, jitter, failure.retry_after)
        self.failure = failure
        self.has_slot = False
        for name in (Timer.ATTEMPT, Timer.IDLE, Timer.LADDER):
            out.drop_timer(name)
        out.tell(self.supervisor, Retrying(self.plan.id, self.attempts, now.after(delay), failure, receipt))
        self._wait_for_due(delay, now.after(delay), now, out)
        self.become(S.BACKING_OFF)

    def _wait_for_due(self, seconds: float, due_at: datetime | None, now: Now, out: Outbox) -> None:
        """Have a delay or a back-off be over in so many seconds; by its record it is at `due_at`."""
        self.due, self.due_at = now.monotonic + seconds, due_at
        out.set_timer(Timer.DUE, seconds, Due(self.attempts))

    # ---- giving back and ending -------------------------------------------------------------------------------

    def _settle(
        self, out: Outbox, verdict: Verdict, returned: Returned | None = None, failure: Failure | None = None
    ) -> None:
        """Report the attempt to its breaker; what returned says how long it ran, and what failed unless `failure`."""
        permit = self.permit
        if permit is None:
            return
        self.permit = None
        if returned is None:
            out.tell(self.breaker, Settle(permit, verdict))
        else:
            what = failure or returned.failure
            seconds = returned.ended - self.began_at
            out.tell(self.breaker, Settle(permit, verdict, seconds, returned.jitter, False, what))  # noqa: FBT003 (by name it costs)

    def _take_back(self, out: Outbox) -> int:
        """Give back ask and permit of an attempt that never began; return how many did."""
        if self.state is S.COMMITTING or (self.permit is not None and not self.has_attempt):
            self._settle(out, Verdict.CANCELLED)
            return self.attempts - 1
        if self.state in {S.ASKING, S.PARKED}:
            out.tell(self.breaker, Withdraw(self.ask_id))
            self.ask_id = ""
        return self.attempts

    def _complete(self, out: Outbox, output: Output, carried: Inputs | None = None) -> None:
        self._end(out, Outcome(COMPLETED, self.attempts, output, carried))

    def _end(self, out: Outbox, outcome: Outcome) -> None:
        self.become(DONE)
        out.tell(self.supervisor, Ended(self.plan.id, outcome))
        out.finish(None)

    @property
    def is_at_work(self) -> bool:
        """Whether an attempt of its is running, being ended, or about to begin: its start may be kept already."""
        return self.has_attempt or self.state is S.COMMITTING

    @property
    def has_attempt(self) -> bool:
        """Whether an attempt of its is running or being ended."""
        return self.state in {S.RUNNING, S.INTERRUPTING, S.STOPPING}

    def look_again(self, message: LookAgain, now: Now, out: Outbox) -> None:
        """End a delay or a back-off sooner whose moment is sooner by the clock on the wall."""
        if self.due_at is None or self.state not in {S.DELAYING, S.BACKING_OFF}:
            return
        left = self._left_on_the_wall(now)
        if now.monotonic + left < self.due:
            self._wait_for_due(left, self.due_at, now, out)

    def _left_on_the_wall(self, now: Now) -> float:
        """Return how many seconds are left until the moment that is recorded."""
        return max(0.0, (self.due_at - now.utc).total_seconds()) if self.due_at is not None else 0.0

    def rests_until(self, now: Now) -> float | None:
        """Return until when it does nothing by itself, in monotonic seconds; None: it does something.

        Nor does one rest whose wait would be longer by its record, since the clock on the wall was set back.
        """
        if self.state in {S.DELAYING, S.BACKING_OFF}:
            if now.monotonic + self._left_on_the_wall(now) > self.due + CLOSE_SECONDS:
                return None
            rests = self.due
        elif self.state is S.WAITING or (self.state is S.HELD and self.paused):
            rests = inf
        else:
            return None
        return rests if self.total_at is None or self.paused else min(rests, self.total_at)

    def release(self, out: Outbox) -> Permit | None:
        """Give back what a node still holds when its actor ends for another reason.

        Returns the permit whose share stays with the attempt until that has ended.
        """
        self._take_back(out)
        permit, self.permit = self.permit, None
        if permit is not None:
            out.tell(self.breaker, Settle(permit, Verdict.LOST, running=True))
        return permit

    def __repr__(self) -> str:
        return f"<NodeMachine {self.facts.run_id}/{self.plan.id} {self.state} attempt={self.attempts}>"
