"""What a regular expression would cost the engines of Rust, which are linear in the text, but not free.

They compile a counted repetition as that many copies, the word characters as thousands of ranges, and in the worst
case look at every position of the pattern for each character of the text. So: each position counts once, times the
counts around it; and compiling costs more for the classes of Unicode.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["PatternCost", "pattern_cost"]

_PART = re.compile(
    r"""
      (?P<unicode> \\[wWbB] | \\[pP] (?: \{ [^}]* \} | . ) )
    | (?P<escape> \\. )
    | (?P<class> \[ \^? \]? (?: \\. | \[ (?: \\. | [^\]\\] )* \] | [^\]\\] )* \] )
    | (?P<count> \{ \s* [0-9]* \s* ,? \s* [0-9]* \s* \} )
    | (?P<open> \( )
    | (?P<close> \) )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMPILING: Final = (
    (re.compile(r"\\[wWbBpP]|\[:|&&|--|~~"), 2000),
    (re.compile(r"\\[dDsS]"), 300),
    (re.compile(r"^(\.|\[)"), 30),
)
"""Values that the CEL library could copy while it compiles a position with this in it; all others count once."""


class PatternCost(NamedTuple):
    """What it takes to compile a pattern, and to match it."""

    compiling: int
    positions: int


def pattern_cost(pattern: str) -> PatternCost:
    """Estimate a pattern's cost, rather too high than too low."""
    groups: list[list[PatternCost]] = [[]]
    for found in _PART.finditer(pattern):
        kind, group = found.lastgroup, groups[-1]
        if kind == "open":
            groups.append([])
        elif kind == "close" and len(groups) > 1:
            groups.pop()
            groups[-1].append(_sum(group))
        elif kind == "count" and group:
            counts = [int(number) for number in re.findall("[0-9]+", found.group())]
            group[-1] = _times(group[-1], max(counts, default=1))
        else:
            group.append(PatternCost(_compiling(found.group()), 1))
    return _sum([part for group in groups for part in group])


def _compiling(part: str) -> int:
    return next((cost for kind, cost in _COMPILING if kind.search(part)), 1)


def _sum(parts: list[PatternCost]) -> PatternCost:
    return PatternCost(1 + sum(part.compiling for part in parts), 1 + sum(part.positions for part in parts))


def _times(part: PatternCost, count: int) -> PatternCost:
    count = max(count, 1)
    return PatternCost(part.compiling * count, part.positions * count)
