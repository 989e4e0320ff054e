"""Python nodes: finding the function, handing it its arguments, calling it."""

import functools
import sys
from pathlib import Path
from typing import Any

import pytest

from playbill.model.configs import PythonConfig
from playbill.model.errors import NodeConfigError
from playbill.runtime.handlers.python_call import arguments, python_async, python_sync, resolve
from playbill.runtime.runners.calling import is_async
from tests.runtime.handlers.support import NODE, context_of

pytestmark = pytest.mark.anyio

SOURCE = """
import functools

def plain(a, *, b=2):
    return {"sum": a + b}

async def on_loop(a, inputs, *, context):
    return {"a": a, "inputs": inputs, "run_id": context.run_id}

def all_three(node, inputs, context): return {"node": node.id, "inputs": inputs, "run_id": context.run_id}
def any_keyword(**rest): return rest
def positional(a, /): return {"a": a}
def adds_wrongly(): return 1 + "a"
def gives_coroutine(): return on_loop(1, {}, context=None)

class Box:
    @staticmethod
    def method(a): return {"a": a}

number = 7
bound = functools.partial(on_loop, 1)
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "needs.py").write_text("import not_there_at_all\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("mine", "needs", "broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def config(call: str, **args: Any) -> Any:
    return context_of(PythonConfig(call=call, args=args))


@pytest.mark.usefixtures("mine")
async def test_a_plain_function_gets_its_args_by_name() -> None:
    assert python_sync(NODE, {}, config("mine:plain", a=1)) == {"sum": 3}
    assert python_sync(NODE, {}, config("mine:Box.method", a=1)) == {"a": 1}
    assert python_sync(NODE, {}, config("builtins:dict", a=1)) == {"a": 1}


@pytest.mark.usefixtures("mine")
async def test_a_coroutine_function_is_awaited() -> None:
    found = await python_async(NODE, {"up": {"x": 1}}, config("mine:on_loop", a=1))
    assert found == {"a": 1, "inputs": {"up": {"x": 1}}, "run_id": "r1"}
    assert (await python_async(NODE, {}, config("mine:bound")))["a"] == 1


@pytest.mark.usefixtures("mine")
async def test_node_inputs_and_context_are_handed_to_who_names_them() -> None:
    found = python_sync(NODE, {"up": {}}, config("mine:all_three"))
    assert found == {"node": "n", "inputs": {"up": {}}, "run_id": "r1"}
    assert python_sync(NODE, {}, config("mine:all_three", inputs="mine"))["inputs"] == "mine"
    assert python_sync(NODE, {}, config("mine:any_keyword", a=1)) == {"a": 1}


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("nowhere:f", "call 'nowhere:f': there is no module 'nowhere'"),
        ("mine.deep:f", "call 'mine.deep:f': there is no module 'mine.deep'"),
        ("needs:f", "call 'needs:f': importing 'needs' failed: No module named 'not_there_at_all'"),
        ("broken:f", "call 'broken:f': importing 'broken' failed: ZeroDivisionError: division by zero"),
        ("mine:missing", "call 'mine:missing': 'mine' has no 'missing'"),
        ("mine:Box.missing", "call 'mine:Box.missing': 'mine.Box' has no 'missing'"),
        ("mine:number", "call 'mine:number': 'mine.number' is of type int: name a function"),
    ],
)
async def test_what_is_missing_is_named(call: str, message: str) -> None:
    with pytest.raises(NodeConfigError) as caught:
        resolve(call)
    assert str(caught.value).startswith(message)


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("call", "args", "message"),
    [
        ("mine:plain", {}, "'plain': missing a required argument: 'a'; its signature is plain(a, *, b=2)"),
        ("mine:plain", {"a": 1, "c": 2}, "'plain': got an unexpected keyword argument 'c'; its signature"),
        ("mine:positional", {"a": 1}, "'positional': 'a' parameter is positional only, but was passed as"),
    ],
)
async def test_arguments_that_do_not_fit_are_named_with_the_signature(
    call: str, args: dict[str, Any], message: str
) -> None:
    with pytest.raises(NodeConfigError) as caught:
        arguments(resolve(call), args, NODE, {}, config(call))
    assert message in str(caught.value)


@pytest.mark.usefixtures("mine")
async def test_a_plain_function_that_gives_a_coroutine_is_refused() -> None:
    with pytest.raises(NodeConfigError, match="'mine:gives_coroutine' gave a coroutine"):
        python_sync(NODE, {}, config("mine:gives_coroutine"))


@pytest.mark.usefixtures("mine")
async def test_a_type_error_inside_the_function_stays_its_own() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        python_sync(NODE, {}, config("mine:adds_wrongly"))


async def test_what_gives_coroutines_is_told_apart() -> None:
    class Callable:
        async def __call__(self) -> None: ...

    async def one() -> None: ...

    assert [is_async(found) for found in (one, functools.partial(one), Callable())] == [True] * 3
    assert [is_async(found) for found in (len, dict, lambda: one)] == [False] * 3
