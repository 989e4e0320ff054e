"""Splits CEL text into tokens: strings, comments, names and signs; what they mean is the library's business."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bound_names", "closing_brace", "macro_calls", "node_references"]

# A string left open matches nothing here: its quote is one sign among others, and the compiler complains.
_TOKEN = re.compile(
    r"""
      (?P<text> [bB]?[rR] (?: \"{3} .*? \"{3} | '{3} .*? '{3} | "[^"\n]*" | '[^'\n]*' )
              | [bB]? (?: \"{3} (?:\\.|[^\\])*? \"{3} | '{3} (?:\\.|[^\\])*? '{3}
                        | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' ) )
    | (?P<comment> //[^\n]* )
    | (?P<name> [A-Za-z_][A-Za-z_0-9]* )
    | (?P<sign> \S )
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN_STRING = re.compile(r"""'[^'"\\]+'|"[^'"\\]+\"""")
_MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})


def macro_calls(text: str) -> int:
    """Count the calls of macros that walk a collection."""
    return sum(1 for _ in _macro_arguments(_signs(text)))


def bound_names(text: str) -> set[str]:
    """Give the names that macros bind by their first argument."""
    return {name for name in _macro_arguments(_signs(text)) if name.isidentifier()}


def closing_brace(text: str, start: int) -> int:
    """Find the brace that closes the one before `start`; -1 when none does."""
    depth = 1
    for token in _TOKEN.finditer(text, start):
        if token.lastgroup == "sign":
            depth += {"{": 1, "}": -1}.get(token.group(), 0)
            if not depth:
                return token.start()
    return -1


def node_references(text: str) -> set[str]:
    """Give the node ids that are read as `inputs['id']` or `inputs.id`."""
    signs = ["", *_signs(text), "", "", ""]
    found: set[str] = set()
    for place in range(1, len(signs) - 3):
        match signs[place - 1 : place + 4]:
            case [before, "inputs", "[", quoted, "]"] if before != "." and _PLAIN_STRING.fullmatch(quoted):
                found.add(quoted[1:-1])
            case [before, "inputs", ".", name, after] if before != "." and after != "(":
                found.add(name)
            case _:
                pass
    return found


def _signs(text: str) -> list[str]:
    """Give strings (with their quotes), names and signs."""
    tokens = (token for token in _TOKEN.finditer(text) if token.lastgroup != "comment")
    return [token.group() for token in tokens]


def _macro_arguments(signs: list[str]) -> Iterator[str]:
    """Give what stands first in the parentheses of each macro call."""
    for place in range(len(signs) - 3):
        if signs[place] == "." and signs[place + 1] in _MACROS and signs[place + 2] == "(":
            yield signs[place + 3]
