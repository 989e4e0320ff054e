"""Loads definitions from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playbill.model.errors import DefinitionError
from playbill.model.loading import MOST_BYTES, decode, parse_text

if TYPE_CHECKING:
    import os

    from playbill.model.definition import PipelineDefinition

__all__ = ["load"]


def load(source: str | os.PathLike[str]) -> PipelineDefinition:
    """Load a definition from a YAML or JSON file, or from the two JSON lists of nodes and edges in one.

    Raises:
        DefinitionError: there is no such file, or what it says is no definition; names file, line and column.
    """
    path = Path(source)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)  # one byte more shows that it is too large, without reading it all
    except OSError as error:
        text = f"{path}: cannot be read: {error.strerror or error}"
        raise DefinitionError.single("unreadable", str(path), text) from error
    return parse_text(decode(data, str(path)), source=str(path))
