"""The run slots: how many of a run's nodes may be at work at once, and who is next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.model.machines.supervisor_base import NO_SLOTS, SupervisorBase
from playbill.model.messages import SlotGranted

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now
    from playbill.model.messages import SlotWanted


class SupervisorSlots(SupervisorBase):
    """The actions of slots."""

    def slot_wanted(self, message: SlotWanted, now: Now, out: Outbox) -> None:
        """Give a run slot, or queue for one."""
        if self.slot_queue is NO_SLOTS:
            self.slot_queue, self.slot_holders = {}, {}
        self.slot_queue[message.node] = None
        self._grant_slots(out)

    def _grant_slots(self, out: Outbox) -> None:
        limit = self.facts.plan.definition.max_concurrency
        while self.slot_queue and not self.paused_by and (limit is None or len(self.slot_holders) < limit):
            node = next(iter(self.slot_queue))
            del self.slot_queue[node]
            self.slot_holders[node] = None
            out.tell(node, SlotGranted())

    def _take_slot(self, node: str, out: Outbox) -> None:
        """Take back a node's slot, or its place in the queue."""
        self.slot_queue.pop(node, None)
        if node in self.slot_holders:
            del self.slot_holders[node]
            self._grant_slots(out)
