"""The subcommand doctor: whether the journals, and the SQLite that keeps them, are well."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from cyclopts import Parameter
from rich.text import Text

from playbill.model.errors import DefinitionError, JournalError
from playbill.runtime.cli.exit_codes import FINE, FOUND
from playbill.runtime.cli.journals import journals, reading
from playbill.runtime.cli.options.journal import FOLDER, JournalOption, journal_named
from playbill.runtime.cli.runs.columns import console, write_json
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.journals.listing import MAX_PAGE, RunQuery
from playbill.runtime.journals.sqlite.files.ownership import owner_of
from playbill.runtime.journals.sqlite.files.places import check_file_system
from playbill.runtime.journals.sqlite.files.versions import has_wal_fault, sqlite_version
from playbill.runtime.journals.sqlite.schema.migrations import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LARGE_WAL: Final = 256 * 1024 * 1024
"""Bytes of a WAL that its owner should long have copied."""


WELL: Final = "well"
NOTE: Final = "note"
WRONG: Final = "wrong"
LOOKS: Final = {WELL: ("✔", "green"), NOTE: ("!", "yellow"), WRONG: ("✘", "red")}


class HealthCheck(NamedTuple):
    """One thing that was looked at."""

    name: str
    said: str
    state: str = WELL
    """`note`: good to know, and nothing that has to be done."""


def doctor(
    *,
    journal: JournalOption = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
) -> int:
    """Look whether the journals are well; what users read of it stands in runtime/cli/__init__.py.

    Args:
        journal: which journal.
        as_json: print JSON.
    """
    findings = {"": [_sqlite()]}
    try:
        paths = journals(journal)
    except DefinitionError as error:
        if journal_named(journal) is not None:
            raise
        findings[FOLDER] = [HealthCheck("journals", str(error))]
        paths = []
    for path in paths:
        findings[str(path)] = asyncio.run(_look_at(path))
    is_fine = all(each.state != WRONG for found in findings.values() for each in found)
    if as_json:
        write_json(_as_dict(findings, is_fine=is_fine))
    else:
        _show(findings)
    return FINE if is_fine else FOUND


def _sqlite() -> HealthCheck:
    """Tell which SQLite is at work; its fault is none of ours, as long as playbill alone writes."""
    version = sqlite_version()
    said = ".".join(map(str, version))
    if not has_wal_fault(version):
        return HealthCheck("SQLite", said)
    fault = "before 3.51.3, 3.50.7 and 3.44.6 it can damage a WAL that two connections write"
    return HealthCheck("SQLite", f"{said}: {fault}, and playbill has one that does: let no other program write", NOTE)


async def _look_at(path: Path) -> list[HealthCheck]:
    """Return what is found of one journal."""
    found = [*_files(path)]
    try:
        owner = owner_of(path)
        found.append(HealthCheck("owner", "nobody" if owner is None else str(owner)))
        check_file_system(path)
        async with reading(path) as reader:
            page = await reader.runs(RunQuery(statuses=ALIVE, limit=MAX_PAGE))
            found.append(HealthCheck("schema", f"version {MIGRATIONS[-1].version}"))
            damage = await reader.integrity()
            found.append(HealthCheck("integrity", "; ".join(damage) or "whole", WRONG if damage else WELL))
    except JournalError as error:
        return [*found, HealthCheck("error", str(error), WRONG)]
    aside = [row.run_id for row in page.runs if row.suspended_reason is not None]
    if page.runs:
        said = f"{len(page.runs)}{' or more' if page.next else ''}, of them {len(aside)} set aside"
        found.append(HealthCheck("unfinished", said, WRONG if aside else WELL))
    return found


def _files(path: Path) -> Iterator[HealthCheck]:
    status = path.stat()
    yield HealthCheck("size", describe_bytes(status.st_size))
    if status.st_mode & 0o077:
        text = f"{status.st_mode & 0o777:o}: others may read or write it; `chmod 600 {path}`"
        yield HealthCheck("mode", text, WRONG)
    wal = path.with_name(f"{path.name}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    long = f"; a reader may keep its owner from copying it: end long reads of {path.name}" if size > LARGE_WAL else ""
    yield HealthCheck("WAL", f"{describe_bytes(size)}{long}", WRONG if long else WELL)


def describe_bytes(size: float) -> str:
    """Return a size in three digits and its unit."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 (of each unit to the next)
            return f"{size:.3g} {unit}" if unit != "bytes" else f"{size} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"


def _show(findings: Mapping[str, Sequence[HealthCheck]]) -> None:
    screen = console()
    for place, found in findings.items():
        if place:
            screen.print(Text(f"\n{place}", "bold"))
        for each in found:
            name = Text(f" {each.name:<11}", "bright_black")
            screen.print(Text(*LOOKS[each.state]) + name + Text(each.said))


def _as_dict(findings: dict[str, list[HealthCheck]], *, is_fine: bool) -> dict[str, Any]:
    own, *_ = findings[""]
    told = {
        place: [{"name": each.name, "said": each.said, "state": each.state} for each in found]
        for place, found in findings.items()
        if place
    }
    return {"fine": is_fine, "sqlite": own.said, "journals": told}
