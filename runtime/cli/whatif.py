"""The subcommand whatif: replays a recorded run under other policies, and shows both beside each other."""

from __future__ import annotations

import sys
from pathlib import Path

from playbill.runtime.cli.exit_codes import FINE
from playbill.runtime.cli.modules import open_definition
from playbill.runtime.cli.options.imports import Imports
from playbill.runtime.cli.whatif_report import show
from playbill.runtime.definitions.files import write
from playbill.runtime.simulation.whatif.changes import Change, load_change
from playbill.runtime.simulation.whatif.page import page
from playbill.runtime.simulation.whatif.recording import load_recording
from playbill.runtime.simulation.whatif.what_if import what_if


def whatif(
    file: Path, events: Path, /, *, change: Path | None = None, html: Path | None = None, imports: Imports = None
) -> int:
    """Replay a recorded run under other retries, timeouts or breakers; no handler runs.

    Exits with 0, or with 2 for a bad recording, change or usage.

    Args:
        file: the pipeline, a YAML or JSON file.
        events: what `playbill run FILE --events EVENTS` has written.
        change: the other policies, a YAML or JSON file; without it the run is replayed as it was.
        html: draw both runs into this file.
        imports: modules that define node types.
    """
    definition = open_definition(file, imports)
    found = what_if(definition, load_recording(events), Change() if change is None else load_change(change))
    show(found)
    if html is not None:
        title = f"{definition.name}: what if {'nothing changed' if change is None else change.name}"
        write(html, page(title, found))
        sys.stdout.write(f"drawn       {html}\n")
    return FINE
