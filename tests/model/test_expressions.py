"""Conditions and CEL: short forms, checks before a run, errors in it."""

import pickle
import subprocess
import sys
from typing import Any

import pytest

from playbill.model.cel_program import guard
from playbill.model.errors import NodeConfigError
from playbill.model.expressions import (
    EDGE_ROOTS,
    ExpressionError,
    compile_condition,
    compile_expression,
    merge_inputs,
)


def holds(text: str, **variables: Any) -> bool:
    return compile_condition(text, predecessors=["my-node"], roots=EDGE_ROOTS).evaluate(variables)


def problem_in(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, EDGE_ROOTS)
    return caught.value


@pytest.mark.parametrize(("text", "result"), [("true", True), ("TRUE", True), (" False ", False)])
def test_constants_have_any_case(text: str, result: bool) -> None:
    assert holds(text) is result


@pytest.mark.parametrize(("data", "result"), [({"k": 1}, True), ({"k": 0}, False), ({"k": ""}, False), ({}, False)])
def test_an_input_key_alone_is_its_truth_and_missing_is_false(data: dict[str, Any], result: bool) -> None:
    assert holds("input.k", input=data) is result


def test_a_predecessors_id_alone_is_the_truth_of_its_output() -> None:
    assert holds("my-node", inputs={"my-node": {"a": 1}})
    assert not holds("my-node", inputs={"my-node": {}})
    assert not holds("my-node", inputs={})


def test_cel_sees_inputs_by_node_id() -> None:
    assert holds(
        "inputs['my-node'].score > 3 && input.score > 2.5",
        inputs={"my-node": {"score": 4}},
        input={"score": 4},
    )


def test_a_condition_that_gives_no_bool_is_a_config_error() -> None:
    with pytest.raises(NodeConfigError, match=r"condition 'input.a \+ 1' must give a bool, not int: 2"):
        holds("input.a + 1", input={"a": 1})


def test_an_unparsable_expression_tells_its_position() -> None:
    error = problem_in("input.a &&")
    assert (error.code, error.line, error.column) == ("invalid-expression", 1, 11)
    assert str(problem_in("1 +\n + )")).endswith("at line 2, column 2")


def test_an_unknown_name_is_refused_with_a_guess() -> None:
    error = problem_in("true || inptu.x > 1")
    assert (error.code, error.column) == ("unknown-name", 9)
    assert "unknown name 'inptu', did you mean 'input'?" in str(error)


def test_an_unknown_function_is_refused_with_a_guess() -> None:
    assert "unknown function 'sise', did you mean 'size'?" in str(problem_in("sise(input) > 1"))
    assert problem_in("math.abs(1) > 1").code == "unknown-name"


def test_names_bound_by_a_macro_and_type_names_are_known() -> None:
    assert holds("inputs.all(k, inputs[k].ok)", inputs={"a": {"ok": True}})
    assert holds("type(input.x) == int", input={"x": 1})


def test_two_macro_calls_are_enough_nested_or_not() -> None:
    assert holds("[1].all(a, [2].exists(b, a < b))")
    assert problem_in("[1].all(a, [2].exists(b, [3].map(c, c) == [a]))").code == "too-many-macros"
    assert (
        problem_in("[1].all(a, true) || [1] . filter (b, true) == [] || [1].exists_one(c, true)").code
        == "too-many-macros"
    )


def test_macros_in_strings_are_not_counted() -> None:
    assert not holds("""'.all(.all(' == input.x || ".map(" == r'.map(\\' """, input={"x": 1})


def test_a_long_expression_is_refused() -> None:
    assert problem_in("1 == 1" + " " * 1000).code == "expression-too-long"


@pytest.mark.parametrize("text", ["(" * 990, "[" * 400 + "]" * 400, "'\\ud800'", "`x`", "''' unclosed"])
def test_hostile_text_is_an_error_and_nothing_worse(text: str) -> None:
    problem_in(text)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("input.missing > 1", "no key 'missing'"),
        ("input.price * 2 > 1", "write double(x)"),
        ("1 / 0 > 1", "division by zero"),
        ("int(input.text) > 1", "string parse error"),
        ("input.thing > 1", "input.thing is a value of type object"),
        ("input.huge > 1", "input.huge is an int beyond 64 bits, which CEL cannot calculate with"),
    ],
)
def test_an_error_at_run_time_names_the_text_and_the_cause(text: str, cause: str) -> None:
    with pytest.raises(NodeConfigError) as caught:
        holds(
            text,
            input={"price": 1.5, "text": "q", "huge": 10**400, **({"thing": object()} if "thing" in text else {})},
        )
    assert text in str(caught.value)
    assert cause in str(caught.value)


class PanicException(BaseException):
    """Looks like what the Rust library raises when it panics."""


def test_a_panic_of_the_library_becomes_an_error() -> None:
    def panic(_argument: object) -> object:
        raise PanicException("index out of bounds")

    with pytest.raises(NodeConfigError, match="panicked: index out of bounds"):
        guard(panic, "")


def test_an_interrupt_is_not_swallowed() -> None:
    def interrupt(_argument: object) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guard(interrupt, "")


def test_merging_is_shallow_and_the_later_one_wins() -> None:
    assert merge_inputs({"a": {"x": {"k": 1}, "y": 1}, "b": {"x": {"l": 2}}}) == {"x": {"l": 2}, "y": 1}


def test_the_library_is_loaded_only_for_an_expression() -> None:
    code = """
import sys
from playbill.model.validation import validate
from playbill.model.expressions import compile_condition
compile_condition('input.x', predecessors=(), roots=())
assert not {'cel', 'networkx', 'jsonschema', 'yaml'} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_an_expression_of_the_greatest_length_is_taken() -> None:
    assert holds("true || input.x" + " " * 985, input={"x": 1})
    assert problem_in("true || input.x" + " " * 986).code == "expression-too-long"


def test_a_long_text_is_cut_in_a_message() -> None:
    text = "input.missing > 1 || " + "input.missing > 1 || " * 6 + "false"
    with pytest.raises(NodeConfigError) as caught:
        holds(text, input={})
    assert str(caught.value).startswith(f"expression '{text[:97]}...' failed")


def test_an_unknown_name_is_placed_where_it_stands_and_not_in_a_string_or_a_longer_name() -> None:
    error = problem_in("'xyz' == input.x &&\n  input.xyzz && xyz")
    assert (error.code, error.line, error.column) == ("unknown-name", 2, 17)
    error = problem_in("xyz")
    assert (error.line, error.column) == (1, 1)
    assert str(error) == (
        "expression 'xyz': unknown name 'xyz'; names are: 'output', 'input', 'inputs', 'trigger' at column 1"
    )


@pytest.mark.parametrize(("text", "kind"), [("null", "null: None"), ("'x'", "str: 'x'"), ("[1]", "list: [1]")])
def test_a_condition_says_what_it_gave_instead_of_a_bool(text: str, kind: str) -> None:
    with pytest.raises(NodeConfigError, match="must give a bool, not ") as caught:
        holds(text)
    assert str(caught.value).endswith(kind)


def test_a_condition_keeps_its_text_as_it_was_written() -> None:
    for text in (" true ", "input.k", " my-node", "1 == 1"):
        assert compile_condition(text, predecessors=["my-node"], roots=EDGE_ROOTS).text == text


def test_an_expression_knows_the_roots_it_uses() -> None:
    expression = compile_expression("input.x > 1 && size(inputs) > 0", EDGE_ROOTS)
    assert expression.names == {"input", "inputs"}
    assert expression.evaluate({"input": {"x": 2}, "inputs": {"a": {}}, "trigger": object()}) is True


def test_an_error_made_by_names_survives_pickle() -> None:
    error = ExpressionError(code="unknown-name", text="x", reason="unknown name 'x'", line=2, column=1)
    twin = pickle.loads(pickle.dumps(error))
    assert str(twin) == str(error) == "expression 'x': unknown name 'x' at line 2, column 1"
    assert vars(twin) == vars(error)
