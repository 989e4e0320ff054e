"""What pins a run that may outlive its process: what its first event says of it, and the row of the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.runtime.definitions.versions import our_version
from playbill.runtime.journals.index import RunRow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from playbill.model.attributes import Scalar
    from playbill.runtime.definitions.compiler import CompiledPipeline

__all__ = ["pins_of", "row_of_run"]


def pins_of(compiled: CompiledPipeline) -> Mapping[str, Any]:
    """Return what the first event of a run says besides: whose it is, and what it goes on with.

    Raises:
        DefinitionError: something in the definition is not JSON; names the place.
    """
    folder = compiled.definition.written.folder
    pins = {"playbill": our_version(), "definition": compiled.pin.hash, "handlers": dict(compiled.versions)}
    return pins if folder is None else {**pins, "folder": str(folder)}


def row_of_run(
    run_id: str,
    compiled: CompiledPipeline,
    now: datetime,
    attributes: Mapping[str, Scalar],
    origin: str | None = None,
) -> RunRow:
    """Return the row with which a run begins; `origin` is the run of which it is a retry or a fork."""
    definition = compiled.definition
    return RunRow(
        run_id=run_id,
        pipeline=definition.name,
        version=definition.version,
        created_at=now,
        definition=compiled.pin.hash,
        origin=origin,
        attributes=dict(attributes),
    )
