"""The plainest of ports: who counts mail that came too late, who waits for no record, who runs nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from playbill.actors.ports import Receiver
    from playbill.model.errors import JournalError
    from playbill.model.facts import Inputs
    from playbill.model.plan import NodePlan, RunFacts

logger = logging.getLogger("playbill")


class CountedDeadLetters:
    """Counts mail that came too late for anybody."""

    def __init__(self) -> None:
        self.count: int = 0
        self.effects: int = 0

    def add(self, actor: str, message: object) -> None:
        """Count a message that came too late for `actor`."""
        self.count += 1
        logger.debug("dead letter to %s: %r", actor, message)

    def undone(self, actor: str, effect: object) -> None:
        """Count what the machine of `actor`, which has ended, asked for in vain."""
        self.effects += 1
        logger.debug("not done, for %s has ended: %r", actor, effect)


class NullKeeper:
    """Keeps a stream for which nobody waits."""

    def kept(self, seq: int) -> None:
        """Take note of nothing: nobody waits for these records."""

    def failed(self, error: str) -> None:
        """Take note of nothing: nobody waits for these records."""

    def fenced(self, error: JournalError) -> None:
        """Take note of nothing: nobody waits for these records."""


class NullRunner:
    """Stands where actors without handlers, breakers, are wired."""

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> NoReturn:
        """Raise NotImplementedError: breakers run no handlers."""
        raise NotImplementedError("breakers run no handlers")
