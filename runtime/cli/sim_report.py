"""What `playbill sim` shows: where it is, what was seen, what was found and how to play it again."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from playbill.model.wording import describe_seconds
from playbill.runtime.definitions.files import write
from playbill.runtime.simulation.coverage import all_pairs
from playbill.runtime.simulation.outcomes.words import describe_number
from playbill.runtime.simulation.sequence import describe_faults, text
from playbill.runtime.simulation.sequence import html as page
from playbill.runtime.simulation.shrink import Shrinker
from playbill.runtime.simulation.tapes import save_tape

if TYPE_CHECKING:
    from playbill.runtime.simulation.explore import Exploration
    from playbill.runtime.simulation.outcomes.seed import Finding, SeedResult
    from playbill.runtime.simulation.study import Study

PIPE_WIDTH: Final = 140
"""Characters of a line where there is no terminal that says."""
MAX_NAME: Final = 60
"""Characters of a name in that of a file."""
LABEL: Final = 10
"""Characters of what stands before a line."""
COUNT: Final = re.compile(r" ([\d,]+)(?=  |$)")
"""A number behind its name, in a line of counts."""
STYLES: Final = {"warning": "bold red", "engine": "dim"}


def describe_progress(seen: Exploration) -> str:
    """Return in a few words where an exploration is."""
    counts = f"{seen.statuses['completed']:,} completed, {len(seen.findings)} found"
    return f"{describe_number(seen.seeds)}, {_speed(seen):,.0f}/s  {counts}"


def summary(study: Study, seen: Exploration) -> None:
    """Print what an exploration has seen."""
    every = all_pairs()
    simulated = f"{_speed(seen):,.0f}/s, {describe_seconds(seen.seconds)} simulated"
    rows = [*seen.rows()]
    rows.sort(key=lambda row: row[0] == "warning")  # the last that is read
    rows.append(("engine", f"{len(seen.coverage & every)} of {len(every)} transitions"))
    console = Console(width=shutil.get_terminal_size((PIPE_WIDTH, 24)).columns, highlight=False)
    console.print(Text(f"{study.definition.name}: {_describe_count(study, seen)}, {simulated}"), soft_wrap=True)
    for label, told in rows:
        for line in _wrap(label, told, console.width):
            console.print(Text(line, STYLES.get(label, "")), soft_wrap=True)


def _wrap(label: str, told: str, width: int) -> list[str]:
    """Return lines of a width, the text beside the label; a count stays with what it counts."""
    kept = COUNT.sub("\N{NO-BREAK SPACE}\\1", told)
    lines = textwrap.wrap(kept, max(width - LABEL - 1, LABEL), break_long_words=False, break_on_hyphens=False)
    heads = [label, *[""] * len(lines)]
    return [
        f"{head:<{LABEL}} {line}".replace("\N{NO-BREAK SPACE}", " ") for head, line in zip(heads, lines, strict=False)
    ]


def _speed(seen: Exploration) -> float:
    """Return the seeds played in a second of the clock on the wall."""
    return seen.seeds / seen.wall_seconds if seen.wall_seconds else 0.0


def _describe_count(study: Study, seen: Exploration) -> str:
    unit = "schedule" if study.policy == "exhaustive" else "seed"
    return f"{describe_number(seen.seeds, unit)}{' (all there are)' if seen.complete else ''}"


def findings(study: Study, finding: Finding, command: str, html: Path | None) -> None:
    """Shrink a finding; print what is left of it, keep its tape, draw it.

    Args:
        study: what was run.
        finding: what went wrong.
        command: the command line that ran it, without what chooses the seeds.
        html: where it is drawn, if anywhere.
    """
    sys.stdout.write(f"\nFOUND {finding}\n")
    shrinker = Shrinker(study, finding)
    smaller, least = shrinker.shrink()
    path = Path(f"{_as_file_name(study.definition.name)}.{_as_file_name(least.invariant)}.tape.json")
    save_tape(path, study.definition, smaller, least)
    seed_result = smaller.tape(least.lanes, traced=True)
    replay = f"{command} --tape {shlex.quote(str(path))}"
    nodes = f"{len(smaller.definition.nodes)} of {len(study.definition.nodes)} nodes"
    sys.stdout.write(f"shrunk to {nodes} in {shrinker.runs:,} runs:\n{text(seed_result.trace)}\n")
    sys.stdout.write(f"{describe_faults(seed_result.happened)}\n{least}\n")
    sys.stdout.write(f"replay     {replay}\n")
    if finding.seed is not None:
        sys.stdout.write(f"unshrunk   {command} --seed {finding.seed}\n")
    if html is not None:
        draw(html, smaller, seed_result, str(least), replay)


def _as_file_name(name: str) -> str:
    """Return a name without what no file may be called by."""
    return re.sub(r"[^\w.-]+", "-", name)[:MAX_NAME] or "-"


def draw(html: Path, study: Study, seed_result: SeedResult, wrong: str, replay: str) -> None:
    """Write the page that shows a finding."""
    definition = json.dumps(study.as_dict()["definition"], indent=1)
    write(html, page(study.definition.name, wrong, replay, definition, seed_result.trace))
    sys.stdout.write(f"drawn      {html}\n")
