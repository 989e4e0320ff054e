"""Names and shapes that hold in every module of the packages."""

import ast
import re
from pathlib import Path

import playbill
from tests.architecture.tree import Module, modules, needs_the_front

DRAWERS = {"util", "utils", "helper", "helpers", "common"}
NAMESAKES: dict[str, str] = {
    # the name of several classes: the reason
}


def without_a_first_line(found: list[Module]) -> list[str]:
    """Modules whose line 1 does not begin the docstring and its sentence."""
    return [module.name for module in found if not re.match(r'"""\S', module.text)]


def drawers(found: list[Module]) -> list[str]:
    return [module.name for module in found if DRAWERS & {*module.name.removesuffix(".py").split("/")}]


def star_imports(found: list[Module]) -> list[str]:
    return [
        f"{module.name}:{node.lineno}"
        for module in found
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]


def namesakes(found: list[Module]) -> dict[str, list[str]]:
    """Names that several classes have, and where these stand."""
    places: dict[str, list[str]] = {}
    for module in found:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{module.name}:{node.lineno}")
    return {name: where for name, where in places.items() if len(where) > 1}


def _is_empty_container(value: ast.expr | None) -> bool:
    match value:
        case ast.List(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.Call(func=ast.Name(id="set" | "list" | "dict" | "deque" | "defaultdict")):
            return True
        case _:
            return False


def mutable_globals(found: list[Module]) -> list[str]:
    """Module-level names bound to an empty container: state, unless an ALL_CAPS table."""
    bad = []
    for module in found:
        for node in module.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign):
                targets = [node.target]
            if targets and _is_empty_container(getattr(node, "value", None)):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
                bad += [f"{module.name}: {name}" for name in names if not name.lstrip("_").isupper()]
    return bad


def _swallows(node: ast.AST) -> bool:
    match node:
        case ast.ExceptHandler(type=None | ast.Name(id="Exception" | "BaseException"), body=[ast.Pass()]):
            return True
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=args):
            return any(isinstance(arg, ast.Name) and arg.id == "BaseException" for arg in args)
        case _:
            return False


def swallowed(found: list[Module]) -> list[str]:
    """Where any failure whatever would vanish without a trace."""
    return [
        f"{module.name}:{getattr(node, 'lineno', 0)}"
        for module in found
        for node in ast.walk(module.tree)
        if _swallows(node)
    ]


def test_every_module_says_on_line_1_what_it_is() -> None:
    assert without_a_first_line(modules()) == []


def test_no_module_is_a_drawer() -> None:
    assert drawers(modules()) == []


def test_nothing_is_imported_by_star() -> None:
    assert star_imports(modules()) == []


def test_no_two_classes_have_the_same_name() -> None:
    assert {name: where for name, where in namesakes(modules()).items() if name not in NAMESAKES} == {}


def test_each_waived_namesake_is_still_there_and_has_a_reason() -> None:
    assert NAMESAKES.keys() <= namesakes(modules()).keys()
    assert all(NAMESAKES.values())


def test_no_module_keeps_state_in_a_global() -> None:
    assert mutable_globals(modules()) == []


def test_no_failure_is_swallowed_whole() -> None:
    assert swallowed(modules()) == []


@needs_the_front
def test_the_public_names_exist_and_are_sorted() -> None:
    assert list(playbill.__all__) == sorted(playbill.__all__)
    assert [name for name in playbill.__all__ if not hasattr(playbill, name)] == []


@needs_the_front
def test_an_editor_is_shown_the_public_names_and_no_others() -> None:
    assert {name for name in dir(playbill) if not name.startswith("__")} == {*playbill.__all__}
    assert {"__all__", "__doc__", "__file__", "__name__", "__path__"} <= {*dir(playbill)}


def test_each_rule_can_go_red(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/util.py").write_text(
        "from os import *\n"
        "class Late: pass\n"
        "TABLE = {}\n"
        "seen: list[int] = []\n"
        "try:\n    pass\nexcept Exception:\n    pass\n"
        "with contextlib.suppress(BaseException):\n    pass\n"
    )
    (tmp_path / "model/good.py").write_text('"""Says what it is."""\n\nNAMES = ("a",)\n')
    (tmp_path / "model/late.py").write_text('"""\nSays it on line 2.\n"""\nclass Late: pass\nclass Alone: pass\n')
    found = modules(tmp_path)
    assert without_a_first_line(found) == ["model/late.py", "model/util.py"]
    assert drawers(found) == ["model/util.py"]
    assert star_imports(found) == ["model/util.py:1"]
    assert namesakes(found) == {"Late": ["model/late.py:4", "model/util.py:2"]}
    assert mutable_globals(found) == ["model/util.py: seen"]
    assert sorted(swallowed(found)) == ["model/util.py:7", "model/util.py:9"]
