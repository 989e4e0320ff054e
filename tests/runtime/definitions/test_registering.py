"""What decorators take, how long they remember it, and which of two of one name counts."""

# ruff: noqa: ARG003, ARG004 (handlers have a fixed signature)

import functools
import gc
import importlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

import playbill
from playbill.runtime.definitions import discovery
from playbill.runtime.definitions.discovery import catalog_of, import_types
from playbill.runtime.definitions.marks import DECORATED


@pytest.fixture(autouse=True)
def types_of_one_test() -> Iterator[None]:
    """Forget what a test has marked, at whatever place."""
    before = dict(DECORATED)
    yield
    DECORATED.clear()
    DECORATED.update(before)


def output_of(type_name: str, types: Any = None, **config: Any) -> dict[str, Any]:
    """What a node of this type gives."""
    node = {"id": "a", "type": type_name, "config": config, "retry": {"max_attempts": 1}}
    found: dict[str, Any] = playbill.run({"nodes": [node]}, types=types).raise_for_status().outputs["a"]
    return found


def made(name: str, answer: object) -> Any:
    @playbill.node_type(name)
    async def handler(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"answer": answer}

    return handler


class Shop:
    """Its methods are handlers."""

    def __init__(self, name: str = "corner") -> None:
        self.name = name

    def bound(self, node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"shop": self.name}

    @playbill.node_type("shop_static")
    @staticmethod
    async def static(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"static": True}

    @staticmethod
    @playbill.node_type("shop_static_below")
    async def below(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"static": True}

    @playbill.node_type("shop_plain")
    def plain(node: Any, inputs: Any, context: Any) -> dict[str, Any]:  # noqa: N805
        return {"plain": True}

    @classmethod
    def of_class(cls, node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"class": cls.__name__}


class Callable:
    """An object that is called, and that nothing can be set on."""

    __slots__ = ()

    async def __call__(self, node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"called": True}


async def with_more(more: str, node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    return {"more": more}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules, which are forgotten with the test."""
    monkeypatch.syspath_prepend(tmp_path)
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        del sys.modules[name]


def test_types_that_nobody_else_holds_stay() -> None:
    for name in ("looped_a", "looped_b"):
        made(name, name)
    playbill.node_type("lambda_a")(lambda node, inputs, context: {"answer": 1})
    playbill.node_type("lambda_b")(lambda node, inputs, context: {"answer": 2})
    playbill.action("looped_a")(lambda node, inputs, context: {"answer": 3})
    gc.collect()
    assert [output_of(name)["answer"] for name in ("looped_a", "looped_b")] == ["looped_a", "looped_b"]
    assert [output_of(name)["answer"] for name in ("lambda_a", "lambda_b")] == [1, 2]
    assert output_of("action", action="looped_a") == {"answer": 3}


def test_one_defined_anew_at_its_place_replaces_the_old_one() -> None:
    made("again", 1)
    made("again", 2)
    assert output_of("again") == {"answer": 2}


def test_of_two_from_one_factory_each_can_be_named_and_both_together_are_refused() -> None:
    first, second = made("twin", 1), made("twin", 2)
    assert (output_of("twin", [first]), output_of("twin", [second])) == ({"answer": 1}, {"answer": 2})
    with pytest.raises(playbill.DefinitionError, match=r"node type 'twin' is defined twice, in .*made.* and .*made"):
        catalog_of([first, second])


def test_two_places_for_one_name_are_an_error_that_names_all_of_them() -> None:
    @playbill.node_type("clash")
    async def one(node: Any, inputs: Any, context: Any) -> None: ...

    @playbill.node_type("clash")
    async def other(node: Any, inputs: Any, context: Any) -> None: ...

    playbill.action("clash")(one)
    playbill.action("clash")(other)
    with pytest.raises(playbill.DefinitionError) as caught:
        playbill.PipelineRunManager()
    assert [problem.code for problem in caught.value.problems] == ["duplicate-name"] * 2
    assert "node type 'clash' is defined twice, in tests" in str(caught.value)
    assert "<locals>.one and tests" in str(caught.value)
    assert "name those you mean, types=[...]" in str(caught.value)


def test_two_lambdas_of_a_file_are_two_places() -> None:
    playbill.node_type("lambdas")(lambda node, inputs, context: {})
    playbill.node_type("lambdas")(lambda node, inputs, context: {})
    with pytest.raises(playbill.DefinitionError, match=r"<lambda>, line \d+ and tests.*<lambda>, line \d+"):
        catalog_of()


def test_one_function_may_be_a_type_and_an_action_and_have_several_names() -> None:
    @playbill.action("both")
    @playbill.node_type("both")
    @playbill.node_type("also")
    async def both(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"type": node.type}

    for types in (None, [both]):
        assert output_of("both", types) == {"type": "both"}
        assert output_of("also", types) == {"type": "also"}
        assert output_of("action", types, action="both") == {"type": "action"}


def test_whatever_can_be_called_as_a_handler_is_one() -> None:
    shop, called, partial = Shop("baker"), Callable(), functools.partial(with_more, "salt")
    assert playbill.node_type("bound")(shop.bound) == shop.bound
    assert playbill.node_type("called")(called) is called
    assert playbill.node_type("partial")(partial) is partial
    playbill.node_type("partial_of_called")(functools.partial(called))
    playbill.node_type("of_class")(Shop.of_class)
    assert output_of("bound") == output_of("bound", [shop.bound]) == {"shop": "baker"}
    assert output_of("called") == output_of("called", [called]) == {"called": True}
    assert output_of("partial") == output_of("partial", [partial]) == {"more": "salt"}
    assert output_of("partial_of_called") == {"called": True}
    assert output_of("of_class", [Shop.of_class]) == {"class": "Shop"}
    assert output_of("shop_static") == output_of("shop_static", [Shop.static]) == {"static": True}
    assert output_of("shop_static_below", [Shop.below]) == {"static": True}
    assert output_of("shop_plain", [Shop.plain]) == {"plain": True}


def test_defaults_and_star_arguments_are_fine() -> None:
    playbill.node_type("default")(lambda node, inputs, context, more=1: {"more": more})
    playbill.node_type("star")(lambda *given: {"given": len(given)})
    playbill.node_type("keyword")(lambda node, inputs, /, context, *, more=2: {"more": more})
    assert [output_of(name) for name in ("default", "star", "keyword")] == [{"more": 1}, {"given": 3}, {"more": 2}]


def generator(node: Any, inputs: Any, context: Any) -> Iterator[int]:
    yield 1


async def async_generator(node: Any, inputs: Any, context: Any) -> AsyncIterator[int]:
    yield 1


class Generating:
    def __call__(self, node: Any, inputs: Any, context: Any) -> Iterator[int]:
        yield 1


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (generator, "is a generator: return the output in one piece"),
        (async_generator, "is a generator: return the output in one piece"),
        (functools.partial(generator), "is a generator: return the output in one piece"),
        (Generating(), "Generating' is a generator: return the output in one piece"),
        (Shop, "Shop' is a class, and a call would only make an object"),
        (lambda node: None, r"takes \(node\), but is called with \(node, inputs, context\)"),
        (lambda node, inputs, *, context: None, r"takes \(node, inputs, \*, context\), but is called with"),
        (lambda node, inputs, context, more: None, r"takes \(node, inputs, context, more\), but is called"),
        (with_more, "takes .*more: str, node: .*, but is called with"),
        (Shop.bound, r"takes \(self, .* as in node_type\(...\)\(shop.work\), or make it a static method"),
        (Shop.__dict__["of_class"], "a class method has no class yet where it is defined"),
        (iter, "does not tell what it takes|but is called with"),
        ("shout", "a handler is a function, not str: 'shout'"),
        (None, "a handler is a function, not NoneType"),
    ],
)
def test_what_cannot_be_a_handler_is_refused_where_it_is_marked(handler: Any, said: str) -> None:
    for decorator in (playbill.node_type, playbill.action):
        with pytest.raises(playbill.DefinitionError, match=said):
            decorator("odd")(handler)
    assert "odd" not in catalog_of()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            (lambda node, inputs, context: {},),
            r"@node_type over '.*<lambda>.*' lacks a name: write @node_type",
        ),
        ((Shop,), r"@node_type over '.*:Shop' lacks a name"),
        (("",), "takes a name, which is text that is not empty, not ''"),
        ((3,), "not 3"),
        (("trigger",), r"node_type\(\"trigger\"\): this name is playbill's own"),
        (("odd", dict), "config is a pydantic model, a class, not dict"),
        (("odd", {"n": 1}), "config is a pydantic model, a class, not {'n': 1}"),
    ],
)
def test_what_else_a_decorator_cannot_use_is_refused(given: tuple[Any, ...], said: str) -> None:
    with pytest.raises(playbill.DefinitionError, match=said):
        playbill.node_type(*given)(made("fine", 1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"isolation": ["process"]}, r"isolation is 'inline' or 'process', not \['process'\]"),
        ({"isolation": "process", "limits": {"cpu_seconds": 1}}, "limits is a LimitsPolicy, not {'cpu_seconds': 1}"),
        ({"target": 3}, "target names '3'"),
    ],
)
def test_options_of_a_wrong_kind_are_refused(options: dict[str, Any], said: str) -> None:
    class Config(playbill.RetryPolicy):
        """Any model."""

    with pytest.raises(playbill.DefinitionError, match=said):
        playbill.action("odd", Config, **options)(made("fine", 1))


def test_a_bare_action_says_how_it_is_written() -> None:
    with pytest.raises(playbill.DefinitionError, match=r"@action over .* write @action\(\"name\"\)"):
        playbill.action(with_more)  # type: ignore[arg-type]


LOOPS = """
import functools, playbill, library

for name in ("loop_a", "loop_b"):
    @playbill.node_type(name)
    async def handler(node, inputs, context):
        return {"type": node.type}

def make(name):
    @playbill.node_type(name)
    async def handler(node, inputs, context):
        return {"type": node.type}

make("made_a"), make("made_b")
playbill.node_type("foreign")(library.work)
playbill.node_type("foreign_part")(functools.partial(library.work))

class Proxy:
    def __getattr__(self, name):
        raise RuntimeError("working outside of a request")

proxy = Proxy()
"""


def test_a_module_brings_all_it_has_marked_whatever_it_names(folder: Path) -> None:
    (folder / "library.py").write_text("def work(node, inputs, context): return {'type': node.type}\n")
    (folder / "loops.py").write_text(LOOPS)
    names = ["loop_a", "loop_b", "made_a", "made_b", "foreign", "foreign_part"]
    catalog, problems = import_types(catalog_of([]), ["loops"])
    assert problems == []
    assert {*names} <= {*catalog.names}
    for source in ("loops", sys.modules["loops"]):
        assert [output_of(name, [source]) for name in names] == [{"type": name} for name in names]
    assert "foreign_part" not in catalog_of(["library"])


MODULE = """
import playbill
@playbill.node_type('mine')
def {function}(node, inputs, context):
    return {{'n': {n}}}
"""


def rewritten(folder: Path, n: int, function: str = "work") -> None:
    """Write the module again, so that nobody takes what was compiled of the former text."""
    path = folder / "reloaded.py"
    path.write_text(MODULE.format(function=function, n=n))
    os.utime(path, (n, n))


def test_a_module_that_is_loaded_again_replaces_what_it_brought(folder: Path) -> None:
    rewritten(folder, 1)
    manager = playbill.PipelineRunManager(types=["reloaded"])
    module = sys.modules["reloaded"]
    rewritten(folder, 2)
    importlib.reload(module)
    for types in (None, ["reloaded"], [module]):
        assert output_of("mine", types) == {"n": 2}
    definition = playbill.PipelineDefinition.model_validate(
        {"nodes": [{"id": "a", "type": "mine"}], "imports": ["reloaded"]}
    )
    manager.prepare(definition)
    rewritten(folder, 3, function="renamed")
    importlib.reload(module)
    for types in (None, ["reloaded"], [module]):
        assert output_of("mine", types) == {"n": 3}


def test_a_lambda_that_moves_in_a_module_that_is_loaded_again_is_the_same(folder: Path) -> None:
    path = folder / "moving.py"
    for n in (1, 2):
        path.write_text("import playbill\n" + "\n" * n + f"playbill.node_type('moves')(lambda *a: {{'n': {n}}})\n")
        os.utime(path, (n, n))
        importlib.reload(importlib.import_module("moving"))
    assert output_of("moves") == {"n": 2}


def test_a_cell_that_runs_again_replaces_what_it_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    cell = "import playbill\n{space}playbill.node_type('cell')(lambda *a: {{'n': {n}}})"
    for n in (1, 2):
        exec(compile(cell.format(space="\n" * n, n=n), f"<cell {n}>", "exec"), vars(main))
    assert output_of("cell") == {"n": 2}


class Installed:
    """An entry point as an installed package has it."""

    def __init__(self, value: str) -> None:
        self._inner = metadata.EntryPoint("plug", value, discovery.ENTRY_POINTS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("broken_plugin", "entry point 'plug = broken_plugin' of a package, .* cannot be imported: KeyError: 'x'"),
        ("missing_plugin", "cannot be imported: ModuleNotFoundError: No module named 'missing_plugin'"),
        ("fine_plugin:absent", "cannot be imported: AttributeError"),
        ("fine_plugin:unmarked", "entry point 'plug = fine_plugin:unmarked' .* is neither a module nor a function"),
        ("fine_plugin:marked", None),
        ("fine_plugin", None),
    ],
)
def test_entry_points_bring_types_or_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, value: str, said: str | None
) -> None:
    (folder / "broken_plugin.py").write_text("{}['x']\n")
    marked = (
        "import playbill\n@playbill.node_type('plugged')\ndef marked(node, inputs, context): return {'plugged': 1}\n"
    )
    (folder / "fine_plugin.py").write_text(f"{marked}def unmarked(): ...\n")
    monkeypatch.setattr(discovery, "_entry_points", lambda: (Installed(value),))
    if said is None:
        assert output_of("plugged", []) == {"plugged": 1}
    else:
        with pytest.raises(playbill.DefinitionError, match=said):
            playbill.PipelineRunManager(types=[])


class Locked:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def work(self, node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (lambda node, inputs, context: {}, "in a process: it is a lambda"),
        (functools.partial(lambda node, inputs, context: {}), "in a process: it is a lambda"),
        (made("inner", 1), "in a process: it is defined inside a function"),
        (
            functools.partial(with_more, cast("str", threading.Lock())),
            "in a process: TypeError: cannot pickle",
        ),
        (Locked().work, "in a process: TypeError: cannot pickle"),
        (functools.partial(with_more, "salt"), None),
        (Shop().bound, None),
        (Callable(), None),
        (Shop.static, None),
    ],
)
def test_what_a_process_cannot_import_is_refused_before_the_run(handler: Any, said: str | None) -> None:
    playbill.node_type("apart", isolation="process")(handler)
    manager = playbill.PipelineRunManager(types=[handler])
    definition = playbill.PipelineDefinition.model_validate({"nodes": [{"id": "a", "type": "apart"}]})
    if said is None:
        manager.prepare(definition)
    else:
        with pytest.raises(playbill.DefinitionError, match=said):
            manager.prepare(definition)
