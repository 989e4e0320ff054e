"""A plain model of one run: told what its supervisor is told, it says what must be recorded and told to the nodes.

Told by: the world, before the supervisor itself is. What is recorded is looked at in run_facts.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from playbill.model import messages as m
from playbill.model.events import EventType
from playbill.model.facts import Cause, NodeStatus, Outcome, Receipt, RunStatus, Stopped
from playbill.runtime.simulation.checks.names import (
    IN_TIME,
    SLOTS,
)
from playbill.runtime.simulation.reference.attempt import COARSE_SECONDS, EPSILON, NEVER
from playbill.runtime.simulation.reference.run_facts import RecordedRun
from playbill.runtime.simulation.reference.run_ground import SALVAGED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.facts import Now

T: Final = EventType
USER, JOURNAL = "user", "journal"


class RunModel(RecordedRun):
    """What one run must do."""

    def told(self, message: Any, now: Now) -> None:
        """Go on by a message that its supervisor is about to be told."""
        self._now = now
        row = self.ROWS.get(message.__class__)
        if self.at == "ended":
            if row is not self.ROWS[m.Start]:
                self.too_late()
        elif row is not None:
            row(self, message, now)

    def _start(self, message: m.Start, now: Now) -> None:
        definition = self.rules.definition
        data = {
            "pipeline": definition.name,
            "version": definition.version,
            "trigger_data": message.trigger_data,
            "timeout": self._timeout,
            "grace": self.rules.grace,
            "kill_bound": self.rules.kill_bound,
            **message.told,
        }
        self.facts.append((T.PIPELINE_RUN_STARTED, data))
        self.at, self._deadline = "running", now.monotonic + self._timeout
        for root in self.rules.roots:
            self.reach(root).mail.append(m.Input(None, {}))

    def _slot_wanted(self, message: m.SlotWanted, _: Now) -> None:
        node = self.nodes[message.node]
        if not node.slots_wanted:
            self.wrong(SLOTS, f"node '{message.node}' asked for a slot ({node.at})")
        node.slots_wanted -= 1
        if self.at == "running":
            self._slot_queue.append(message.node)
            self.give_slots()
        else:
            self.too_late()

    def _attempt_ready(self, message: m.AttemptReady, _: Now) -> None:
        node = self.nodes[message.node]
        never_begins = self.at == "stopping" and node.rules.commits
        if never_begins or self.at == "salvaging":
            node.facts.pop(0)
            self.too_late()

    def _still_waiting(self, message: m.StillWaiting, _: Now) -> None:
        if self.at in {"stopping", "salvaging"}:
            self.nodes[message.node].facts.pop(0)
            self.too_late()

    def _clock_stepped(self, message: m.ClockStepped, now: Now) -> None:
        if self.at not in {"running", "stopping"}:
            self.too_late()
            return
        left = self._deadline - now.monotonic if self._deadline_left is None else self._deadline_left
        said = {"seconds": message.seconds, "elapsed": self._timeout - left}
        self.facts.append((T.PIPELINE_RUN_CLOCK_STEPPED, said))
        if message.seconds > 0:
            for node in self.live:
                self.order(node, m.LookAgain())

    def _pause(self, _: m.Pause, now: Now) -> None:
        if self.at == "running" and USER not in self._paused_by:
            self.facts.append((T.PIPELINE_RUN_PAUSED, {}))
            self._deadline_left = self._deadline - now.monotonic
            self._pause_for(USER)
        else:
            self.too_late()

    def _resume(self, _: m.Resume, now: Now) -> None:
        if self.at == "running" and USER in self._paused_by:
            self.facts.append((T.PIPELINE_RUN_RESUMED, {}))
            self._deadline = now.monotonic + max(0.0, self._deadline_left or 0.0)
            self._deadline_left = None
            self._resume_for(USER)
        else:
            self.too_late()

    def _journal_failed(self, _: m.JournalFailed, __: Now) -> None:
        if self.at == "running" and JOURNAL not in self._paused_by:
            self._pause_for(JOURNAL)
        else:
            self.too_late()

    def _journal_back(self, _: m.JournalBack, __: Now) -> None:
        if self.at == "running" and JOURNAL in self._paused_by:
            self._resume_for(JOURNAL)
        else:
            self.too_late()

    def _pause_for(self, reason: str) -> None:
        if not self._paused_by:
            for node in self.live:
                self.order(node, m.Pause())
        self._paused_by.add(reason)

    def _resume_for(self, reason: str) -> None:
        self._paused_by.discard(reason)
        if self._paused_by:
            return
        for node in self.live:
            self.order(node, m.Resume())
        self.give_slots()
        unrouted, self._unrouted = self._unrouted, []
        for route in unrouted:
            self.follow(*route)
        self.end_if_nobody_lives()

    def _cancel(self, message: m.Cancel, now: Now) -> None:
        grace = None if message.grace is None else max(0.0, message.grace)
        cause = Cause(RunStatus.CANCELLED, source=message.source, reason=message.reason)
        if self.at == "salvaging":
            self.too_late()
            return
        if self.at == "stopping" and now.monotonic + max(self.graces(grace).values()) >= self._grace_ends:
            return
        self.facts.append((T.PIPELINE_RUN_CANCEL_REQUESTED, {"cause": cause, "grace": grace}))
        self.result.decide(cause)
        self.stop(grace, now)

    def _deadline_reached(self, _: m.DeadlineReached, now: Now) -> None:
        if self.at != "running" or USER in self._paused_by:
            self.too_late()
            return
        if not self._deadline - EPSILON <= now.monotonic <= self._deadline + COARSE_SECONDS + self.lateness():
            self.wrong(IN_TIME, f"the run's timeout came at {now.monotonic:g} s, not at {self._deadline:g} s")
        cause = Cause(RunStatus.TIMEOUT, source="timeout", seconds=self._timeout)
        data = {"cause": cause, "grace": None}
        self.facts.append((T.PIPELINE_RUN_CANCEL_REQUESTED, data))
        self.result.decide(cause)
        self.stop(None, now)

    def fails(self, now: Now) -> None:
        """Hear that the supervisor fails: it stops all that is live, and ends failed."""
        self._now = now
        if self.at == "ended":
            return
        if self.at == "salvaging":
            self.at = "sunk"
            self.result.sinks()
            return
        decides = self.live and not self.result.was_stopped
        self.at, self.facts = "salvaging", [(T.PIPELINE_RUN_CANCEL_REQUESTED, SALVAGED)] if decides else []
        self._slot_queue, self._unrouted = [], []
        self._first_backstop = self._backstop if self._is_stopped else NEVER
        self._is_stopped, self._stop_asked = True, now.monotonic
        self._is_overdue = False
        self.order_stop(None, now)
        self.end_if_nobody_lives()

    def _retrying(self, message: m.Retrying, _: Now) -> None:
        if self.at == "salvaging":
            self.nodes[message.node].facts.pop(0)
            self.too_late()

    def _stop_overdue(self, _: m.StopOverdue, now: Now) -> None:
        if self.at not in {"stopping", "salvaging"}:
            return
        soonest = min(self._backstop, self._first_backstop) - EPSILON
        if not soonest <= now.monotonic <= self._backstop + EPSILON + self.lateness():
            self.wrong(IN_TIME, f"nodes are given up at {now.monotonic:g} s, not at {self._backstop:g} s")
        if not self._is_overdue:
            self._is_overdue, self._first_backstop = True, NEVER
            self.order_stop(0.0, now)
            return
        receipt = Receipt(Stopped.ABANDONED, (now.monotonic - self._stop_asked) * 1000)
        for node, model in self.live.items():
            attempts = self.result.attempts(node)
            model.is_over = True
            model.at = "ended"
            model.facts[:] = [Outcome(NodeStatus.CANCELLED, attempts, receipt=receipt)]

    ROWS: ClassVar[Mapping[type, Callable[[Any, Any, Now], None]]] = {
        m.Start: _start,
        m.SlotWanted: _slot_wanted,
        m.AttemptReady: _attempt_ready,
        m.StillWaiting: _still_waiting,
        m.Retrying: _retrying,
        m.ClockStepped: _clock_stepped,
        m.Pause: _pause,
        m.Resume: _resume,
        m.JournalFailed: _journal_failed,
        m.JournalBack: _journal_back,
        m.Cancel: _cancel,
        m.DeadlineReached: _deadline_reached,
        m.StopOverdue: _stop_overdue,
    }
