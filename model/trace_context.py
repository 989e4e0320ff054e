"""The trace context of a run, as the W3C writes it: whose trace the run is a part of; checked as it enters; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from playbill.model.errors import DefinitionError, Problem
from playbill.model.frozen import freeze

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.model.frozen import FrozenDict

__all__ = ["TRACE_PARENT", "TRACE_STATE", "environment_with", "trace_context_of"]

TRACE_PARENT: Final = "traceparent"
TRACE_STATE: Final = "tracestate"
PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
NO_VERSION: Final = "ff"
MAX_STATE_CHARACTERS: Final = 512
PRINTABLE: Final = re.compile(r"[ -~]*")
FORM: Final = "version-traceid-parentid-flags, of 2, 32, 16 and 2 digits of lower-case hex"


def trace_context_of(given: object) -> FrozenDict | None:
    """Return the trace context that somebody has given, read-only; None: there is none, as in `{}`.

    Args:
        given: a mapping with `traceparent`, and perhaps `tracestate`, as a propagator of OpenTelemetry makes it.

    Raises:
        DefinitionError: it is none; carries all problems.

    Source: W3C Trace Context, sections "traceparent Header" and "tracestate Header".
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        text = f"trace_context is a mapping of {TRACE_PARENT} and {TRACE_STATE} to texts, not {given!r:.60}"
        raise DefinitionError.single("trace-context", "trace_context", text)
    said = cast("Mapping[object, object]", given)
    if problems := [Problem("trace-context", "trace_context", text) for text in _problems(said)]:
        raise DefinitionError("", problems)
    found = {name: str(said[name]) for name in (TRACE_PARENT, TRACE_STATE) if said.get(name)}
    return freeze(found) if found else None


def _problems(given: Mapping[object, object]) -> Iterator[str]:
    for key in given:
        if key not in {TRACE_PARENT, TRACE_STATE}:
            yield f"trace_context has the key {key!r:.60}, and takes {TRACE_PARENT} and {TRACE_STATE}"
    if TRACE_PARENT in given:
        yield from _problems_of_parent(given[TRACE_PARENT])
    elif TRACE_STATE in given:
        yield f"trace_context has a {TRACE_STATE}, which says nothing without a {TRACE_PARENT}"
    if TRACE_STATE in given:
        yield from _problems_of_state(given[TRACE_STATE])


def _problems_of_parent(value: object) -> Iterator[str]:
    name = f"trace_context.{TRACE_PARENT}"
    parts = PARENT.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        yield f"{name} is {FORM}, not {value!r:.80}"
        return
    version, trace, parent = parts.groups()
    if version == NO_VERSION:
        yield f"{name} '{value}' has version {NO_VERSION}, which is none"
    for what, digits in (("trace", trace), ("parent", parent)):
        if not digits.strip("0"):
            yield f"{name} '{value}' has the {what} id 0, which is none"


def _problems_of_state(value: object) -> Iterator[str]:
    name = f"trace_context.{TRACE_STATE}"
    if not isinstance(value, str) or not PRINTABLE.fullmatch(value):
        yield f"{name} is text of printable ASCII, not {value!r:.60}"
    elif len(value) > MAX_STATE_CHARACTERS:
        yield f"{name} has {len(value):,} characters, over the limit of {MAX_STATE_CHARACTERS}: drop its last members"


def environment_with(
    trace: Mapping[str, str] | None, inherited: Mapping[str, str], own: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a command: what it inherits, its run's trace context, and what its config says.

    Args:
        trace: takes the place of the one that is inherited, unless `own` has one; None: that stays.
        inherited: the environment of this process.
        own: wins.
    """
    parent, state = TRACE_PARENT.upper(), TRACE_STATE.upper()
    if trace is None or parent in own:
        return {**inherited, **own}
    others = {name: value for name, value in inherited.items() if name not in {parent, state}}
    return {**others, **{name.upper(): value for name, value in trace.items()}, **own}
