"""Whoever writes another language's expression is told how CEL writes it, and nobody else."""

from typing import Any

import pytest

from playbill.model.errors import NodeConfigError
from playbill.model.expressions import compile_expression
from playbill.model.templates import compile_template

TRIGGER = {"a": 1, "f": 1.5, "s": "x", "n": None, "l": [{"name": 1}], "m": {"path": 1}}


def error_of(text: str) -> str:
    with pytest.raises(NodeConfigError) as caught:
        render(text)
    return str(caught.value)


def render(text: str) -> Any:
    template = compile_template(text)
    assert template is not None
    return template.render({"trigger": TRIGGER, "inputs": {}})


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("trigger.a and trigger.s", "&& for 'and'"),
        ("trigger.a or trigger.s", "|| for 'or'"),
        ("not trigger.a", "! for 'not'"),
        ("trigger.a = 1", "== for '='"),
        ("trigger.a === 1", "== for '==='"),
        ("trigger.a <> 1", "!= for '<>'"),
        ("trigger.a is None", "== for 'is', null for 'None'"),
        ("trigger.a == None", "null for 'None'"),
        ("True", "true for 'True'"),
        ("trigger.a == False", "false for 'False'"),
        ("len(trigger.l)", "size(x) for 'len'"),
        ("str(trigger.a)", "string(x) for 'str'"),
        ("trigger.a & trigger.s", "&& for '&'"),
        ("trigger.a ?? 1", "has(x.y) ? x.y : z for '??'"),
        ("1 if trigger.a else 2", "trigger.a ? 1 : 2 for '1 if trigger.a else 2'"),
        ("'a' if trigger.s == 'x and y' else 'b'", "trigger.s == 'x and y' ? 'a' : 'b'"),
        ("inputs.get-user.x", "in 'inputs.get-user' the hyphen is a minus: write inputs['get-user']"),
        ("trigger.user-name", "write trigger['user-name']"),
        (
            "HOME",
            "as for a shell, is written '$${HOME}', and data of the run is read as 'trigger.HOME'",
        ),
        ("VAR:-x", "is written '$${VAR:-x}'"),
        ("#LIST", "is written '$${#LIST}'"),
        ("LIST[@]", "is written '$${LIST[@]}'"),
        ("@", "is written '$${@}'"),
    ],
)
def test_what_another_language_writes_gets_the_spelling_of_cel(expression: str, hint: str) -> None:
    assert hint in error_of(f"${{{expression}}}")


@pytest.mark.parametrize("expression", ["tigger.a", "trigger.a +", "'and or' + trigger.nope", "trigger.s == 'not"])
def test_other_errors_get_no_such_hint(expression: str) -> None:
    told = error_of(f"x ${{{expression}}}")
    assert "CEL writes" not in told
    assert "shell" not in told


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        (
            "trigger.a + trigger.f",
            "trigger.a is of type int, trigger.f is of type double; CEL does not mix int and double",
        ),
        ("1 + 1.0", "CEL does not mix int and double"),
        ("trigger.s + trigger.a", "write string(x)"),
        ("trigger.a % trigger.f", "'%' is for ints"),
        ("size(trigger.a)", "'size' is not for what it is given here: trigger.a is of type int"),
    ],
)
def test_wrong_types_are_named(expression: str, hint: str) -> None:
    assert hint in error_of(f"${{{expression}}}")


@pytest.mark.parametrize(
    "expression",
    ["trigger.n + 1", "trigger.s > trigger.a", "!trigger.a && trigger.f > 1.0", "trigger.a ? 1 : 2", "trigger.l + 1"],
)
def test_int_and_double_are_named_only_where_it_is_they(expression: str) -> None:
    assert "mix int and double" not in error_of(f"${{{expression}}}")


@pytest.mark.parametrize(
    "expression", ["trigger.m.pth", "trigger.m.pth + 1", "[trigger.m].map(i, i.pth)", "trigger['m'].pth == 1"]
)
def test_a_missing_key_tells_which_keys_there_are(expression: str) -> None:
    assert "no key 'pth', did you mean 'path'?; keys are: 'path'" in error_of(f"${{{expression}}}")


def test_many_keys_are_cut_short() -> None:
    template = compile_template("${trigger.no}")
    assert template is not None
    many: dict[str, Any] = {f"k{i}": i for i in range(5000)}
    with pytest.raises(NodeConfigError) as caught:
        template.render({"trigger": {"x" * 300: 1, **many}})
    assert str(caught.value).endswith("'k8' and 4,991 more")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input.n.x == 1", "no part 'x' in null: input.n.x"),
        ("input.n.foo.bar == 1", "no part 'foo' in null: input.n.foo.bar"),
        ("input.s.y + 1", "no part 'y' in a value of type string: input.s.y"),
    ],
)
def test_what_has_no_parts_is_named(text: str, said: str) -> None:
    with pytest.raises(NodeConfigError) as caught:
        compile_expression(text, ["input"]).evaluate({"input": {"n": None, "s": "x"}})
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["${input.x} > 3", "${input.x}"])
def test_an_expression_in_braces_is_told_to_stand_without(text: str) -> None:
    with pytest.raises(NodeConfigError, match="without '\\$\\{' and '\\}'"):
        compile_expression(text, ["input"])


@pytest.mark.parametrize("text", ["size()", "size(input.l, 1)"])
def test_a_size_of_nothing_or_two_shows_nothing_of_ours(text: str) -> None:
    with pytest.raises(NodeConfigError) as caught:
        compile_expression(text, ["input"]).evaluate({"input": {"l": [1]}})
    assert "each__" not in str(caught.value)
