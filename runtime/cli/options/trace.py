"""The option `--traceparent`: the trace that a run is a part of, said here or by who calls the command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from cyclopts import Parameter

from playbill.model.errors import DefinitionError
from playbill.model.trace_context import TRACE_PARENT, TRACE_STATE, trace_context_of
from playbill.runtime.cli.options.option_names import with_options

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TraceParent", "trace_context_named"]

TRACE_HELP: Final = (
    "the W3C trace that the run is a part of, such as "
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01; without it what TRACEPARENT says."
)
WORDS: Final = (("trace_context.traceparent", "--traceparent"),)
"""How messages begin that name the argument of Python, and how the command line says it."""
TraceParent: TypeAlias = Annotated[str | None, Parameter(name="--traceparent", help=TRACE_HELP)]


def trace_context_named(option: str | None) -> Mapping[str, str] | None:
    """Return the trace context that the command line says, or else the environment; None: neither does.

    What the environment says and is none is nobody's of this command: it is passed over.

    Raises:
        DefinitionError: what the command line says is none.
    """
    if option is not None:
        try:
            return trace_context_of({TRACE_PARENT: option})
        except DefinitionError as error:
            raise with_options(error, WORDS) from None
    said = {name: os.environ[name.upper()] for name in (TRACE_PARENT, TRACE_STATE) if os.environ.get(name.upper())}
    for tried in (said, {name: value for name, value in said.items() if name == TRACE_PARENT}):
        try:
            return trace_context_of(tried)
        except DefinitionError:
            continue
    return None
