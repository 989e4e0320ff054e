"""When somebody who wants a run of an id may have the one there is: it has the same definition and trigger data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import DefinitionError
from playbill.model.same_json import same_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.definition import PipelineDefinition

__all__ = ["check_same_run"]

DRAWN: Final[Any] = {"ui": True, "nodes": {"__all__": {"position", "ui"}}, "edges": {"__all__": {"ui", "id"}}}
"""What of a definition no run looks at."""


def check_same_run(
    run_id: str,
    definition: PipelineDefinition,
    data: Mapping[str, Any],
    wanted: tuple[PipelineDefinition, Mapping[str, Any], PipelineDefinition | None],
) -> None:
    """Refuse to take a run for another one of its id.

    Args:
        run_id: its id.
        definition: its own.
        data: what it was started with.
        wanted: the same of the other, and its definition as a journal would give it back.

    Raises:
        DefinitionError: it has another definition or other trigger data.
    """
    other, other_data, stored = wanted
    differs: list[str] = []
    if not (_same_pipeline(definition, other) or (stored is not None and _same_pipeline(definition, stored))):
        differs.append("definition")
    if not same_json(data, other_data):
        differs.append("trigger data")
    if differs:
        text = f"run_id '{run_id}' is taken by a run with another {' and other '.join(differs)}: choose a new id"
        raise DefinitionError.single("run-id-reused", "run_id", text)


def _same_pipeline(one: PipelineDefinition, other: PipelineDefinition) -> bool:
    """Tell whether two definitions say the same, also in their nodes' configs, where True is not 1."""
    return one is other or same_json(one.model_dump(exclude=DRAWN), other.model_dump(exclude=DRAWN))
