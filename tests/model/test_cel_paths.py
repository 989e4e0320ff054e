"""Plain paths are read in Python: the very value, whatever it is, and errors in our words."""

import subprocess
import sys
from typing import Any

import pytest

from playbill.model.cel_paths import Path, plain_path, tree_of
from playbill.model.errors import NodeConfigError
from playbill.model.expressions import EDGE_ROOTS, ExpressionError, compile_condition, compile_expression


def read(text: str, **variables: Any) -> Any:
    return compile_expression(text, EDGE_ROOTS).evaluate(variables)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("input", ("input",)),
        ("input.a.b", ("input", "a", "b")),
        ("inputs['my-node'].items[0].name", ("inputs", "my-node", "items", 0, "name")),
        ("""inputs["it's"][12]""", None),
        ('inputs["a b"][12]', ("inputs", "a b", 12)),
        ("input['in']['true']", ("input", "in", "true")),
        ("true", None),
        ("input.in", None),
        ("has(input.a)", None),
        ("input.a.size()", None),
        ("input[-1]", None),
        ("input[a]", None),
        ("input.a + 1", None),
        (r"input['a\n']", None),
        ("input.é", None),
    ],
)
def test_a_plain_path_is_told_from_other_expressions(text: str, path: tuple[str | int, ...] | None) -> None:
    assert plain_path(text) == (None if path is None else Path(str(path[0]), path[1:]))


@pytest.mark.parametrize(
    "value", [{"z": 1, "a": 2}, [1], (1, 2), {1, 2}, 10**400, float("nan"), object(), b"x", None]
)
def test_the_very_value_is_given(value: object) -> None:
    assert read("output.a", output={"a": value}) is value
    assert read(" output['a'] ", output={"a": value}) is value
    assert read("inputs['my-node'].items[1].x", inputs={"my-node": {"items": [0, {"x": value}]}}) is value
    assert read("trigger.a[0]", trigger={"a": (value,)}) is value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("output.q", "no key 'q'; keys are: 'a', 'l', 'n', 'i'"),
        ("output.a.q.r", "no key 'q'; keys are: 'b'"),
        ("output.l[3]", "index out of bounds: 3 of 3 items"),
        ("output.l.q", "no key 'q' in a value of type list, whose items are read as [0]"),
        ("output.n.q", "no part 'q' in null"),
        ("output.a[0]", "no key '0'; keys are: 'b'"),
        ("output.i[0]", "no part '0' in a value of type int"),
        ("inputs.b", "no key 'inputs'; keys are: 'output'"),
    ],
)
def test_what_is_not_there_is_an_error_that_names_the_step(text: str, said: str) -> None:
    with pytest.raises(NodeConfigError) as caught:
        read(text, output={"a": {"b": 1}, "l": [1, 2, 3], "n": None, "i": 5})
    assert str(caught.value) == f"expression '{text}' failed: {said}"


def test_a_plain_path_is_checked_as_any_expression() -> None:
    with pytest.raises(ExpressionError, match="did you mean 'input'"):
        compile_expression("imput.x", EDGE_ROOTS)
    with pytest.raises(ExpressionError, match="over 1000 characters"):
        compile_expression("output" + ".x" * 500, EDGE_ROOTS)
    assert compile_expression("output.x", EDGE_ROOTS).names == {"output"}
    assert compile_condition("output.x", predecessors=(), roots=EDGE_ROOTS).evaluate({"output": {"x": True}})


def test_a_plain_path_needs_no_library() -> None:
    code = """
import sys
from playbill.model.expressions import compile_expression
assert compile_expression("inputs['a'].b[0]", ("inputs",)).evaluate({'inputs': {'a': {'b': [5]}}}) == 5
assert 'cel' not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_of_two_paths_the_shorter_one_counts() -> None:
    assert tree_of({("a", "b", "c"), ("a", "b"), ("a", "d"), ("e",)}) == {"a": {"b": None, "d": None}, "e": None}
