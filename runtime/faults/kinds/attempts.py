"""The faults of attempts: a handler that fails, hangs, is late, or does not end when it is told to."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from playbill.model.fields import Count, Seconds
from playbill.runtime.faults.behaviour import Behaviour, Duration, Ending
from playbill.runtime.faults.kinds.base import RecurringFault

if TYPE_CHECKING:
    from collections.abc import Iterator

HANGS: Final = Behaviour(outcomes=(Ending(hangs=True),))
GARBAGE: Final = Behaviour(output={"garbage": object()})


class AttemptFault(RecurringFault):
    """Faults of attempts."""

    node: str | None = None
    """Of this node only."""
    type: str | None = None
    """Of nodes of this type only."""
    attempts: tuple[Count, ...] = ()
    """Which attempts of a node; empty: all."""

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield its node and its type."""
        yield from ((field, name) for field, name in (("node", self.node), ("type", self.type)) if name is not None)

    @property
    def chooses(self) -> bool:
        """Whether it hits some attempts only."""
        return bool(self.attempts) or self.node is not None or self.type is not None

    @property
    def instead(self) -> Behaviour | None:
        """What an attempt does in the place of its handler; None: its handler runs."""
        return None

    def may_hit(self, node: str, node_type: str) -> bool:
        """Tell whether any attempt of a node of this type may be hit."""
        return self.node in {None, node} and self.type in {None, node_type}

    def _fits(self, subject: str, node_type: str, attempt: int) -> bool:
        return self.may_hit(subject, node_type) and (not self.attempts or attempt in self.attempts)


class Raise(AttemptFault):
    """The handler fails at once."""

    fault: Literal["raise"] = "raise"
    error: str = "ConnectionError"
    """The class name of the exception."""
    message: str | None = None
    retryable: bool = True

    @property
    def instead(self) -> Behaviour:
        """Fail at once, with its error and message."""
        return self._failing

    @cached_property
    def _failing(self) -> Behaviour:
        text = "injected" if self.message is None else self.message
        error = Ending(error=self.error, message=text, retryable=self.retryable)
        return Behaviour(outcomes=(error,), duration=Duration(constant=0.0))


class Hang(AttemptFault):
    """The handler never ends by itself."""

    fault: Literal["hang"] = "hang"

    @property
    def instead(self) -> Behaviour:
        """Hang until it is stopped or lost."""
        return HANGS


class Slow(AttemptFault):
    """The handler begins `seconds` later."""

    fault: Literal["slow"] = "slow"
    seconds: Seconds = 1.0


class IgnoreCancel(AttemptFault):
    """The handler goes on when it is asked to end."""

    fault: Literal["ignore_cancel"] = "ignore_cancel"
    kill: bool = False
    """And when it is killed."""


class Garbage(AttemptFault):
    """The handler returns what is no output."""

    fault: Literal["garbage"] = "garbage"

    @property
    def instead(self) -> Behaviour:
        """Give an object, which is no output."""
        return GARBAGE


class Late(AttemptFault):
    """The handler ends, but only `seconds` after it was asked to and killed."""

    fault: Literal["late"] = "late"
    seconds: Seconds = 1.0


class Lost(AttemptFault):
    """The handler hangs, and its worker dies after `seconds`."""

    fault: Literal["lost"] = "lost"
    seconds: Seconds = 1.0

    @property
    def instead(self) -> Behaviour:
        """Hang until it is stopped or lost."""
        return HANGS
