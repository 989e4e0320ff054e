"""The breaker actor: the breaker machine's shell, one per node type or name, shared by all runs of a manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.actors.recording import RecordingShell
from playbill.actors.shell import logger
from playbill.model.events import BREAKERS
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.messages import Ask, Granted, Refused
from playbill.model.plain_text import repr_of, text_of
from playbill.model.targets import FAILURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.actors.ports import Ports
    from playbill.model.policies import BreakerPolicy


class BreakerActor(RecordingShell[BreakerMachine]):
    """A breaker: the circuits of one node type, or of a name given by hand.

    Told by: nodes, runners (Released), users (Force), its timers. Tells: nodes. Its stream gates nothing: it
    protects also while the journal fails. Only who asks from outside waits for it.
    """

    def __init__(
        self,
        ports: Ports,
        key: str,
        policy: BreakerPolicy,
        targets: Mapping[str, BreakerPolicy] | None = None,
        *,
        failures: int | None = FAILURES,
    ) -> None:
        super().__init__(ports, f"{BREAKERS}{key}")
        self.machine = BreakerMachine(key, policy, targets, failures=failures)
        self.writer = ports.journal.open(self.actor_urn, self)
        self.register()

    def standing(self) -> str:
        """Tell what is in force."""
        return f"what breaker '{self.machine.key}' was told is in force"

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
        for circuit in self.machine.circuits.values():
            for _, ask in circuit.line.values():
                self._turn_away(ask)

    def fault(self, error: BaseException, message: Any) -> None:
        """Start the circuit afresh that failed; those who waited at it ask again, and no share is lost."""
        logger.error("%r failed: %s", self, text_of(error), exc_info=error)
        machine = self.machine
        unheard = type(message) is Ask and message.ask_id not in machine.parked and message.ask_id not in machine.out
        machine.restart(message, repr_of(error), self.now, self)
        if unheard:
            self._turn_away(message)
        elif type(message) is Ask and (permit := machine.out.get(message.ask_id)) is not None:
            self.tell(message.reply_to, Granted(permit))  # it was given, and broke before anybody was told
