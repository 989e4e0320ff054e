"""What a run notes of the handlers it was started with, and what has changed when another process goes on with it.

Rules:

1. A run that noted a version of a type goes on only with a handler of that version, or one that accepts it; one that
   noted none goes on with any.
2. Another source is worth a note and nothing more: a comment may have changed.
3. A type that is gone cannot be gone on with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypedDict

__all__ = ["UNVERSIONED", "Changes", "DeclaredVersion", "HandlerVersion", "compare_versions"]


class DeclaredVersion(NamedTuple):
    """What a handler's author says of its version."""

    version: str | None = None
    accepts: tuple[str, ...] = ()
    """Earlier versions whose runs it goes on with."""


UNVERSIONED: Final = DeclaredVersion()


class HandlerVersion(TypedDict):
    """What is noted of one handler, as plain JSON."""

    version: str | None
    """What its author says; None: nothing."""
    source: str | None
    """`source:` or `code:` and a SHA-256 in hex digits; `playbill` and its version for handlers of its own; None:
    there is nothing to look at, as of a function in C."""
    accepts: list[str]
    """Earlier versions whose runs it goes on with."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed in the handlers of a run."""

    sources: tuple[str, ...] = ()
    """The types whose handlers have another source: worth a note."""
    refused: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why a type's handler cannot go on with the run, by type: another version, and it does not accept the noted one.
    """
    gone: tuple[str, ...] = ()
    """The types that are not there any more."""

    @property
    def sets_aside(self) -> bool:
        """Whether the run cannot go on."""
        return bool(self.refused or self.gone)

    @property
    def reasons(self) -> list[str]:
        """Why the run cannot go on, each with the way out; empty: it can."""
        gone = [f"'{name}' is gone: bring the handler back, or start it anew by another id" for name in self.gone]
        return [*self.refused.values(), *gone]


def compare_versions(recorded: Mapping[str, HandlerVersion], now: Mapping[str, HandlerVersion]) -> Changes:
    """Tell what has changed between what a run noted and what there is now; types are in sorted order.

    Args:
        recorded: by type, what was noted when the run was started.
        now: by type, what there is in this process.
    """
    both = sorted(recorded.keys() & now.keys())
    refused = {name: why for name in both if (why := _why_refused(name, recorded[name], now[name]))}
    sources = tuple(name for name in both if recorded[name]["source"] != now[name]["source"])
    return Changes(sources, refused, tuple(sorted(recorded.keys() - now.keys())))


def _why_refused(name: str, recorded: HandlerVersion, now: HandlerVersion) -> str:
    noted, found = recorded["version"], now["version"]
    if noted is None or noted == found or noted in now["accepts"]:
        return ""
    said = "says no version" if found is None else f"is version '{found}'"
    listed = ", ".join(f"'{each}'" for each in now["accepts"])
    accepts = f" and accepts {listed}" if listed else ""
    version = "a version and " if found is None else ""
    way_out = f"write {version}accepts=['{noted}'] if it can go on with such runs, or start it anew by another id"
    return f"'{name}' was version '{noted}' when the run was started, and {said} now{accepts}: {way_out}"
