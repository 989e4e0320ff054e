"""Loads definitions from files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from playbill.model.loading import decode, parse_text

if TYPE_CHECKING:
    from playbill.model.definition import PipelineDefinition


def load(source: str | os.PathLike[str]) -> PipelineDefinition:
    """Load a definition from a YAML or JSON file."""
    path = Path(source)
    return parse_text(decode(path.read_bytes(), str(path)), source=str(path))
