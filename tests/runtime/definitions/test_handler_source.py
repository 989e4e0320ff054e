"""A handler's hash is that of the text it runs: the same in each process, another one when the text is another."""

import functools
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from playbill.runtime.definitions import handler_source
from playbill.runtime.definitions.handler_source import KNOWN, source_of
from tests.architecture.tree import ROOT

BODY = '''
import functools
from typing import Any


def ship(node: Any, inputs: Any, context: Any) -> Any:
    """Ship."""
    known = {"a", "b", "c"}
    return {"is_known": node in {"x", "y", "z"}, "sizes": [len(each) for each in known]}


async def wait(node: Any, inputs: Any, context: Any) -> Any:
    return {}


short = lambda node, inputs, context: {"a": 1}


def loud(function):
    @functools.wraps(function)
    def called(*args):
        return function(*args)

    return called


@loud
def wrapped(node, inputs, context):
    return {}


class Shop:
    def work(self, node, inputs, context):
        return {}

    def __call__(self, node, inputs, context):
        return {}


def maker(n):
    def made(node, inputs, context):
        return {"n": n}

    return made


made = maker(1)
'''
NAMES = ("ship", "wait", "short", "wrapped", "made")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Write and import a module, always of the same name; nothing of an earlier one is left."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "hashed_shop.py"

    def write(text: str) -> ModuleType:
        file.write_text(text)
        sys.modules.pop("hashed_shop", None)
        importlib.invalidate_caches()
        return importlib.import_module("hashed_shop")

    yield write
    sys.modules.pop("hashed_shop", None)


def sources(module: ModuleType) -> dict[str, str | None]:
    return {name: source_of(getattr(module, name)) for name in NAMES}


def test_each_function_is_hashed_by_its_own_text(write: Callable[[str], ModuleType]) -> None:
    before = sources(write(BODY))
    assert all(str(each).startswith("source:") for each in before.values())
    assert len(set(before.values())) == len(NAMES)
    after = sources(write("\n\n" + BODY.replace("    return {}\n\n\nshort", "    return {'w': 1}\n\n\nshort")))
    assert {name for name in NAMES if before[name] != after[name]} == {"wait"}


def test_of_wrapped_functions_both_count(write: Callable[[str], ModuleType]) -> None:
    before = source_of(write(BODY).wrapped)
    assert source_of(write(BODY.replace("return function(*args)", "return function(*args) or {}")).wrapped) != before
    assert source_of(write(BODY.replace("@loud\ndef wrapped", "@loud\ndef  wrapped")).wrapped) != before


def test_methods_partials_static_methods_and_objects_are_hashed_by_their_functions(
    write: Callable[[str], ModuleType],
) -> None:
    module = write(BODY)
    shop = module.Shop()
    assert source_of(shop.work) == source_of(module.Shop.work)
    assert source_of(shop) == source_of(module.Shop.__call__) != source_of(shop.work)
    assert source_of(functools.partial(module.ship, 1)) == source_of(module.ship)
    assert source_of(staticmethod(module.ship)) == source_of(module.ship)


def test_what_is_written_in_c_has_no_source() -> None:
    assert source_of(len) is None
    assert source_of([].append) is None


def test_an_edited_file_is_not_taken_for_what_runs(write: Callable[[str], ModuleType], tmp_path: Path) -> None:
    module = write(BODY)
    Path(str(module.__file__)).write_text(BODY.replace('{"a": 1}', '{"a": 2}').replace('"Ship."', '"Sail."'))
    found = sources(module)
    assert {name for name, each in found.items() if str(each).startswith("code:")} == {"ship", "short"}


def test_without_a_text_the_code_counts(write: Callable[[str], ModuleType], tmp_path: Path) -> None:
    module = write(BODY)
    Path(str(module.__file__)).unlink()
    found = sources(module)
    assert all(str(each).startswith("code:") for each in found.values())
    assert len(set(found.values())) == len(NAMES)
    moved = write("\n\n" + BODY)
    Path(str(moved.__file__)).unlink()
    assert sources(moved) == found
    changed = write(BODY.replace('"z"', '"q"'))
    Path(str(changed.__file__)).unlink()
    assert {name for name, each in sources(changed).items() if each != found[name]} == {"ship"}


def test_a_text_that_is_no_python_leaves_the_code() -> None:
    names: dict[str, Any] = {}
    exec(compile("def f(): return 1", "<cell>", "exec"), names)
    assert str(source_of(names["f"])).startswith("code:")


@pytest.mark.parametrize("has_text", [True, False])
def test_a_hash_is_the_same_in_each_process_and_with_each_hash_seed(tmp_path: Path, has_text: bool) -> None:
    (tmp_path / "hashed_shop.py").write_text(BODY)
    removed = "os.unlink('hashed_shop.py'); " * (not has_text)
    code = (
        "import os, hashed_shop as shop; from playbill.runtime.definitions.handler_source import source_of;"
        f" {removed}print([source_of(getattr(shop, name)) for name in {NAMES!r}])"
    )
    told: set[str] = set()
    for number, seed in enumerate(("0", "1", "77")):
        folder = tmp_path / f"of{number}"
        folder.mkdir()
        shutil.copy(tmp_path / "hashed_shop.py", folder)
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
        ran = subprocess.run(
            [sys.executable, "-B", "-c", code], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
        told.add(ran.stdout)
    assert len(told) == 1
    assert told.pop().count("source:" if has_text else "code:") == len(NAMES)


def test_a_function_is_looked_at_once_and_again_when_its_code_is_another(
    write: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = write(BODY)
    told: list[str] = []
    tell = handler_source._tell

    def noted(function: FunctionType) -> str:
        told.append(function.__name__)
        return tell(function)

    monkeypatch.setattr(handler_source, "_tell", noted)
    first = source_of(module.ship)
    assert source_of(module.ship) == first
    assert told == ["ship"]
    module.ship.__code__ = module.Shop.__call__.__code__
    assert source_of(module.ship) != first
    assert told == ["ship", "ship"]


def test_a_function_that_is_gone_is_forgotten(write: Callable[[str], ModuleType]) -> None:
    made = write(BODY).maker(2)
    source_of(made)
    count = len(KNOWN)
    del made
    assert len(KNOWN) == count - 1
