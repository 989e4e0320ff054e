"""The option `--import`, which many commands take."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from cyclopts import Parameter

__all__ = ["Imports"]

IMPORTS_HELP = "a module that defines node types; may be given several times."
Imports: TypeAlias = Annotated[list[str] | None, Parameter(name="--import", negative=(), help=IMPORTS_HELP)]
