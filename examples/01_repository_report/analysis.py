"""What the nodes of the repository report do; `inputs` are the outputs of a node's predecessors, by node id."""

from collections import Counter
from pathlib import Path
from typing import Any

import playbill

Inputs = dict[str, dict[str, Any]]


def _commits(inputs: Inputs) -> list[list[str]]:
    return [line.split("\t", 3) for line in inputs["history"]["stdout"].splitlines() if line.count("\t") >= 3]


def authors(inputs: Inputs) -> dict[str, Any]:
    counts = Counter(name for _, name, _, _ in _commits(inputs))
    return {"authors": [{"name": name, "commits": count} for name, count in counts.most_common(5)]}


def rhythm(inputs: Inputs) -> dict[str, Any]:
    days = Counter(date[:10] for _, _, date, _ in _commits(inputs))
    return {"commits": days.total(), "days": len(days), "by_day": dict(sorted(days.items())[-14:])}


def languages(inputs: Inputs) -> dict[str, Any]:
    names = inputs["files"]["stdout"].splitlines()
    kinds = Counter(Path(name).suffix or Path(name).name for name in names)
    return {"files": len(names), "kinds": dict(kinds.most_common(8))}


def headline(inputs: Inputs, context: playbill.NodeContext) -> dict[str, Any]:
    if context.attempt == 1:
        raise playbill.NodeExecutionError("the headline writer is not at the desk yet")
    kinds = inputs["languages"]["kinds"]
    return {"text": f"{inputs['languages']['files']} files, mostly {next(iter(kinds), 'nothing')}"}


def trend(inputs: Inputs) -> dict[str, Any]:
    per_day = inputs["rhythm"]["commits"] / inputs["rhythm"]["days"]
    return {"text": f"{per_day:.1f} commits on a working day, over {inputs['rhythm']['days']} days."}


def beginnings(inputs: Inputs) -> dict[str, Any]:
    return {"text": f"A young repository: {inputs['rhythm']['commits']} commits so far."}


def write(inputs: Inputs, path: str) -> dict[str, Any]:
    story = inputs.get("trend") or inputs["beginnings"]
    lines = [f"# {inputs['headline']['text']}", "", story["text"], "", "## Authors", ""]
    lines += [f"- {author['name']}: {author['commits']} commits" for author in inputs["authors"]["authors"]]
    lines += ["", "## Files", "", "| kind | files |", "| --- | ---: |"]
    lines += [f"| {kind} | {count} |" for kind, count in inputs["languages"]["kinds"].items()]
    lines += ["", "## Last days", ""]
    lines += [f"    {day} {'#' * min(count, 60)} {count}" for day, count in inputs["rhythm"]["by_day"].items()]
    lines += ["", f"Files with a TODO or FIXME: {len(inputs['todos']['stdout'].splitlines())}", ""]
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines), encoding="utf-8")
    return {"path": str(target)}
