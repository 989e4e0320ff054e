"""A module has one subject, a function does one thing: their sizes are bounded."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import Module, modules

MODULE_LINES = 400
"""Of runtime/cli/ and runtime/reports/, whose lines are mostly texts and drawings."""
OTHER_MODULE_LINES = 300
FUNCTION_LINES = 40
RULE_LINES = 25
"""Of a function in model/machines/ and actors/, where the rules are."""
FOLDER_MODULES = 12
"""Of a folder of runtime/, besides its __init__.py."""

Function = ast.FunctionDef | ast.AsyncFunctionDef

WAIVERS: dict[str, str] = {
    # "runtime/x", "model/x.py" or "model/x.py:Class.method": the reason
    "model/machines/node_base.py:NodeBase._failed": "its parameters take nine lines; the decision eighteen",
    "model/messages.py": "all that actors are told, in one place: a reader looks a message up",
}


def functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield prefix + child.name, child
            yield from functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from functions(child, f"{prefix}{child.name}.")
        else:
            yield from functions(child, prefix)


def length(function: Function) -> int:
    """Lines from ``def`` to the end, without the docstring's."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def module_limit(name: str) -> int:
    return MODULE_LINES if name.startswith(("runtime/cli/", "runtime/reports/")) else OTHER_MODULE_LINES


def function_limit(module: str) -> int:
    return RULE_LINES if module.startswith(("model/machines/", "actors/")) else FUNCTION_LINES


def oversized(found: list[Module]) -> dict[str, int]:
    """What is over its limit: modules and functions by lines, folders by modules."""
    sizes = {module.name: len(module.text.splitlines()) for module in found}
    large = {name: lines for name, lines in sizes.items() if lines > module_limit(name)}
    for module in found:
        for name, function in functions(module.tree):
            if (lines := length(function)) > function_limit(module.name):
                large[f"{module.name}:{name}"] = lines
    folders = Counter(name.rpartition("/")[0] for name in sizes if not name.endswith("/__init__.py"))
    rooms = {name: count for name, count in folders.items() if name.startswith("runtime/")}
    return large | {name: count for name, count in rooms.items() if count > FOLDER_MODULES}


def test_modules_functions_and_folders_stay_small() -> None:
    assert {name: size for name, size in oversized(modules()).items() if name not in WAIVERS} == {}


def test_each_waiver_is_still_needed_and_has_a_reason() -> None:
    assert [name for name in WAIVERS if name not in oversized(modules())] == []
    assert all(WAIVERS.values())


def test_each_limit_of_a_module_can_go_red(tmp_path: Path) -> None:
    for folder, limit in (("model", OTHER_MODULE_LINES), ("runtime/cli", MODULE_LINES)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "fits.py").write_text("\n" * limit)
        (tmp_path / folder / "long.py").write_text("\n" * (limit + 1))
    assert oversized(modules(tmp_path)) == {"model/long.py": 301, "runtime/cli/long.py": 401}


def test_each_limit_of_a_function_can_go_red(tmp_path: Path) -> None:
    docstring = '        """Say.\n\n        More.\n        """\n'
    for folder, limit in (("model", FUNCTION_LINES), ("model/machines", RULE_LINES), ("actors", RULE_LINES)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, lines in (("fits", limit - 1), ("long", limit)):
            body = "        x = 1\n" * lines
            (tmp_path / folder / f"{name}.py").write_text(f"class A:\n    async def f(self):\n{docstring}{body}")
    assert oversized(modules(tmp_path)) == {
        "actors/long.py:A.f": 26,
        "model/long.py:A.f": 41,
        "model/machines/long.py:A.f": 26,
    }


def test_the_limit_of_a_folder_can_go_red(tmp_path: Path) -> None:
    for folder, count in (("runtime/fits", FOLDER_MODULES), ("runtime/full/inside", FOLDER_MODULES + 1)):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("__init__", *(f"module{number}" for number in range(count))):
            (tmp_path / folder / f"{name}.py").touch()
    assert oversized(modules(tmp_path)) == {"runtime/full/inside": 13}
