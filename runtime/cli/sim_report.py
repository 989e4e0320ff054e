"""What `playbill sim` shows: where it is, what was seen, what was found and how to play it again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbill.model.wording import describe_seconds
from playbill.runtime.definitions.files import write
from playbill.runtime.simulation.coverage import all_pairs, unreached
from playbill.runtime.simulation.sequence import html as page
from playbill.runtime.simulation.sequence import text
from playbill.runtime.simulation.shrink import Shrinker
from playbill.runtime.simulation.tapes import save_tape

if TYPE_CHECKING:
    from playbill.runtime.simulation.explore import Exploration
    from playbill.runtime.simulation.study import Finding, SeedResult, Study


def describe_progress(seen: Exploration) -> str:
    """Return in a few words where an exploration is."""
    return f"{seen.seeds:,} seeds, {_speed(seen):,.0f}/s  {len(seen.findings)} found  {len(seen.coverage)} pairs"


def summary(study: Study, seen: Exploration) -> None:
    """Print what an exploration has seen."""
    every = all_pairs()
    simulated = f"{_speed(seen):,.0f}/s, {describe_seconds(seen.seconds)} simulated"
    lines = [
        f"{study.definition.name}: {_describe_count(study, seen)}, {simulated}",
        f"ends       {_describe_counts(seen.statuses)}",
        f"faults     {_describe_counts(seen.fired) or 'none'}",
        f"coverage   {len(seen.coverage & every)} of {len(every)} (machine, state, message) pairs",
    ]
    for machine, states in unreached(seen.coverage).items():
        if states:
            lines.append(f"  {machine} was never {', '.join(states)}")
    lines += [f"never held '{name}'" for name in seen.never(study)]
    lines += [
        f"assumed    {node}: cannot run simulated, so a default behaviour stood in" for node in _stand_ins(study)
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _speed(seen: Exploration) -> float:
    """Return the seeds played in a second of the clock on the wall."""
    return seen.seeds / seen.wall_seconds if seen.wall_seconds else 0.0


def _describe_count(study: Study, seen: Exploration) -> str:
    unit = "schedules" if study.policy == "exhaustive" else "seeds"
    return f"{seen.seeds:,} {unit}{' (all there are)' if seen.complete else ''}"


def _describe_counts(counts: Any) -> str:
    return "  ".join(f"{name} {count:,}" for name, count in counts.most_common())


def _stand_ins(study: Study) -> list[str]:
    """Return the nodes for which nothing was declared and whose handler is not a coroutine that may run."""
    from playbill.runtime.faults.stand_in import needs_stand_in  # noqa: PLC0415 (only here)

    compiled = study.compiled()
    behaviours = study.faults.behaviours
    return [
        f"{node.id} ({node.type})"
        for node in study.definition.nodes
        if behaviours.of(node.id, node.type) is None
        and behaviours.default is None
        and needs_stand_in(node, compiled.bindings)
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
    write(html, page(study.definition.name, wrong, replay, definition, seed_result.trace))
    sys.stdout.write(f"drawn      {html}\n")
