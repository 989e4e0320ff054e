"""The base of the machines: a state, a table of rows, and `receive`, which looks the row up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeAlias

from playbill.model.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum

    from playbill.model.effects import Outbox
    from playbill.model.facts import Now

    Action: TypeAlias = Callable[[Any, Any, Now, Outbox], Any]


@dataclass(frozen=True, slots=True)
class Row:
    """What a machine does with a message: the method's name, and the states it may be in afterwards."""

    action: str
    to: tuple[StrEnum, ...]


def row(action: str, *to: StrEnum) -> Row:
    """Write a row of a table; without `to` the state stays."""
    return Row(action, to)


LATE = Row("late", ())
"""The row of what may legally come too late: counted, nothing else."""

Rows: TypeAlias = "dict[type, Row]"
"""What is done with which message, in one state."""
Table: TypeAlias = "Mapping[StrEnum, Mapping[type, Row]]"
"""`TRANSITIONS[state][type(message)]`; a pair that is not there cannot legally happen."""


class Machine:
    """A table and a state.

    A subclass names its `TRANSITIONS`; each action is a method `(message, now, out)` that changes the machine's own
    state and calls `out` for what the world shall do.
    """

    TRANSITIONS: ClassVar[Table]
    INITIAL: ClassVar[StrEnum]
    ACTIONS: ClassVar[Mapping[StrEnum, Mapping[type, Action]]]
    _state: StrEnum
    actions: Mapping[type, Action]
    """What it does with which message, in its present state."""

    def __init_subclass__(cls) -> None:
        """Look the table's methods up once, so that `receive` is two dict look-ups and a call."""
        if "TRANSITIONS" not in cls.__dict__:
            return
        cls.ACTIONS = {  # pyright: ignore[reportConstantRedefinition] (one a subclass)
            state: {message: getattr(cls, row.action) for message, row in rows.items()}
            for state, rows in cls.TRANSITIONS.items()
        }
        cls._state = cls.INITIAL  # where every instance begins, without an __init__ that each would pay for
        cls.actions = cls.ACTIONS[cls.INITIAL]

    @property
    def state(self) -> StrEnum:
        """Where the machine is in its table."""
        return self._state

    def become(self, state: StrEnum) -> None:
        """Move to `state`; for the machine's own actions."""
        self._state = state
        self.actions = self.ACTIONS[state]

    def receive(self, message: Any, now: Now, out: Outbox) -> Any:
        """Take `message`: change the state, ask `out` for effects, return the answer for an asker.

        Raises:
            InternalError: the table has no such pair; nothing has changed.
        """
        action = self.actions.get(type(message))  # pyright: ignore[reportUnknownArgumentType]
        if action is None:
            self.refuse(message)
        return action(self, message, now, out)

    def refuse(self, message: Any) -> NoReturn:
        """Say that the table has no row for `message` in this state."""
        raise InternalError(f"{self!r} cannot receive {message!r}")

    def late(self, message: Any, now: Now, out: Outbox) -> None:
        """Count a message that came too late."""
        out.dead_letter(message)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state}>"
