"""Draws the machines' tables as Mermaid state diagrams into docs/machines.md: `make docs`."""

from enum import StrEnum
from pathlib import Path

from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.circuit import CircuitMachine
from playbill.model.machines.machine import Table
from playbill.model.machines.node import NodeMachine
from playbill.model.machines.salvage import SalvageMachine
from playbill.model.machines.supervisor import SupervisorMachine

PAGE = Path(__file__).resolve().parents[2] / "docs" / "machines.md"

HEAD = """# The machines

Drawn by `make docs` from the tables in model/machines; a test says when it is out of date. An arrow is a message that
may change the state; messages that keep it are listed below each picture, and those that may come too late are
counted and change nothing.
"""


def mermaid(table: Table, initial: StrEnum) -> str:
    """Return a table as a Mermaid state diagram: one arrow for each pair of states, labelled with its messages."""
    labels: dict[tuple[str, str], list[str]] = {}
    for state, rows in table.items():
        for message, row in rows.items():
            for to in row.to:
                if to is not state:
                    labels.setdefault((str(state), str(to)), []).append(message.__name__)
    lines = ["stateDiagram-v2", f"    [*] --> {initial}"]
    lines += [f"    {source} --> {to}: {', '.join(names)}" for (source, to), names in labels.items()]
    lines += [f"    {state} --> [*]" for state, rows in table.items() if not any(row.to for row in rows.values())]
    return "\n".join(lines)


def staying(table: Table) -> str:
    """Return, state by state, the messages that are handled without leaving it."""
    lines = []
    for state, rows in table.items():
        names = [message.__name__ for message, row in rows.items() if not row.late and set(row.to) <= {state}]
        if names:
            lines.append(f"- {state}: {', '.join(names)}")
    return "\n".join(lines)


def page() -> str:
    """Return the whole page."""
    machines = (SupervisorMachine, NodeMachine, BreakerMachine, CircuitMachine, SalvageMachine)
    parts = [HEAD]
    for machine in machines:
        drawing = mermaid(machine.TRANSITIONS, machine.INITIAL)
        stays = staying(machine.TRANSITIONS)
        stays = f"\nHandled without a change of state:\n\n{stays}\n" if stays else ""
        parts.append(f"## {machine.__name__.removesuffix('Machine')}\n\n```mermaid\n{drawing}\n```\n{stays}")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
