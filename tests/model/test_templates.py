"""Templates in configs."""

from typing import Any

import pytest

from playbill.model.errors import NodeConfigError
from playbill.model.expressions import ExpressionError
from playbill.model.templates import compile_template, is_template


def rendered(value: Any, **variables: Any) -> Any:
    template = compile_template(value)
    assert template is not None
    return template.render(variables)


def test_a_config_without_placeholders_has_no_template() -> None:
    assert compile_template({"a": ["$x", 1, None, {"b": "{x}"}]}) is None


@pytest.mark.parametrize("value", [1, 1.5, True, None, [1, "a"], {"k": [None]}])
def test_a_string_that_is_wholly_one_template_keeps_the_type(value: object) -> None:
    assert rendered("${input.x}", input={"x": value}) == value
    assert type(rendered("${input.x}", input={"x": value})) is type(value)


def test_else_values_become_text_as_json_writes_it() -> None:
    values = {"a": {"k": [1.5, "é"]}, "b": True, "c": None, "d": "plain"}
    assert (
        rendered("${input.a} ${input.b} ${input.c} ${input.d}!", input=values) == '{"k": [1.5, "é"]} true null plain!'
    )


def test_nested_values_are_rendered_and_the_rest_is_kept() -> None:
    config = {"a": [{"b": "${input.x}"}, 7], "c": None}
    assert rendered(config, input={"x": 1}) == {"a": [{"b": 1}, 7], "c": None}
    assert config == {"a": [{"b": "${input.x}"}, 7], "c": None}


@pytest.mark.parametrize(
    ("text", "result"),
    [("$${x}", "${x}"), ("a $${x} ${1}", "a ${x} 1"), ("${'}'}", "}"), ("${{'a': {'b': 1}}.a.b}", 1),
     ('${"}\\"}" + r\'\\\'}', '}"}\\'), ("${'a'}${'b'}", "ab"), ("$$${1}", "$${1}")],
)  # fmt: skip
def test_braces_in_strings_and_maps_and_the_literal_form(text: str, result: object) -> None:
    assert rendered(text) == result


def test_an_unclosed_template_tells_its_position() -> None:
    with pytest.raises(ExpressionError, match=r"'\$\{' is never closed at column 3") as caught:
        compile_template({"a": ["a ${ input.x"]})
    assert caught.value.code == "unclosed-template"


def test_an_unknown_root_is_refused() -> None:
    with pytest.raises(ExpressionError, match="unknown name 'tigger', did you mean 'trigger'"):
        compile_template("${tigger.x}")


def test_a_missing_input_names_the_template_and_the_key() -> None:
    with pytest.raises(NodeConfigError) as caught:
        rendered("hello ${input.name}", input={})
    assert str(caught.value) == "template 'hello ${input.name}': expression 'input.name' failed: no key 'name'"


def test_the_expressions_are_known_before_rendering() -> None:
    template = compile_template({"a": "${input.x} ${run.id}", "b": ["$${x}"]})
    assert template is not None
    assert [expression.text for expression in template.expressions] == ["input.x", "run.id"]


@pytest.mark.parametrize(("value", "result"), [("${a}", True), ("${a}${b}", False), ("x${a}", False), (1, False)])
def test_only_a_whole_string_may_become_anything(value: object, result: bool) -> None:
    assert is_template(value) is result


def test_texts_around_and_between_expressions_are_kept() -> None:
    assert rendered("a${1}b${2}c") == "a1b2c"
    assert rendered("${1}$") == "1$"
    assert rendered("$${a}${1}$${b}") == "${a}1${b}"


def test_an_unclosed_template_at_the_beginning_is_at_column_1() -> None:
    with pytest.raises(ExpressionError, match="is never closed at column 1"):
        compile_template("${ input.x")


def test_expressions_are_found_at_every_depth() -> None:
    template = compile_template({"a": [{"b": "x ${1} ${2}"}, "${3}"], "c": {"d": ["${4}"]}, "e": 5})
    assert template is not None
    assert [expression.text for expression in template.expressions] == ["1", "2", "3", "4"]


def test_an_error_in_a_text_with_several_parts_names_the_whole_of_it() -> None:
    with pytest.raises(
        NodeConfigError, match=r"^template 'a \$\{input.x\} b': expression 'input.x' failed: no key 'x'$"
    ):
        rendered("a ${input.x} b", input={})


def test_only_what_the_roots_name_may_be_used() -> None:
    template = compile_template("${mine.x}", roots=("mine",))
    assert template is not None
    assert template.render({"mine": {"x": 1}}) == 1
    with pytest.raises(ExpressionError, match="unknown name 'input'"):
        compile_template("${input.x}", roots=("mine",))


def test_a_tuple_is_a_list() -> None:
    written: Any = {"argv": ("echo", "${trigger.x}", ("${trigger.x}",))}
    template = compile_template(written)
    assert template is not None
    assert template.render({"trigger": {"x": 7}}) == {"argv": ["echo", 7, [7]]}
