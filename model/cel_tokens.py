"""Splits CEL text into tokens: strings, comments, names and signs; what they mean is the library's business."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MACROS",
    "PLAIN_STRING",
    "Token",
    "bound_names",
    "closing_brace",
    "compared_strings",
    "keys_read",
    "macro_calls",
    "node_references",
    "signs_of",
    "tokens_of",
]

# A string left open matches nothing here: its quote is one sign among others, and the compiler complains.
_TOKEN = re.compile(
    r"""
      (?P<text> [bB]?[rR] (?: \"{3} .*? \"{3} | '{3} .*? '{3} | "[^"\n]*" | '[^'\n]*' )
              | [bB]? (?: \"{3} (?:\\.|[^\\])*? \"{3} | '{3} (?:\\.|[^\\])*? '{3}
                        | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' ) )
    | (?P<comment> //[^\n]* )
    | (?P<name> [A-Za-z_][A-Za-z_0-9]* )
    | (?P<number> [0-9]+ )
    | (?P<sign> \S )
    """,
    re.VERBOSE | re.DOTALL,
)
PLAIN_STRING = re.compile(r"""'[^'"\\]+'|"[^'"\\]+\"""")
MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
"""The functions whose last argument is evaluated for each item of a collection."""


class Token(NamedTuple):
    """A string (with its quotes), name, number or sign, and from where to where it stands."""

    text: str
    start: int
    end: int


def macro_calls(text: str) -> int:
    """Count the calls of macros that walk a collection."""
    return sum(1 for _ in _macro_arguments(signs_of(text)))


def bound_names(text: str) -> set[str]:
    """Give the names that macros bind by their first argument."""
    return {name for name in _macro_arguments(signs_of(text)) if name.isidentifier()}


def closing_brace(text: str, start: int) -> int:
    """Find the brace that closes the one before `start`; -1 when none does."""
    depth = 1
    for token in _TOKEN.finditer(text, start):
        if token.lastgroup == "sign":
            depth += {"{": 1, "}": -1}.get(token.group(), 0)
            if not depth:
                return token.start()
    return -1


def node_references(text: str, root: str = "inputs") -> set[str]:
    """Give the node ids that are read as `inputs['id']` or `inputs.id`, or so of another root."""
    signs = ["", *signs_of(text), "", "", ""]
    found: set[str] = set()
    for place in range(1, len(signs) - 3):
        match signs[place - 1 : place + 4]:
            case [before, name, "[", key, "]"] if name == root and before != "." and PLAIN_STRING.fullmatch(key):
                found.add(key[1:-1])
            case [before, name, ".", key, after] if name == root and before != "." and after != "(":
                found.add(key)
            case _:
                pass
    return found


def compared_strings(text: str, root: str, field: str) -> set[str]:
    """Give the strings that `root.field` is compared with: by `==`, `!=` (on its right) and `in [...]`."""
    signs = [*signs_of(text), "", "", "", ""]
    found: set[str] = set()
    for place in range(len(signs) - 6):
        if signs[place : place + 3] != [root, ".", field] or (place and signs[place - 1] == "."):
            continue
        match signs[place + 3 : place + 6]:
            case ["=" | "!", "=", quoted] if PLAIN_STRING.fullmatch(quoted):
                found.add(quoted[1:-1])
            case ["in", "[", _]:
                end = signs.index("]", place) if "]" in signs[place:] else place
                found.update(sign[1:-1] for sign in signs[place + 5 : end] if PLAIN_STRING.fullmatch(sign))
            case _:
                pass
    return found


def keys_read(text: str, root: str) -> set[str] | None:
    """Give the keys that are read as `root.key` or `root['key']`; None when the root is used in any other way."""
    signs = ["", *signs_of(text), "", "", ""]
    found: set[str] = set()
    for place in range(1, len(signs) - 3):
        if signs[place] != root or signs[place - 1] == ".":
            continue
        match signs[place + 1 : place + 4]:
            case ["[", key, "]"] if PLAIN_STRING.fullmatch(key):
                found.add(key[1:-1])
            case [".", key, after] if key.isidentifier() and after != "(":
                found.add(key)
            case _:
                return None
    return found


def tokens_of(text: str) -> list[Token]:
    """Give strings, names, numbers and signs with their places; comments are left out."""
    found = _TOKEN.finditer(text)
    return [Token(token.group(), *token.span()) for token in found if token.lastgroup != "comment"]


def signs_of(text: str) -> list[str]:
    """Give strings (with their quotes), names, numbers and signs; comments are left out."""
    return [token.text for token in tokens_of(text)]


def _macro_arguments(signs: list[str]) -> Iterator[str]:
    """Give what stands first in the parentheses of each macro call."""
    for place in range(len(signs) - 3):
        if signs[place] == "." and signs[place + 1] in MACROS and signs[place + 2] == "(":
            yield signs[place + 3]
