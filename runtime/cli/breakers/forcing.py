"""The subcommands breakers force and breakers reset: the owner of a journal sets a circuit by hand."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from cyclopts import Parameter

from playbill.runtime.cli.exit_codes import FINE, NOT_KEPT
from playbill.runtime.cli.journals import journals, the_one
from playbill.runtime.cli.options.journal import JournalOption
from playbill.runtime.cli.runs.columns import write_json
from playbill.runtime.cli.terminal.streams import complain
from playbill.runtime.control.offline import control
from playbill.runtime.journals.sqlite.files.ownership import owner_of
from playbill.runtime.reports.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

Key: TypeAlias = Annotated[str, Parameter(name="KEY")]
AsJson: TypeAlias = Annotated[bool, Parameter(name="--json", negative=(), show_default=False)]
State: TypeAlias = Annotated[Literal["forced_open", "disabled", "metrics_only"], Parameter(name="STATE")]
CLOSED: Final = "closed"


def force(
    key: Key,
    state: State,
    /,
    *,
    journal: JournalOption = None,
    as_json: AsJson = False,
) -> int:
    """Set a circuit by hand; what users read of it stands in runtime/cli/__init__.py.

    Args:
        key: a node type or a name: all its circuits, later ones too; TYPE/TARGET: that one.
        state: what to set it to.
        journal: of which program; without it the one of the folder that is owned.
        as_json: print JSON: what it was set to, and whether the journal has kept that.
    """
    return _set(key, state, journal, as_json=as_json)


def reset(key: Key, /, *, journal: JournalOption = None, as_json: AsJson = False) -> int:
    """Close a circuit, which runs by itself again; what users read of it stands in runtime/cli/__init__.py.

    Args:
        key: a node type or a name: all its circuits, later ones too; TYPE/TARGET: that one.
        journal: of which program; without it the one of the folder that is owned.
        as_json: print JSON: what it was set to, and whether the journal has kept that.
    """
    return _set(key, CLOSED, journal, as_json=as_json)


def _set(key: str, state: str, journal: str | None, *, as_json: bool) -> int:
    path = _owned(journals(journal))
    kept: bool = control(path, "force_circuit", key=key, state=state).kept
    said = printable(f"circuit '{key}' is {state}", sys.stdout.encoding or "utf-8")
    if as_json:
        write_json({"key": key, "state": state, "kept": kept, "journal": str(path)})
    elif kept:
        sys.stdout.write(f"{said}\n")
    if not kept:
        complain(f"{said}; its journal has not kept that yet, and goes on trying")
    return FINE if kept else NOT_KEPT


def _owned(paths: list[Path]) -> Path:
    """Return the one journal that is meant: of several the one that has an owner.

    Raises:
        DefinitionError: several have.
    """
    owned = [path for path in paths if owner_of(path) is not None]
    return the_one(owned) if owned else paths[0]
