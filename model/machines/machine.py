"""The base of the machines: a state, a table of rows, and `receive`, which looks the row up.

Weak spot: on CPython 3.11 a member looked up on its enum costs 0.6 k instructions. Members on the way of every node
are therefore bound to module names, the only spelling in their module's actions: 12.6 k a node less, 7 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeAlias, TypeVar

from playbill.model.errors import InternalError

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now
    from playbill.model.messages import Token

S = TypeVar("S", bound=StrEnum)
"""The states of a machine."""
A = TypeVar("A", bound="Machine[Any]")
M = TypeVar("M")
Action: TypeAlias = "Callable[[A, M, Now, Outbox], Any]"
"""A method of a machine: takes a message, changes the machine's own state, and asks the outbox for effects."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a machine does with a message, and the states it may be in afterwards."""

    message: type
    action: Action[Any, Any]
    to: tuple[StrEnum, ...]
    """Empty: it stays where it is."""
    late: bool = False
    """The message may legally come too late: it is counted, and nothing else happens."""


Table: TypeAlias = "Mapping[StrEnum, Mapping[type, Row]]"
"""`TRANSITIONS[state][type(message)]`; a pair that is not there cannot legally happen."""


def row(message: type[M], action: Action[Any, M], *to: StrEnum) -> Row:
    """Write a row of a table: on `message`, `action`, which may lead to the states `to`."""
    return Row(message, action, to)


def late(*messages: type) -> tuple[Row, ...]:
    """Write the rows of messages that may legally come too late."""
    return tuple(Row(message, Machine[Any].count_late, (), late=True) for message in messages)


def table(rows: Mapping[S, Iterable[Row]]) -> Table:
    """Return a table of the rows of each state; a later row of a message takes the place of an earlier one."""
    return {state: {row.message: row for row in of_state} for state, of_state in rows.items()}


class Machine(Generic[S]):
    """A table and a state.

    A subclass names its `TRANSITIONS`; each action is a method `(message, now, out)` that changes the machine's own
    state and calls `out` for what the world shall do.
    """

    TRANSITIONS: ClassVar[Table]
    INITIAL: ClassVar[StrEnum]
    ACTIONS: ClassVar[Mapping[StrEnum, Mapping[type, Action[Any, Any]]]]
    state: S
    """Where the machine is in its table; only `become` sets it."""
    me: Token = None
    """Its own address, where others shall answer; None: it needs none, or its actor has ended."""
    actions: Mapping[type, Action[Any, Any]]
    """What it does with which message, in its present state."""

    def __init_subclass__(cls) -> None:
        """Take the actions out of the table, so that `receive` is one dict look-up and a call."""
        if "TRANSITIONS" not in cls.__dict__:
            return
        cls.ACTIONS = {  # pyright: ignore[reportConstantRedefinition] (one a subclass)
            state: {message: row.action for message, row in rows.items()} for state, rows in cls.TRANSITIONS.items()
        }
        cls.state = cls.INITIAL  # type: ignore[assignment] # where each begins, without an __init__ that each pays for
        cls.actions = cls.ACTIONS[cls.INITIAL]

    def become(self, state: S) -> None:
        """Move to `state`; for the machine's own actions."""
        self.state = state
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

    def count_late(self, message: Any, now: Now, out: Outbox) -> None:
        """Count a message that came too late."""
        out.dead_letter(message)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.state}>"
