"""Draws a definition: as a text outline, and as a Mermaid flowchart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.model.definition import PipelineDefinition, PipelineEdge, PipelineNode

SHAPES: Final = {
    "trigger": ('(["', '"])'),
    "condition": ('{"', '"}'),
    "parallel": ('[["', '"]]'),
    "delay": ('("', '")'),
}
"""Mermaid's brackets by node type; all others are boxes."""
BOX: Final = ('["', '"]')
LONGEST_LABEL: Final = 40


def outline(definition: PipelineDefinition) -> Iterator[str]:
    """Yield the lines of a text tree; a node with several parents is drawn once and then referred to.

    A node that is the only child of its parent stands below it without a further step in, so that long chains stay
    readable.
    """
    nodes = {node.id: node for node in definition.nodes}
    children: dict[str, list[PipelineEdge]] = {node: [] for node in nodes}
    for edge in definition.edges:
        children[edge.from_node].append(edge)
    targets = {edge.to_node for edge in definition.edges}
    drawn: set[str] = set()
    roots = [node for node in nodes if node not in targets]
    stack: list[tuple[str, str, str, str]] = [(node, "", "", "") for node in reversed(roots)]
    while stack:
        node, first, rest, label = stack.pop()
        again = node in drawn
        yield f"{first}{label}{node}{' (above)' if again else f' ({_type_of(nodes[node])})'}"
        if again:
            continue
        drawn.add(node)
        edges = children[node]
        if len(edges) == 1 and not _label(edges[0]):
            stack.append((edges[0].to_node, rest, rest, ""))
            continue
        for index, edge in reversed([*enumerate(edges, 1)]):
            last = index == len(edges)
            branch, below = (f"{rest}└─ ", f"{rest}   ") if last else (f"{rest}├─ ", f"{rest}│  ")
            stack.append((edge.to_node, branch, below, _arrow(edge)))


def mermaid(definition: PipelineDefinition) -> str:
    """Return a Mermaid flowchart; conditions are labels, edges for failures are dotted."""
    names = {node.id: f"n{index}" for index, node in enumerate(definition.nodes)}
    lines = ["flowchart TD"]
    for node in definition.nodes:
        left, right = SHAPES.get(node.type, BOX)
        lines.append(
            f"    {names[node.id]}{left}{_escape(node.name or node.id)}<br/><i>{_escape(_type_of(node))}</i>{right}"
        )
    for edge in definition.edges:
        arrow = "-.->" if edge.when == "failure" else "-->"
        label = _label(edge)
        text = f'|"{_escape(clip(label, LONGEST_LABEL))}"| ' if label else ""
        lines.append(f"    {names[edge.from_node]} {arrow}{text or ' '}{names[edge.to_node]}")
    return "\n".join(lines)


def _type_of(node: PipelineNode) -> str:
    action = node.config.get("action") if node.type == "action" else None
    return f"{node.type} {action}" if isinstance(action, str) else node.type


def _label(edge: PipelineEdge) -> str:
    when = "" if edge.when == "success" else f"on {edge.when}"
    return ", ".join(part for part in (when, edge.condition) if part)


def _arrow(edge: PipelineEdge) -> str:
    label = _label(edge)
    return f"[{clip(label, LONGEST_LABEL)}] " if label else ""


def _escape(text: str) -> str:
    """Write what Mermaid would take for its own as entities."""
    special = {'"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "\n": " ", "|": "#124;"}
    return "".join(special.get(character, character) for character in text)
