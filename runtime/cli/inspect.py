"""The subcommands that only look: validate, graph, schema, types."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from playbill.model import validation
from playbill.model.as_written import warnings_of
from playbill.model.errors import DefinitionError
from playbill.model.graph import CycleError
from playbill.model.outputs import keys_given
from playbill.model.plan import BUILT_IN, Kind
from playbill.model.published_schema import json_schema
from playbill.runtime.cli.exit_codes import FINE, WRONG
from playbill.runtime.cli.modules import find_modules, open_catalog, open_definition
from playbill.runtime.cli.options.imports import Imports
from playbill.runtime.definitions.compiler import check_pipeline
from playbill.runtime.definitions.discovery import catalog_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playbill.model.catalog import ActionType, NodeType
    from playbill.model.definition import PipelineDefinition


def validate(file: Path, /, *, imports: Imports = None) -> int:
    """Tell all that is wrong with a pipeline: whatever would keep `run` from starting it.

    Args:
        file: a YAML or JSON file.
        imports: modules that define node types.
    """
    definition = open_definition(file, imports)
    checked = check_pipeline(definition, catalog_of())
    for problem in checked.problems:
        sys.stderr.write(f"{'' if problem.line else f'{problem.where}: '}{problem} [{problem.code}]\n")
    for warning in warnings_of(checked.definition, checked.catalog):
        sys.stderr.write(f"warning: {warning} [{warning.code}]\n")
    if checked.problems:
        return WRONG
    sys.stdout.write(f"ok: {definition.name}, {len(definition.nodes)} nodes, {len(definition.edges)} edges\n")
    return FINE


def graph(
    file: Path,
    /,
    *,
    mermaid: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    layers: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Draw a pipeline: a text tree, how deep it is, and what every way through it has in common.

    Args:
        file: a YAML or JSON file.
        mermaid: as a Mermaid flowchart instead.
        layers: list the nodes by layer instead; those of one layer may run at the same time.
    """
    if mermaid and layers:
        text = "--mermaid and --layers do not go together: each is a drawing of its own; name one of them"
        raise DefinitionError.single("ways", "--mermaid", text)
    definition = open_definition(file, None)
    try:
        validation.get_execution_order(definition)
    except CycleError as error:
        if not mermaid:  # a flowchart shows a cycle, a tree cannot
            raise DefinitionError.single("cycle", "edges", f"{file}: {error}") from error
    for line in _drawing(definition, mermaid=mermaid, layers=layers):
        sys.stdout.write(f"{line}\n")
    return FINE


def _drawing(definition: PipelineDefinition, *, mermaid: bool, layers: bool) -> Iterator[str]:
    from playbill.runtime.reports import graphs  # noqa: PLC0415 (only this command draws)

    if mermaid:
        yield graphs.mermaid(definition)
        return
    from playbill.runtime.reports import analysis  # noqa: PLC0415 (imports networkx, which is slow)

    if layers:
        for number, nodes in enumerate(analysis.layers(definition), 1):
            yield f"{number:>3}  {', '.join(nodes)}"
        return
    yield from graphs.outline(definition)
    yield ""
    yield from analysis.summary(definition)


def schema() -> int:
    """Print the JSON Schema of pipeline definitions, for editors."""
    sys.stdout.write(f"{json.dumps(json_schema(), indent=2)}\n")
    return FINE


def types(*, imports: Imports = None) -> int:
    """List the node types and actions, their fields (* required), what they give (* always), where they are defined.

    Args:
        imports: modules that define node types.
    """
    from rich.console import Console  # noqa: PLC0415 (slow, and only this command makes a table)
    from rich.table import Table  # noqa: PLC0415

    find_modules()
    table = Table("type", "config", "gives", "defined in", box=None, header_style="bold")
    for name, kind in _rows(open_catalog(imports or [])):
        table.add_row(name, ", ".join(_fields(kind)), _given(kind), kind.origin)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return FINE


def _rows(catalog: Iterable[NodeType]) -> Iterable[tuple[str, NodeType | ActionType]]:
    for node_type in catalog:
        if not node_type.actions:
            yield node_type.name, node_type
        for action in node_type.actions.values():
            yield f"{node_type.name} {action.name}", action


def _given(kind: NodeType | ActionType) -> str:
    if kind.name in BUILT_IN and kind.output is None:
        return "what the run was started with" if kind.name == Kind.TRIGGER else "what it received"
    keys = {} if kind.output is None else keys_given(kind.output)
    return ", ".join(f"{key}{'*' if always else ''}" for key, always in keys.items()) or "anything"


def _fields(kind: NodeType | ActionType) -> list[str]:
    fields: dict[str, Any] = dict(kind.config.model_fields)
    return [f"{field.validation_alias or name}{'*' if field.is_required() else ''}" for name, field in fields.items()]
