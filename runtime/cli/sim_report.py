"""What `playbill sim` shows: a progress bar, what was seen, what was found and how to play it again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from playbill.model.wording import describe_seconds
from playbill.runtime.simulation.coverage import all_pairs, unreached
from playbill.runtime.simulation.sequence import html as page
from playbill.runtime.simulation.sequence import text
from playbill.runtime.simulation.shrink import Shrinker
from playbill.runtime.simulation.tapes import save_tape

if TYPE_CHECKING:
    from playbill.runtime.simulation.explore import Exploration
    from playbill.runtime.simulation.study import Finding, SeedResult, Study


class Progress:
    """A bar on a terminal; nothing elsewhere."""

    def __init__(self, seeds: int) -> None:
        self._seeds = seeds
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 (slow, and only terminals need it)
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
            from rich.progress import Progress as Bar  # noqa: PLC0415

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=self._seeds)
        return self

    def show(self, seen: Exploration) -> None:
        """Show where an exploration is."""
        if self._bar is not None:
            speed = seen.seeds / seen.wall_seconds if seen.wall_seconds else 0.0
            told = f"{speed:,.0f} seeds/s  {len(seen.findings)} found  {len(seen.coverage)} pairs"
            self._bar.update(self._task, completed=seen.seeds, description=told)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def summary(study: Study, seen: Exploration) -> None:
    """Print what an exploration has seen."""
    speed = seen.seeds / seen.wall_seconds if seen.wall_seconds else 0.0
    every = all_pairs()
    lines = [
        f"{study.definition.name}: {_count(study, seen)}, {speed:,.0f}/s, {describe_seconds(seen.seconds)} simulated",
        f"ends       {_counted(seen.statuses)}",
        f"faults     {_counted(seen.fired) or 'none'}",
        f"coverage   {len(seen.coverage & every)} of {len(every)} (machine, state, message) pairs",
    ]
    for machine, states in unreached(seen.coverage).items():
        if states:
            lines.append(f"  {machine} was never {', '.join(states)}")
    lines += [f"never held '{name}'" for name in seen.never(study)]
    lines += [f"assumed    {node}: cannot run simulated, so a default behaviour stood in" for node in _assumed(study)]
    sys.stdout.write("\n".join(lines) + "\n")


def _count(study: Study, seen: Exploration) -> str:
    unit = "schedules" if study.policy == "exhaustive" else "seeds"
    return f"{seen.seeds:,} {unit}{' (all there are)' if seen.complete else ''}"


def _counted(counts: Any) -> str:
    return "  ".join(f"{name} {count:,}" for name, count in counts.most_common())


def _assumed(study: Study) -> list[str]:
    """Return the nodes for which nothing was declared and whose handler is no coroutine that may run."""
    from playbill.runtime.faults.stand_in import needs_stand_in  # noqa: PLC0415 (only here)

    compiled = study.compiled()
    told = study.faults.behaviours
    return [
        f"{node.id} ({node.type})"
        for node in study.definition.nodes
        if told.of(node.id, node.type) is None and told.default is None and needs_stand_in(node, compiled.bindings)
    ]


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
    path = Path(f"{study.definition.name}.{least.invariant.replace(' ', '-')}.tape.json")
    save_tape(path, study.definition, smaller, least)
    seed_result = smaller.tape(least.lanes, traced=True)
    replay = f"{command} --tape {path}"
    nodes = f"{len(smaller.definition.nodes)} of {len(study.definition.nodes)} nodes"
    sys.stdout.write(f"shrunk to {nodes} in {shrinker.runs:,} runs:\n{text(seed_result.trace)}\n{least}\n")
    sys.stdout.write(f"replay     {replay}\n")
    if finding.seed is not None:
        sys.stdout.write(f"unshrunk   {command} --seed {finding.seed}\n")
    if html is not None:
        draw(html, smaller, seed_result, str(least), replay)


def draw(html: Path, study: Study, seed_result: SeedResult, wrong: str, replay: str) -> None:
    """Write the page that shows a finding."""
    definition = json.dumps(study.as_dict()["definition"], indent=1)
    html.write_text(page(study.definition.name, wrong, replay, definition, seed_result.trace), encoding="utf-8")
    sys.stdout.write(f"drawn      {html}\n")
