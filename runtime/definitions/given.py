"""What callers may give as a pipeline: a definition, the mapping it is written as, or the file it stands in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from playbill.model.definition import PipelineDefinition, PipelineNode, definition_from
from playbill.model.diagnostics import validate_as
from playbill.model.errors import DefinitionError
from playbill.runtime.definitions.files import load

__all__ = ["Given", "GivenNode", "definition_of", "node_of"]

Given: TypeAlias = "PipelineDefinition | Mapping[str, Any] | str | os.PathLike[str]"
"""What may be given as a pipeline."""
GivenNode: TypeAlias = "PipelineNode | Mapping[str, Any]"
"""What may be given as a node."""


def definition_of(given: Given) -> PipelineDefinition:
    """Return the definition that a caller has given; a file is read here and now, which takes a moment.

    Raises:
        DefinitionError: it is none, its file cannot be read, or its shape is wrong; carries all problems.
    """
    kind = cast("object", given)
    if isinstance(kind, PipelineDefinition):
        return kind
    if isinstance(kind, Mapping):
        return definition_from(cast("Mapping[str, Any]", kind))
    if isinstance(kind, str | os.PathLike):
        return load(cast("str | os.PathLike[str]", kind))
    text = (
        "a pipeline is a PipelineDefinition, the mapping it is written as or the path of its file,"
        f" not {type(kind).__name__}: {kind!r:.60}"
    )
    raise DefinitionError.single("no-definition", "definition", text)


def node_of(given: GivenNode) -> PipelineNode:
    """Return the node that a caller has given.

    Raises:
        DefinitionError: it is none, or its shape is wrong; carries all problems.
    """
    kind = cast("object", given)
    if isinstance(kind, PipelineNode):
        return kind
    if isinstance(kind, Mapping):
        return validate_as(PipelineNode, dict(cast("Mapping[str, Any]", kind)), "node")
    text = f"a node is a PipelineNode or the mapping it is written as, not {type(kind).__name__}: {kind!r:.60}"
    raise DefinitionError.single("no-node", "node", text)
