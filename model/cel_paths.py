"""Plain paths, such as `input.a['b'][0]`: read in Python, so that order, type and identity of the value are kept."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from playbill.model.diagnostics import did_you_mean, list_names
from playbill.model.wording import clip

__all__ = ["Keys", "Path", "Tree", "missing_key", "parts_named", "plain_path", "tree_of"]

Keys: TypeAlias = tuple[str, ...]
"""A root and the keys that are read from it."""
Tree: TypeAlias = "dict[str, Tree | None]"
"""The keys that an expression names, below each root; None: all that is there."""

MAX_KEYS: Final = 200
"""So many are looked at for one that is close,"""
MAX_SHOWN: Final = 10
"""and so many named."""
LONGEST_KEY: Final = 40

_STEP = r"""\.([A-Za-z_][A-Za-z_0-9]*)|\[(\d{1,18})\]|\['([^'"\\\n]*)'\]|\["([^'"\\\n]*)"\]"""
_PATH = re.compile(rf"([A-Za-z_][A-Za-z_0-9]*)((?:{_STEP})*)")
_STEPS = re.compile(_STEP)
_WORDS: Final = frozenset({"true", "false", "null", "in"})
"""What CEL does not take for a name."""


@dataclass(frozen=True, slots=True)
class Path:
    """A root and the steps from it: keys are text, places in a list are ints."""

    root: str
    steps: tuple[str | int, ...]

    def read(self, variables: Mapping[str, Any]) -> Any:
        """Give the very value that stands there.

        Raises:
            LookupError: It is not there; tells which step failed.
        """
        value: object = variables
        for step in (self.root, *self.steps):
            value = _step(value, step)
        return value


def plain_path(text: str) -> Path | None:
    """Give the path that an expression is, if it is nothing else."""
    found = _PATH.fullmatch(text)
    if found is None:
        return None
    steps = _STEPS.findall(found[2])
    if not _WORDS.isdisjoint([found[1], *(name for name, *_ in steps)]):
        return None
    return Path(found[1], tuple(int(place) if place else name or once or twice for name, place, once, twice in steps))


def tree_of(paths: set[Keys]) -> Tree:
    """Give the paths as one tree; of two, one of which leads on, the shorter one counts."""
    tree: Tree = {}
    for path in sorted(paths, key=len):
        below: Tree | None = tree
        for key in path[:-1]:
            below = below.setdefault(key, {}) if below is not None else None
        if below is not None:
            below.setdefault(path[-1], None)
    return tree


def parts_named(value: Any, tree: Tree, leaves: list[object]) -> Any:
    """Give of a value only what the tree names; what is not there is left out. Each end is added to `leaves`."""
    # The exact type first: asking an abstract class takes longer than all the rest.
    if not (type(value) is dict or isinstance(value, Mapping)):
        leaves.append(value)
        return value
    mapping, parts = cast("Mapping[str, Any]", value), dict[str, Any]()
    for key, below in tree.items():
        if key in mapping:
            part = mapping[key]
            if below is None:
                leaves.append(part)
            else:
                part = parts_named(part, below, leaves)
            parts[key] = part
    return parts


def missing_key(key: str, mapping: Mapping[Any, Any]) -> str:
    """Tell that a mapping has no such key, and which it has."""
    names = [clip(str(name), LONGEST_KEY) for name in itertools.islice(mapping, MAX_KEYS)]
    if not names:
        return f"no key '{key}'"
    more = f" and {len(mapping) - MAX_SHOWN:,} more" if len(mapping) > MAX_SHOWN else ""
    return f"no key '{key}'{did_you_mean(key, names)}; keys are: {list_names(names[:MAX_SHOWN])}{more}"


def _step(value: object, step: str | int) -> object:
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        if step in mapping:
            return mapping[step]
        raise LookupError(missing_key(str(step), mapping))
    kind = "null" if value is None else f"a value of type {type(value).__name__}"
    if not isinstance(value, list | tuple):
        raise LookupError(f"no part '{step}' in {kind}")  # noqa: TRY004 (as for a key that is not there)
    if isinstance(step, str):
        raise LookupError(f"no key '{step}' in {kind}, whose items are read as [0]")  # noqa: TRY004 (the same)
    items = cast("list[object]", value)
    if step >= len(items):
        raise LookupError(f"index out of bounds: {step} of {len(items)} items")
    return items[step]
