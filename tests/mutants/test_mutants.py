"""The mutation testing itself: its operators, what becomes of a mutant, its scores; and the twenty fixed mutants."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.equivalent import EQUIVALENT, Equivalent
from tests.mutants.fixed import CRASHING, FIXED, Fixed
from tests.mutants.forks import Fate
from tests.mutants.mutant import ROOT, Mutant, mutants_of
from tests.mutants.scores import Score
from tests.mutants.targets import KINDS, SIMULATION, TESTS, mutants_for, part_of

ENUMS = {"Colour": ("RED", "GREEN", "BLUE")}
SEEDS = 100
"""Of each study: the fixed mutants are far from subtle."""


def changes(text: str) -> list[str]:
    """What the operators make of a source, in the order of its nodes."""
    return [f"{m.operator}: {m.before} -> {m.after}" for m in mutants_of("model/planted.py", text, ENUMS)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = a < b", ["comparison: x = a < b -> x = a >= b", "comparison: x = a < b -> x = a <= b"]),
        ("x = a is None", ["comparison: x = a is None -> x = a is not None"]),
        ("x = a in b", ["comparison: x = a in b -> x = a not in b"]),
        ("a == b != c", ["comparison: a == b != c -> a != b != c", "comparison: a == b != c -> a == b == c"]),
        ("x = a and b", ["boolean: x = a and b -> x = a or b"]),
        ("x = not a", ["boolean: x = not a -> x = a"]),
        ("if a:\n  b", ["condition: if a: -> if True:", "condition: if a: -> if False:"]),
        ("while a:\n  b", ["condition: while a: -> while False:"]),
        ("x = [a for a in b if a]", [
            "condition: x = [a for a in b if a] -> x = [a for a in b if True]",
            "condition: x = [a for a in b if a] -> x = [a for a in b if False]",
        ]),
        ("x = 2", ["constant: x = 2 -> x = 3", "constant: x = 2 -> x = 0"]),
        ("x = 0.0", ["constant: x = 0.0 -> x = 1.0"]),
        ("x = True", ["constant: x = True -> x = False"]),
        ("def f(a=None):\n  b = None", ["constant: b = None -> b = 0"]),
        ("x = Colour.BLUE", ["enum: x = Colour.BLUE -> x = Colour.RED"]),
        ("C: Final = Colour\nx = C.RED", ["enum: x = C.RED -> x = C.GREEN"]),
        ("a + b - c", ["arithmetic: a + b - c -> a + b + c", "arithmetic: a + b - c -> a - b - c"]),
        ("x = min(a, b)", ["arithmetic: x = min(a, b) -> x = max(a, b)"]),
        ("x += y", ["arithmetic: x += y -> x -= y"]),
        ("out.tell(a)", ["effect: out.tell(a) -> pass"]),
        ("a.tell(b)", ["statement: a.tell(b) -> pass"]),
        ("self.x = y", ["statement: self.x = y -> pass"]),
        ("del a[b]", ["statement: del a[b] -> pass"]),
        ("def f():\n  return a", ["return: return a -> return None"]),
        ("def f() -> bool:\n  return a", ["return: return a -> return not a"]),
        ("def f(a=1): ...", ["constant: a=1 -> a=2", "constant: a=1 -> a=0"]),
        ("x = f(a, b=c)", ["keyword: x = f(a, b=c) -> x = f(a)"]),
        ("x = [row(A, f)]", ["row: x = [row(A, f)] -> x = [late(A)[0]]", "row: x = [row(A, f)] -> x = [(removed)]"]),
        ("x = row(A, f)", ["row: x = row(A, f) -> x = late(A)[0]"]),
        ("x = late(A, B)", ["row: x = late(A, B) -> x = late(B)", "row: x = late(A, B) -> x = late(A)"]),
    ],
)  # fmt: skip
def test_an_operator_makes_these_changes(text: str, expected: list[str]) -> None:
    assert changes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '"""A docstring."""',
        "import a",
        "raise ValueError(f'{a + 1} is not {b}')",
        "x = f'{a + 1}'",
        "x: a | b",
        "def f(a: int | None) -> b | None: ...",
        "if TYPE_CHECKING:\n  x = 1",
        "class A:\n  __slots__ = (*a, 1)",
        "class A:\n  def __repr__(self) -> str:\n    return a + b",
        "@dataclass(slots=True)\nclass A(B, metaclass=1): ...",
        "T = TypeVar('T', bound=None)",
        "X: TypeAlias = a | None",
        "x: a | None = None",
    ],
)
def test_texts_annotations_and_declarations_are_left_alone(text: str) -> None:
    assert changes(text) == []


def test_a_loop_is_never_forced_to_run_for_ever() -> None:
    assert "condition: while a: -> while True:" not in changes("while a:\n  b")


def test_a_mutant_compiles_to_its_change_and_leaves_the_tree_as_it_was() -> None:
    text = "def f(a):\n    return a < 2"
    found = list(mutants_of("model/planted.py", text, {}))
    before = ast.dump(found[0].tree, include_attributes=True)
    results = []
    for mutant in found:
        names: dict[str, object] = {}
        exec(mutant.code(), names)
        function = names["f"]
        assert callable(function)
        results.append([function(a) for a in (0, 1, 2, 3)])
    assert [mutant.change.variant for mutant in found] == ["GtE", "LtE", "plus one", "zero"]
    assert results == [
        [False, False, True, True],
        [True, True, True, False],
        [True, True, True, False],
        [False, False, False, False],
    ]
    assert ast.dump(found[0].tree, include_attributes=True) == before


def test_equal_changes_of_a_scope_are_counted() -> None:
    text = "def f():\n    self.a()\n    b = 1\n    self.a()"
    found = [m for m in mutants_of("model/planted.py", text, {}) if m.operator == "statement"]
    assert [(m.site.scope, m.before, m.times, m.line) for m in found] == [
        ("f", "self.a()", 1, 2),
        ("f", "self.a()", 2, 4),
    ]


@pytest.fixture(scope="module")
def made_of_the_model() -> list[list[Mutant]]:
    """All mutants of each score."""
    return [mutants_for(kind) for kind in KINDS.values()]


def test_every_mutant_of_the_model_has_its_own_name(made_of_the_model: list[list[Mutant]]) -> None:
    for found in made_of_the_model:
        assert len({mutant.id for mutant in found}) == len({mutant.key for mutant in found}) == len(found) > 1000


def test_the_parts_are_disjoint_and_make_up_the_whole() -> None:
    found = mutants_for(SIMULATION, ["model/machines/ladder.py"])
    parts = [{mutant.id for mutant in part_of(found, part, 3)} for part in (1, 2, 3)]
    assert set.union(*parts) == {mutant.id for mutant in found}
    assert sum(map(len, parts)) == len(found)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


PLANTED = """
import sys
from tests.mutants.forks import Forks
from tests.mutants.mutant import mutants_of
from tests.mutants.planting import plant

TEXT = '''
def larger(a: int, b: int) -> int:
    if a >= b:
        return a
    return b
def ends(a: int) -> None:
    while a > 0:
        a -= 1
'''

def work(mutant):
    def task(say):
        plant(mutant)
        from playbill.model import events
        if sys.argv[1] == "exit":
            raise SystemExit("left")
        assert events.larger(1, 2) == 2
        assert events.larger(2, 1) == 2
        events.ends(1)
        return "", 2
    return task

mutants = list(mutants_of("model/events.py", TEXT, {}))
for name, fate in Forks(1, 2.0).run([(f"{m.before} -> {m.after}", work(m)) for m in mutants]):
    print(name, "|", fate.by or f"survived {fate.steps}")
"""


def planted(argument: str) -> list[str]:
    """The fates of the mutants of a planted module; in a process of its own, for it forks."""
    command = [sys.executable, "-c", PLANTED, argument]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_a_mutant_is_killed_by_what_escapes_or_by_its_silence_and_else_survives() -> None:
    assert planted("plain") == [
        "if a >= b: -> if a < b: | AssertionError:",
        "if a >= b: -> if a > b: | survived 2",
        "if a >= b: -> if True: | AssertionError:",
        "if a >= b: -> if False: | AssertionError:",
        "return a -> return None | AssertionError:",
        "return b -> return None | AssertionError:",
        "while a > 0: -> while a <= 0: | survived 2",
        "while a > 0: -> while a >= 0: | survived 2",
        "while a > 0: -> while False: | survived 2",
        "while a > 0: -> while a > 1: | survived 2",
        "a -= 1 -> a += 1 | timeout",
        "a -= 1 -> a -= 2 | survived 2",
        "a -= 1 -> a -= 0 | timeout",
    ]


def test_an_exit_kills_and_nothing_of_a_mutant_stays_in_a_cache() -> None:
    cache = ROOT / "model" / "__pycache__"
    before = {path: path.stat().st_mtime_ns for path in cache.glob("events.*")}
    assert {fate.partition("| ")[2] for fate in planted("exit")} == {"SystemExit: left"}
    assert {path: path.stat().st_mtime_ns for path in cache.glob("events.*")} == before


def made(text: str) -> list[Mutant]:
    return list(mutants_of("model/planted.py", text, {}))


def test_equivalent_mutants_are_counted_and_left_out_of_the_score() -> None:
    one, two, three = made("def f():\n    self.a()\n    self.b()\n    self.c()")
    listed = Equivalent("model/planted.py", "f", "self.b()", "pass", "b does nothing")
    score = Score(TESTS, [one, two, three], [(one, Fate("a test", 1)), (two, Fate()), (three, Fate())], [listed])
    assert (score.total.killed, score.total.survived, score.total.equivalent) == (1, 1, 1)
    assert score.total.score == 0.5
    assert [str(mutant) for mutant in score.survivors] == ["model/planted.py:4  self.c()  ->  pass"]
    assert score.rotten(["model/planted.py"]) == []


def test_an_equivalent_mutant_that_is_killed_or_no_longer_made_is_named() -> None:
    (one,) = made("def f():\n    self.a()")
    listed = [Equivalent("model/planted.py", "f", f"self.{name}()", "pass", "said wrongly") for name in "ab"]
    score = Score(TESTS, [one], [(one, Fate("a test", 1))], listed)
    assert score.rotten(["model/planted.py"]) == [
        "equivalent mutant model/planted.py f: self.a()  ->  pass is killed: a test",
        "equivalent mutant model/planted.py f: self.b()  ->  pass is no longer made: take it out",
    ]
    assert len(score.rotten([])) == 1


def test_each_listed_equivalent_mutant_is_still_made_and_has_a_reason(made_of_the_model: list[list[Mutant]]) -> None:
    keys = {mutant.key for found in made_of_the_model for mutant in found}
    assert [listed for listed in EQUIVALENT if listed.key not in keys or not listed.reason] == []


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    """What the simulation says of each fixed mutant."""
    command = [sys.executable, "-m", "tests.mutants", "--fixed", "--seeds", str(SEEDS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = [line.partition(": ") for line in done.stdout.splitlines()]
    assert done.stderr == ""
    return {name: said for name, _, said in lines}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fixed", [*FIXED, *CRASHING], ids=lambda fixed: fixed.name.replace(" ", "_"))
def test_a_fixed_mutant_is_found_by_simulation_alone(fixed: Fixed, found: dict[str, str]) -> None:
    assert found[fixed.name].startswith("found after ")


def test_a_fixed_mutant_whose_snippet_is_gone_says_so() -> None:
    gone = Fixed("nothing is done", "model/facts.py", "no such text", "pass")
    with pytest.raises(ValueError, match=r"nothing is done: 'no such text' stands 0 times in model/facts\.py"):
        gone.planted()


def test_there_are_twenty_fixed_mutants_and_those_of_crashes() -> None:
    for fixed, many in ((FIXED, 20), (CRASHING, 14)):
        assert len({each.planted().module + each.after + each.before for each in fixed}) == many
        assert all(Path(ROOT / each.module).exists() for each in fixed)


@pytest.mark.parametrize("option", ["--jobs", "--seeds"])
@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_none_side_by_side_and_no_seeds_are_refused(option: str, value: str) -> None:
    command = [sys.executable, "-m", "tests.mutants", f"{option}={value}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert f"{option}: '{value}' is not a whole number of at least 1" in ran.stderr
