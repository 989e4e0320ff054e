"""Draws the folders, their imports and modules, and two walks through them in docs/architecture.md: `make docs`."""

import ast
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath as Folder

from tests.architecture.tree import FLOORS, ROOT, Module, modules
from tests.architecture.walks import WALKS, Step

PAGE = ROOT / "docs" / "architecture.md"
TOP = Folder("playbill")
"""The whole package; its own modules are those under playbill/, its rooms are the floors."""

HEAD = """# The house

Drawn by `make docs` from the code; a test says when it is out of date. Three floors, one direction: the *runtime*
does (time, disk, processes), the *actors* carry, the *model* decides. A room is a folder. An arrow is an import, with
how often it stands in the code, those for types only included; which there may be is said in pyproject.toml and
checked by import-linter. The machines of the model are drawn in [machines.md](machines.md).
"""


def first_line(module: Module) -> str:
    """What a module says of itself."""
    return (ast.get_docstring(module.tree) or "").partition("\n")[0]


def folder_of(module: Module) -> Folder:
    """The folder of a module, below ``playbill``."""
    folder = Folder(module.name).parent
    return folder if folder == TOP else TOP / folder


def arrows(found: Iterable[Module]) -> Counter[tuple[Folder, Folder]]:
    """How often modules of one folder import from another."""
    found = list(found)
    folders = {folder_of(module) for module in found}
    counts: Counter[tuple[Folder, Folder]] = Counter()
    for module in found:
        for name in module.imports():
            target = Folder(*name.split("."))
            target = target if target in folders else target.parent
            if target in folders and target != folder_of(module):
                counts[folder_of(module), target] += 1
    return counts


def room_in(house: Folder, folder: Folder) -> Folder | None:
    """The room of ``house`` that a folder is, or is in; ``house`` itself for its own modules, None outside."""
    if not folder.is_relative_to(house):
        return None
    parts = folder.relative_to(house).parts
    return house / parts[0] if parts else house


def drawing(house: Folder, counts: Counter[tuple[Folder, Folder]], folders: Iterable[Folder]) -> str:
    """Draw the rooms of a folder and the imports between them as a Mermaid flowchart."""
    rooms = sorted({room for folder in folders if (room := room_in(house, folder)) is not None})
    merged: Counter[tuple[Folder, Folder]] = Counter()
    for (source, target), count in counts.items():
        ends = room_in(house, source), room_in(house, target)
        if ends[0] is not None and ends[1] is not None and ends[0] != ends[1]:
            merged[ends[0], ends[1]] += count
    names = {room: f"r{number}" for number, room in enumerate(rooms)}
    lines = ["```mermaid", "flowchart TD"]
    lines += [f'    {names[room]}["{f"{house.name}/*.py" if room == house else room.name}"]' for room in rooms]
    lines += [
        f"    {names[source]} -->|{count}| {names[target]}"
        for (source, target), count in sorted(merged.items(), key=lambda item: item[0])
    ]
    return "\n".join([*lines, "```"])


def table(inside: Iterable[Module]) -> str:
    """List modules with what they say of themselves."""
    rows = [(Folder(module.name).name, first_line(module)) for module in inside]
    lines = ["| module | what it is |", "|---|---|"]
    lines += [f"| `{name}` | {says.replace('|', chr(92) + '|')} |" for name, says in rows if name != "__init__.py"]
    return "\n".join(lines)


def walk(title: str, steps: Iterable[Step]) -> str:
    """Write a walk as a list; a step in another folder than the one before says so."""
    lines, before = [f"### {title}", ""], None
    for number, step in enumerate(steps, 1):
        room = step.file.parent.as_posix()
        lines.append(
            f"{number}. {'' if room == before else f'**{room}** '}`{step.file.name}` `{step.function}`: {step.says}"
        )
        before = room
    return "\n".join(lines)


def page(found: Iterable[Module] | None = None) -> str:
    """Return the whole page."""
    every = list(modules() if found is None else found)
    counts = arrows(every)
    inside: dict[Folder, list[Module]] = {}
    for module in every:
        inside.setdefault(folder_of(module), []).append(module)
    floors = [TOP / floor for floor in sorted(FLOORS, reverse=True)]
    order = [TOP, *(folder for floor in floors for folder in sorted(inside) if room_in(TOP, folder) == floor)]
    parts = [HEAD]
    for folder in order:
        name = "playbill" if folder == TOP else folder.relative_to(TOP).as_posix()
        says = next((first_line(module) for module in inside[folder] if module.path.name == "__init__.py"), "")
        parts.append(f"## {name}/\n\n{says}\n")
        if any(other != folder and other.is_relative_to(folder) for other in inside):
            parts.append(f"{drawing(folder, counts, inside)}\n")
        if any(module.path.name != "__init__.py" for module in inside[folder]):
            parts.append(f"{table(inside[folder])}\n")
    parts.append("## Two walks\n\nStep by step; the rooms are in bold where the walk enters one.\n")
    parts += [f"{walk(title, steps)}\n" for title, steps in WALKS.items()]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
