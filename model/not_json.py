"""The error of what JSON cannot say, and the order of what it can say only in one."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["LONGEST_SHOWN", "NotJson", "sorted_set"]

LONGEST_SHOWN: Final = 60


class NotJson(ValueError):
    """A part of a value is nothing that JSON can say."""

    def __init__(self, why: str, *, deep: bool = False) -> None:
        """Take the rule it breaks; the way to it is put together while the value is left again."""
        super().__init__(why)
        self.name = ""
        self.steps: list[str] = []
        self.deep = deep

    def __str__(self) -> str:
        path = self.name + "".join(reversed(self.steps))
        why = str(self.args[0])
        return f"{self.name} {why}: {path:.{LONGEST_SHOWN}}..." if self.deep else f"{path} {why}"


def sorted_set(items: list[Any]) -> list[Any]:
    """Return the members of a set, as plain JSON, in an order that is the same in each process.

    Raises:
        NotJson: they cannot be sorted.
    """
    try:
        return sorted(items)
    except TypeError:
        raise NotJson("is a set of what cannot be sorted: give a list") from None
