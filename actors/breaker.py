"""The breaker actor: the breaker machine's shell, one per key, shared by all runs of a manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.actors.shell import Shell, logger
from playbill.model.events import Event, EventType
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.messages import Ask, AskAgain, Refused

if TYPE_CHECKING:
    from playbill.actors.ports import Ports
    from playbill.model.policies import BreakerPolicy


class BreakerActor(Shell[BreakerMachine]):
    """One circuit breaker.

    Told by: nodes, runners (Released), users (Force), its timers. Tells: nodes. Its stream is never gated.
    """

    def __init__(self, ports: Ports, key: str, policy: BreakerPolicy) -> None:
        super().__init__(ports, f"breaker:{key}")
        self.machine = BreakerMachine(key, policy)
        self.writer = ports.journal.open(self.actor_urn, self)
        self.register()

    def record(self, event: Event) -> None:
        """Hand an event to the journal; nothing waits for it."""
        self.writer.append(event)

    def kept(self, seq: int) -> None:
        """Nothing waits for a breaker's records."""

    def failed(self, error: str) -> None:
        """Go on: a breaker protects also while the journal fails."""

    def too_late(self, message: Any) -> None:
        """Refuse who asks a breaker that has ended."""
        if type(message) is Ask:
            self._turn_away(message)
        else:
            super().too_late(message)

    def _turn_away(self, ask: Ask) -> None:
        self.tell(ask.reply_to, Refused(ask.ask_id, self.machine.key, 0.0))

    def close(self) -> None:
        """End at once; whoever waits is refused."""
        if self.ended:
            return
        super().close()
        for ask in self.machine.waiting.values():
            self._turn_away(ask)

    def fault(self, error: BaseException, message: Any) -> None:
        """Start afresh, closed, in a new epoch; those who waited ask again, and work that goes on keeps its share."""
        logger.error("%r failed: %s", self, error, exc_info=error)
        old = self.machine
        for timer in (self.timers or {}).values():
            self.ports.timers.drop(timer)
        self.timers = None
        self.machine = BreakerMachine(old.key, old.policy, epoch=old.epoch + 1, seq=old.seq + 1)
        self.machine.keep_shares(old)
        data = {"epoch": self.machine.epoch, "error": repr(error)}
        self.record(Event(EventType.BREAKER_RESET, self.actor_urn, self.machine.seq, self.now.utc, None, None, data))
        for ask in old.waiting.values():
            self.tell(ask.reply_to, AskAgain(ask.ask_id))
        if type(message) is Ask and message.ask_id not in old.waiting and message.ask_id not in old.out:
            self._turn_away(message)
