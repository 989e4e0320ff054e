"""YAML's scalars, tags, merges and aliases, as YAML 1.2 reads them."""

import math
import textwrap
from typing import Any

import pytest
import yaml

from playbill.model import strict_json, strict_yaml
from playbill.model.loading import read_text
from playbill.model.places import TextError


def value_of(text: str) -> Any:
    reading = strict_yaml.read(text, "p.yaml")
    assert reading.faults == []
    return reading.root.value


def faults_of(text: str) -> list[str]:
    return [str(fault) for fault in strict_yaml.read(text, "p.yaml").faults]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("22:30", "22:30"), ("1:20:30", "1:20:30"), ("2024-02-30", "2024-02-30"), ("2024-02-29", "2024-02-29"),
        ("yes", "yes"), ("No", "No"), ("on", "on"), ("OFF", "OFF"), ("y", "y"), ("1_000", "1_000"), ("0b11", "0b11"),
        ("010", 10), ("0o10", 8), ("0x1F", 31), ("-7", -7), ("+7", 7), ("1.10", 1.1), ("1e3", 1000.0), (".5", 0.5),
        ("-.5e-1", -0.05), ("5.", 5.0), (".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf),
        ("1.2.3", "1.2.3"), ("+", "+"), (".", "."), ("0x", "0x"), ("0o8", "0o8"), ("1e", "1e"), ("e3", "e3"),
        ("=", "="),
        ("true", True), ("True", True), ("FALSE", False), ("tRue", "tRue"), ("null", None), ("~", None),
        ("Null", None), ("NULL", None),
        ("''", ""), ("'1'", "1"), ('"true"', "true"), ("! 12", "12"), ("!!str 1.10", "1.10"), ("!!str", ""),
        ("!!int '12'", 12), ("!!float 1", 1.0), ("!!null ''", None), ("!!bool 'true'", True), ("|-\n    1", "1"),
    ],
)  # fmt: skip
def test_a_scalar_is_what_the_core_schema_says(written: str, value: object) -> None:
    found = value_of(f"a: {written}\n")["a"]
    assert (found, type(found)) == (value, type(value))


def test_nan_is_a_float() -> None:
    assert math.isnan(value_of("a: .NaN")["a"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!bool maybe", "p.yaml:1:4: is not valid YAML: 'maybe' is not what its tag '!!bool' says"),
        ("a: !!bool 1", "'1' is not what its tag '!!bool' says"),
        ("a: !!int true", "'true' is not what its tag '!!int' says"),
        ("a: !!int 1.5", "'1.5' is not what its tag '!!int' says"),
        ("a: !!float x", "'x' is not what its tag '!!float' says"),
        ("a: !!null x", "'x' is not what its tag '!!null' says"),
        ("a: !!timestamp 2024-02-30", "the tag '!!timestamp' is not for what stands here"),
        ("a: !!binary aGk=", "the tag '!!binary'"),
        ("a: !!set {b, c}", "the tag '!!set'"),
        ("a: !mine {b: c}", "the tag '!mine'"),
        ("a: !!map [b]", "the tag '!!map'"),
        ("a: !!seq {b: c}", "the tag '!!seq'"),
        ("a: " + "1" * 5000, "p.yaml:1:4: is not valid YAML: a number has 5,000 digits, and at most 4,300 are read"),
        ("a: -" + "1" * 4301, "a number has 4,301 digits"),
        ("a: 0x" + "f" * 4300, "digits, and at most 4,300 are read"),
        ("{a: 1, b: 2, a: 3}", "p.yaml:1:14: is not valid YAML: the key 'a' stands twice in one mapping"),
        ("{3: x}", "p.yaml:1:2: has a key that is not text, 3: put it in quotes"),
        ("? [a]\n: 1", "has a key that is not text, ['a']"),
        ("<<: 3", "p.yaml:1:1: is not valid YAML: '<<' merges mappings, and 3 is none"),
        ("<<: [{a: 1}, x]", "'<<' merges mappings, and 'x' is none"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_reading_goes_on(text: str, said: str) -> None:
    [fault] = faults_of(text)
    assert said in fault


def test_all_faults_are_told_in_one_go() -> None:
    found = faults_of("a: !!bool maybe\nb: {c: 1, c: 2}\n3: x\nd: " + "1" * 5000)
    assert [fault.split(" ")[0] for fault in found] == ["p.yaml:1:4:", "p.yaml:2:11:", "p.yaml:3:1:", "p.yaml:4:4:"]


def test_the_longest_number_is_read() -> None:
    assert value_of("a: -" + "9" * 4300)["a"] == -(10**4300 - 1)


def test_an_anchor_that_merges_and_overrides_may_be_merged_again() -> None:
    text = """
    base: &base {a: 1, b: 1, c: 1}
    more: &more {<<: *base, b: 2, d: 2}
    last: {<<: *more, c: 3}
    both: {<<: [{a: 0}, *more], e: 4}
    twice: {<<: *base, <<: *more}
    """
    found = value_of(textwrap.dedent(text))
    assert found["more"] == {"a": 1, "b": 2, "c": 1, "d": 2}
    assert found["last"] == {"a": 1, "b": 2, "c": 3, "d": 2}
    assert found["both"] == {"a": 0, "b": 2, "c": 1, "d": 2, "e": 4}
    assert found["twice"] == {"a": 1, "b": 1, "c": 1, "d": 2}
    assert value_of("'<<': x") == {"<<": "x"}


@pytest.mark.parametrize(
    ("text", "said", "mark"),
    [
        ("a: *b", "the alias '*b' names no anchor before it", (1, 4)),
        ("a: &a\n  - b: *a", "an alias stands inside its own anchor", (2, 8)),
        ("&a {? *a : x}", "an alias stands inside its own anchor", (1, 7)),
        ("<<: &a {<<: *a}", "an alias stands inside its own anchor", (1, 13)),
        ("a: b: c", "mapping values are not allowed in this context", (1, 5)),
        ("a: 'x", "found unexpected end of stream", (1, 6)),
        ("a: 1\n---\nb: 2", "a file holds one document, and here begins another", (2, 1)),
        ("a: 1\nb: \x01", "character #x0001: control characters are not allowed", (2, 4)),
        ("a: 1\nb: \ud800", "half a surrogate pair", (2, 4)),
        ("[" * 201 + "]" * 201, "nested too deeply, over 200 levels", (1, 201)),
    ],
)
def test_a_text_that_ends_the_reading_is_told_with_its_place(text: str, said: str, mark: tuple[int, int]) -> None:
    with pytest.raises(TextError) as caught:
        strict_yaml.read(text, "p.yaml")
    assert (said in caught.value.said, caught.value.mark) == (True, mark)


def test_mappings_in_200_levels_are_read() -> None:
    assert value_of("[" * 200 + "]" * 200)


def test_merges_of_merges_count_as_aliases_do() -> None:
    lines = ["a: &a {" + ", ".join(f"k{n}: 1" for n in range(100)) + "}"]
    lines += [f"b{n}: &b{n} {{<<: [{', '.join([f'*b{n - 1}' if n else '*a'] * 10)}]}}" for n in range(9)]
    with pytest.raises(TextError, match="aliases stand for over 100000 values"):
        strict_yaml.read("\n".join(lines), "p.yaml")


def test_the_python_parser_reads_the_same_where_libyaml_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: &x {b: [1.10, 010, 'é', yes], c: 2024-02-30}\nd:\n  - {<<: *x, c: ~}\n"
    fast = strict_yaml.read(text, "p.yaml")
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert strict_yaml.read(text, "p.yaml") == fast


def test_json_keeps_its_own_rules() -> None:
    text = '{\n\t"a": "\\ud83d\\ude00",\t"b": [1.50, -2, true, null, {}, []],\n "c": {"d": "x\\"{,}"}}'
    read = read_text(text, source="p.json", holds="x")
    assert read.data == {"a": "😀", "b": [1.5, -2, True, None, {}, []], "c": {"d": 'x"{,}'}}
    root = strict_json.read(text, "p.json").root
    assert root.value == read.data
    assert {where: root.find(where)[0].mark for where in ("a", "b", "b[3]", "c.d")} == {
        "a": (2, 7), "b": (2, 28), "b[3]": (2, 45), "c.d": (3, 13),
    }  # fmt: skip
    assert root.find("c.d")[1] == (3, 8)


def test_json_is_read_as_json_under_any_name() -> None:
    text = '{\n\t"nodes":\t["\\ud83d\\ude00"],\n\t"a": NaN, "a": 1}'
    read = read_text(text, source="stdin", holds="x")
    assert read.data == {"nodes": ["😀"], "a": 1}
    assert [str(fault) for fault in read.faults] == [
        "stdin:3:7: holds NaN, which is not JSON: write null or a number",
        "stdin:3:12: has the key 'a' twice in one object: keep one",
    ]


def test_keys_with_dots_are_found() -> None:
    root = strict_yaml.read("a: {b: 1, b.c: {'d[0]': [5, 6]}}", "p.yaml").root
    assert root.find("a.b.c.d[0][1]")[0].value == 6
    assert root.find("a.b")[0].value == 1
    assert root.find("a.nothing.here")[0].mark == (1, 4)
