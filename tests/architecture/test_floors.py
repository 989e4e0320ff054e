"""The floors hold: imports go one way, by the right names, through the right links."""

import subprocess
import sys
from pathlib import Path

from tests.architecture.tree import FLOORS, ROOT, Module, modules


def bare_imports(found: list[Module]) -> list[str]:
    """Imports of a floor by its bare name, which would load it a second time."""
    return [f"{module.name}: {name}" for module in found for name in module.imports() if name.split(".")[0] in FLOORS]


def imports_of_the_front(found: list[Module]) -> list[str]:
    """Imports of ``playbill`` itself from a floor: the front imports the floors, never the reverse."""
    return [
        module.name for module in found if not module.name.startswith("playbill/") and "playbill" in module.imports()
    ]


def pykka_outside_actors(found: list[Module]) -> list[str]:
    return [
        module.name
        for module in found
        if not module.name.startswith("actors/") and any(name.split(".")[0] == "pykka" for name in module.imports())
    ]


def sqlite_outside_its_journal(found: list[Module]) -> list[str]:
    """Imports of SQLite where nobody counts connections: a second one that writes can damage a journal."""
    return [
        module.name
        for module in found
        if not module.name.startswith("runtime/journals/sqlite/") and "sqlite3" in module.imports()
    ]


def connecting(found: list[Module]) -> list[str]:
    return [module.name for module in found if "sqlite3.connect(" in module.text]


def broken_links(root: Path) -> list[str]:
    links = {f"playbill/{floor}": Path("..", floor) for floor in FLOORS}
    return [
        name for name, target in links.items() if not (root / name).is_symlink() or (root / name).readlink() != target
    ]


def test_import_linter_keeps_every_contract() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_floors_are_never_imported_by_their_bare_names() -> None:
    everything = modules(folders=(*FLOORS, "playbill", "tests", "examples"))
    assert bare_imports(everything) == []


def test_a_floor_does_not_import_the_front() -> None:
    assert imports_of_the_front(modules()) == []


def test_pykka_is_imported_only_under_actors() -> None:
    assert pykka_outside_actors(modules()) == []


def test_sqlite_is_imported_only_by_its_journal_and_connected_to_in_one_place() -> None:
    assert sqlite_outside_its_journal(modules()) == []
    assert connecting(modules()) == ["runtime/journals/sqlite/files/connections.py"]


def test_the_package_reaches_its_floors_by_committed_links() -> None:
    assert broken_links(ROOT) == []


def test_each_rule_can_go_red(tmp_path: Path) -> None:
    for folder in (*FLOORS, "playbill"):
        (tmp_path / folder).mkdir()
    (tmp_path / "model/bad.py").write_text("import pykka.x\nfrom actors import shell\nimport playbill\n")
    (tmp_path / "runtime/store.py").write_text("import sqlite3\nsqlite3.connect('x')\n")
    (tmp_path / "playbill/actors").symlink_to("../actors")
    (tmp_path / "playbill/model").symlink_to(tmp_path / "model")
    found = modules(tmp_path)
    assert bare_imports(found) == ["model/bad.py: actors"]
    assert imports_of_the_front(found) == ["model/bad.py"]
    assert pykka_outside_actors(found) == ["model/bad.py"]
    assert sqlite_outside_its_journal(found) == connecting(found) == ["runtime/store.py"]
    assert broken_links(tmp_path) == ["playbill/model", "playbill/runtime"]
