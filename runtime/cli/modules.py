"""Where the commands look for the modules that a pipeline names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from playbill.model.errors import DefinitionError
from playbill.runtime.definitions.discovery import catalog_of, import_types
from playbill.runtime.definitions.files import load

if TYPE_CHECKING:
    from playbill.model.catalog import Catalog
    from playbill.model.definition import PipelineDefinition


def find_modules(file: Path | None = None) -> None:
    """Let modules be imported from the current folder and from the pipeline's own."""
    for folder in (Path.cwd(), file.resolve().parent if file is not None else None):
        if folder is not None and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


def open_definition(file: Path, imports: list[str] | None) -> PipelineDefinition:
    """Load a definition; modules named on the command line count as its own imports."""
    find_modules(file)
    definition = load(file)
    return definition.model_copy(update={"imports": [*definition.imports, *(imports or ())]})


def open_catalog(imports: list[str]) -> Catalog:
    """Return what is known with these modules imported.

    Raises:
        DefinitionError: one cannot be imported, or brings a name that is taken; carries all problems.
    """
    catalog, problems = import_types(catalog_of(), imports)
    if problems:
        raise DefinitionError("", problems, "imports" if len(problems) > 1 else "pipeline")
    return catalog
