"""How a retry or a fork differs from the run that it goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.runtime.definitions.files import Given
    from playbill.runtime.options import RunId

__all__ = ["ForkOptions", "RerunChanges", "RetryOptions"]


class RetryOptions(TypedDict, total=False):
    """What else a retry takes, for who hands it on."""

    new_id: RunId | None
    timeout_seconds: float | None
    trace_context: Mapping[str, str] | None


class ForkOptions(RetryOptions, total=False):
    """What else a fork takes."""

    trigger_data: Mapping[str, Any] | None
    definition: Given | None


@dataclass(frozen=True, slots=True)
class RerunChanges:
    """What is another one in a retry or a fork."""

    run_id: str | None = None
    """None: one is made."""
    timeout_seconds: float | None = None
    """None: as the earlier one's."""
    trigger_data: Mapping[str, Any] | None = None
    """None: as the earlier one's."""
    definition: Given | None = None
    """None: the earlier one's."""
    trace: Mapping[str, str] | None = None
    """The W3C trace context of the new one; None: a retry has the earlier one's, a fork none."""
