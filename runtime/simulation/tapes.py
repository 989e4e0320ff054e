"""Files of a simulation: the tapes of findings, to be played again after the code has changed."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from playbill.model.errors import DefinitionError
from playbill.model.fields import Whole
from playbill.runtime.definitions.files import load_mapping, write

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from playbill.model.definition import PipelineDefinition
    from playbill.runtime.simulation.outcomes.seed import Finding
    from playbill.runtime.simulation.study import Study

LANES: Final = TypeAdapter(dict[str, list[Whole]])
FORMAT: Final = 1


def save_tape(path: str | os.PathLike[str], original: PipelineDefinition, study: Study, finding: Finding) -> None:
    """Write a finding with all that it takes to play it again."""
    data = {
        "playbill": version("playbill"),
        "format": FORMAT,
        "of": digest(original),
        "invariant": finding.invariant,
        "text": finding.text,
        "seed": finding.seed,
        **study.as_dict(),
        "lanes": finding.lanes,
    }
    write(path, json.dumps(data, indent=1, sort_keys=True) + "\n")


def load_tape(source: str | os.PathLike[str], study: Study) -> tuple[Study, dict[str, list[int]], str]:
    """Return the study and the lanes that a tape's file keeps, and which invariant it broke.

    Raises:
        DefinitionError: it is not a tape, or one of another pipeline than the study's.
    """
    data = load_mapping(source, "a tape")
    lanes = lanes_of(data)
    if lanes is None:
        text = f"{source} is not a tape of this playbill: `playbill sim` writes them when it finds something"
        raise DefinitionError.single("bad-tape", str(source), text)
    if data["of"] != digest(study.definition):
        text = (
            f"{source} was recorded with another pipeline than '{study.definition.name}' as it is now:"
            " play it with the file it was recorded with, or explore anew"
        )
        raise DefinitionError.single("other-tape", str(source), text)
    return study.from_dict(data), lanes, str(data.get("invariant"))


def lanes_of(data: Mapping[str, Any]) -> dict[str, list[int]] | None:
    """Return the lanes that a tape's file keeps; None: it is not a tape, or one of another format."""
    if data.get("format") != FORMAT:
        return None
    try:
        return LANES.validate_python(data.get("lanes"))
    except ValidationError:
        return None


def digest(definition: PipelineDefinition) -> str:
    """Return what a definition is known by."""
    text = json.dumps(definition.model_dump(mode="json", by_alias=True), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
