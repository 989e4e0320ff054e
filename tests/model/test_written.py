"""Places of problems in plans and changes, and what a text keeps of itself."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from playbill.model.errors import DefinitionError, Problem
from playbill.model.loading import parse_text, read_text
from playbill.model.written import UNWRITTEN
from playbill.runtime.faults.loading import load_faults
from playbill.runtime.simulation.load.plan import load_load_plan
from playbill.runtime.simulation.whatif.changes import load_change


@pytest.mark.parametrize(
    ("load", "text", "line"),
    [
        (load_faults, "faults:\n  - {fault: hangg}\n", 2),
        (load_faults, "faults:\n  - fault: hang\n    sceonds: 3\n", 3),
        (load_load_plan, "span: 3\narrivals:\n  - {poison: {rate: 1}}\n", 3),
        (load_change, "nodes:\n  a: {tiemout: 3}\n", 2),
        (load_change, "nodes:\n  a: {timeout: 3}\n  a: {timeout: 4}\n", 3),
    ],
)
def test_problems_of_plans_have_lines(load: Any, text: str, line: int, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError) as raised:
        load(file)
    assert {problem.line for problem in raised.value.problems} == {line}
    assert str(raised.value.problems[0]).startswith(f"{file}:{line}:")


def test_a_definition_equals_one_of_another_text_and_keeps_its_own() -> None:
    text = "nodes: [{id: a, type: trigger}]"
    one, other = parse_text(text, source="one.yaml"), parse_text(f"# x\n{text}", source="other.yaml")
    assert one == other
    for made in (one.model_copy(update={"name": "b"}), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert repr(made.written) == "<Written one.yaml>"
        assert made.written.root is not None


def test_what_was_made_in_python_has_no_places() -> None:
    problem = Problem("x", "nodes[0]", "wrong")
    assert (UNWRITTEN.root, UNWRITTEN.place([problem]), str(problem)) == (None, [problem], "wrong")
    with UNWRITTEN.placing():
        pass


def test_a_json_text_that_is_too_deep_for_places_is_read_all_the_same() -> None:
    text = f'{{"a": {"[" * 250}{"]" * 250}}}'
    read = read_text(text, source="p.json", holds="x")
    assert (list(read.data), read.written.root) == (["a"], None)
