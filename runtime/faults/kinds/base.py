"""What faults have in common: a probability, and of those that recur a time in which they do."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from playbill.model.fields import Count, Seconds, Settings, Share

if TYPE_CHECKING:
    from collections.abc import Iterator


class AnyFault(Settings):
    """What all kinds have."""

    probability: Share = 1.0
    """How likely it is: at each occasion, or at its one time."""

    @cached_property
    def kind(self) -> str:
        """What `fault` says."""
        return str(type(self).model_fields["fault"].default)

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the field and the name of each node, type or breaker of the pipeline that it speaks of."""
        yield from ()

    def certain(self) -> Iterator[Self]:
        """Yield it as it would be without chance, the least changed first; nothing if it is certain."""
        if self.probability < 1.0:
            yield self.model_copy(update={"probability": 1.0})


class RecurringFault(AnyFault):
    """Faults that may happen at every occasion of their kind: an attempt, an event, a timer or a message."""

    after: Seconds = 0.0
    """Not before so many seconds."""
    until: Seconds | None = None
    """Not from so many seconds on; None: for ever."""
    times: Count | None = None
    """At most so often; None: as often as it happens."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until is not None and self.until <= self.after:
            raise ValueError(f"until ({self.until:g}) comes after `after` ({self.after:g})")
        return self

    def certain(self) -> Iterator[Self]:
        """Yield it as it would be without chance: as often as before, and once."""
        for certain in super().certain():
            yield certain
            yield certain.model_copy(update={"times": 1})

    @property
    def chooses(self) -> bool:
        """Whether it happens at some occasions of its kind only."""
        return False

    @cached_property
    def is_everywhere(self) -> bool:
        """Whether it may happen at any occasion of its kind, at any time."""
        return not self.after and self.until is None and not self.chooses

    def touches(self, subject: str, node_type: str, attempt: int, seconds: float) -> bool:
        """Tell whether it may happen at this occasion.

        Args:
            subject: the name of the node, the event or the message.
            node_type: of the node, where it is one; of a message, which kind of actor is told it.
            attempt: its number.
            seconds: since the manager was there.
        """
        in_time = seconds >= self.after and (self.until is None or seconds < self.until)
        return in_time and self._fits(subject, node_type, attempt)

    def _fits(self, subject: str, node_type: str, attempt: int) -> bool:
        return True
