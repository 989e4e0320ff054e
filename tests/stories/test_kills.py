"""A program with many runs at work is killed with -9 five times, and comes to the end of them all."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest

from tests.soak.kills.afterwards import check_end, check_kill, kept_in, of_waits
from tests.soak.kills.effects import Effect, problems_of_effects
from tests.soak.kills.ledger import Ledger, Wrong
from tests.soak.kills.leftovers import MARK, marked, wait_for_ends
from tests.soak.kills.lives import RUNS_A_LIFE, tell
from tests.soak.kills.plans import End, RunPlan, plans

pytestmark = pytest.mark.real("a process that is killed")
KILLS = 5


@pytest.mark.timeout(300)
def test_a_program_that_is_killed_again_and_again_loses_nothing_that_it_was_told(tmp_path: Path) -> None:
    story = tell(4, KILLS, tmp_path)
    assert story.wrong == ""
    assert story.kills == KILLS
    assert story.counts["taken up"] > 0
    assert story.counts["ended"] > 10


# ---- whatever is wrong is found -------------------------------------------------------------------------------

SEED = 76
"""Its first runs are of all the kinds that are named below."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a program leaves that nobody has killed."""
    folder = tmp_path_factory.mktemp("told")
    story = tell(SEED, 0, folder)
    assert story.wrong == ""
    return folder


def run_plans() -> list[RunPlan]:
    return list(islice(plans(SEED, "any"), RUNS_A_LIFE))


def run_of(kind: str) -> str:
    return next(plan.run_id for plan in run_plans() if plan.kind == kind)


def check(folder: Path, change: Callable[[Ledger], object] = lambda ledger: None) -> None:
    """Check what is in a folder against what its program has said, and something else that it has not."""
    ledger = Ledger()
    for line in (folder / "said-0").read_text(encoding="utf-8").splitlines():
        ledger.read(line)
    change(ledger)
    check_kill(folder, run_plans(), ledger)
    check_end(folder, run_plans(), ledger)


def test_an_undisturbed_program_leaves_nothing_that_is_wrong(told: Path) -> None:
    check(told)


ACKNOWLEDGED: dict[str, Callable[[Ledger], object]] = {
    r"runs were started, and are not kept: \['never'\]": lambda ledger: ledger.started.add("never"),
    r"events \[99\] of 'chain-\S+' were shown": lambda ledger: ledger.shown[run_of("chain")].update({99: "any"}),
    r"events \[1\] of 'chain-\S+' were shown": lambda ledger: ledger.shown[run_of("chain")].update({1: "other"}),
    r"events \[3\] of 'breaker:x' were shown": lambda ledger: ledger.shown.update({"breaker:x": {3: "any"}}),
    "had ended failed, and is kept as completed": lambda ledger: ledger.ends.update(
        {run_of("chain"): End("failed", "")}
    ),
    "was cancelled, and that is not kept": lambda ledger: ledger.cancelled.add(run_of("chain")),
    "was paused, and is kept as completed": lambda ledger: ledger.paused.add(run_of("chain")),
    "must have one of {'else'}": lambda ledger: ledger.attributes.update({run_of("attributes"): {"else"}}),
    r"'chain-\S+' has not ended": lambda ledger: ledger.ends.pop(run_of("chain")),
    r"'chain-\S+' ended .* and must end as one of": lambda ledger: ledger.ends.update(
        {run_of("chain"): End("completed", "another")}
    ),
    r"'retried-\S+-again' ended None": lambda ledger: ledger.ends.pop(f"{run_of('retried')}-again"),
    "ended as in a crash, and saw none": lambda ledger: ledger.ends.update(
        {plan.run_id: plan.ends[1] for plan in run_plans() if plan.kind == "charge"}
    ),
}


@pytest.mark.parametrize("said", ACKNOWLEDGED)
def test_what_was_acknowledged_and_is_not_so_is_found(told: Path, said: str) -> None:
    with pytest.raises(Wrong, match=said):
        check(told, ACKNOWLEDGED[said])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('["ended","r","completed","1","",""]\n["ended","r","failed","1","",""]', "had ended .*completed.* and now"),
        ('["event","r",1,"a"]\n["event","r",1,"b"]', "event 1 of 'r' was a to a listener, and is b now"),
        ('["recovered","",{"r":"why"}]', "set aside: {'r': 'why'}"),
    ],
)
def test_who_is_told_something_else_than_before_is_found(lines: str, said: str) -> None:
    ledger = Ledger()
    *before, last = lines.splitlines()
    for line in before:
        ledger.read(line)
    with pytest.raises(Wrong, match=said):
        ledger.read(last)


@pytest.fixture
def left(told: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(told, tmp_path / "left"))


def again(line: str) -> str:
    run_id, node, attempt, key = line.split("\t")
    return f"{line}\n{run_id}\t{node}\t{int(attempt) + 1}\t{key}"


@pytest.mark.parametrize(
    ("node", "change", "said"),
    [
        ("charge", again, "was called 2 times, and on_crash is fail"),
        ("flaky", lambda line: f"{line}x", "was called with the keys"),
        ("a0", lambda line: "", "completed, and nobody was called"),
    ],
)
def test_what_handlers_may_not_do_is_found(left: Path, node: str, change: Callable[[str], str], said: str) -> None:
    effects = left / "effects"
    lines = effects.read_text(encoding="utf-8").splitlines()
    place = next(place for place, line in enumerate(lines) if line.split("\t")[1] == node)
    lines[place] = change(lines[place])
    effects.write_text("\n".join(line for line in lines if line), encoding="utf-8")
    with pytest.raises(Wrong, match=said):
        check(left)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM log_lines WHERE number = (SELECT max(number) FROM log_lines)", "lines of"),
        ("DELETE FROM events WHERE seq = 2 AND run = (SELECT min(id) FROM runs)", "must count from 1 without a gap"),
    ],
)
def test_what_is_missing_in_the_file_is_found(left: Path, statement: str, said: str) -> None:
    with closing(sqlite3.connect(left / "runs.db", isolation_level=None)) as connection:
        assert connection.execute(statement).rowcount
    with pytest.raises(Wrong, match=said):
        check(left)


def test_whoever_comes_before_it_is_due_is_found(told: Path) -> None:
    kept = kept_in(told / "runs.db")
    assert list(of_waits(kept)) == []
    for event in kept.events[run_of("retries")]:
        if event.type == "pipeline_node.retrying":
            event.data["due_at"] += timedelta(seconds=9)  # type: ignore[index]
    assert len(list(of_waits(kept))) == 3


def test_a_key_that_two_nodes_have_is_found() -> None:
    effects = [Effect("r", "a", 1, "r/a"), Effect("r", "b", 1, "r/a")]
    assert list(problems_of_effects(effects, [], {})) == ["2 nodes have the key r/a"]


def test_processes_that_live_on_are_found_until_they_end(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: f"{tmp_path} 3 "}) as process:
        assert marked(str(tmp_path)) == marked(f"{tmp_path} 3 ") == {process.pid: "sleep 600 "}
        assert marked(f"{tmp_path} 4 ") == {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tests.soak.kills.leftovers.PATIENCE", 0.0)
            with pytest.raises(Wrong, match="processes live on without their owner"):
                wait_for_ends(str(tmp_path))
        process.kill()
    wait_for_ends(str(tmp_path))
