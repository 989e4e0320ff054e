"""`playbill sim` as a user meets it: what it says, what it finds, and the line that plays it again."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import programs

ROOT = Path(__file__).resolve().parents[3]
ORDER = ROOT / "examples/pipelines/order.yaml"
LOAD = ROOT / "examples/pipelines/order.load.yaml"
PLAN = ROOT / "examples/pipelines/order.sim.yaml"
KINDS = """
import time
import playbill

@playbill.node_type("reads")
async def reads(node, inputs, context):
    await context.sleep(1)
    return {"late": time.time()} if context.attempt > 1 else {}

@playbill.node_type("counts")
async def counts(node, inputs, context, seen=[]):
    seen.append(1)
    return {"n": len(seen)}
"""
READS = """
name: reads
imports: [kinds]
nodes:
  - {id: start, type: trigger, next: [a, b]}
  - {id: a, type: reads, next: [end]}
  - {id: b, type: reads, next: [end]}
  - {id: end, type: parallel}
"""
COUNTS = "name: counts\nimports: [kinds]\nnodes: [{id: a, type: counts}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kinds.py").write_text(KINDS, encoding="utf-8")
    (tmp_path / "reads.yaml").write_text(READS, encoding="utf-8")
    (tmp_path / "counts.yaml").write_text(COUNTS, encoding="utf-8")
    return tmp_path


def sim(*arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "playbill.runtime.cli", "sim", *map(str, arguments)]
    environment = dict(os.environ)  # as Python has it: readline sets COLUMNS behind its back
    return programs.run(command, capture_output=True, text=True, timeout=50, cwd=folder, env=environment)


def test_an_exploration_that_finds_nothing_tells_what_it_saw() -> None:
    ran = sim(ORDER, "--seeds", 200, "--faults", "all", "--faults", PLAN, "--input", "amount=5000")
    assert (ran.returncode, ran.stderr) == (0, "")
    first, *rest = ran.stdout.splitlines()
    assert first.startswith("order: 200 seeds, ")
    labels = [line.split()[0] for line in rest if not line.startswith(" ")]
    assert labels == ["ends", "failed", "timeout", "faults", "coverage", "never", "engine"]
    assert "node 'stock': ConnectionError: injected" in ran.stdout
    assert "coverage   10 of 10 nodes completed and 11 of 12 edges were live in some run\n" in ran.stdout
    assert "never      live: large->pay\n" in ran.stdout
    assert re.fullmatch(r"engine     \d+ of \d+ transitions", rest[-1])


@pytest.mark.parametrize("columns", [60, 80])
def test_what_it_saw_fits_a_narrow_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ran = sim(ORDER, "--seeds", 30, "--faults", "all", "--faults", PLAN, "--input", "amount=5000")
    assert max(map(len, ran.stdout.splitlines())) <= columns
    assert not re.search(r"^ *\d", ran.stdout.partition("faults ")[2].partition("coverage")[0], re.MULTILINE)


def test_when_no_run_completed_the_last_line_says_what_that_is_worth(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("faults: [{fault: raise, node: stock, message: gone}]\n", encoding="utf-8")
    ran = sim(ORDER, "--seeds", 20, "--faults", PLAN, "--faults", tmp_path / "plan.yaml", "--input", "amount=5")
    assert ran.returncode == 0
    (warning,) = [line for line in ran.stdout.splitlines() if line.startswith("warning")]
    assert warning.startswith(
        "warning    no run completed: what comes after 'stock' was never simulated; give the runs"
    )


def test_several_jobs_see_the_same() -> None:
    options = ("--seeds", 120, "--faults", PLAN, "--input", "amount=1")
    one, two = sim(ORDER, *options), sim(ORDER, *options, "--jobs", 2)
    assert one.stdout.splitlines()[1:] == two.stdout.splitlines()[1:]


def test_a_finding_is_shrunk_drawn_and_played_again_by_the_line_it_prints(folder: Path) -> None:
    ran = sim("reads.yaml", "--seeds", 500, "--faults", "all", "--html", "out.html", folder=folder)
    assert ran.returncode == 1
    assert "FOUND Escape: time.time() at kinds.py:8 in reads leaves the simulation" in ran.stdout
    assert re.search(r"shrunk to [12] of 4 nodes in", ran.stdout)
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("replay ")]
    words = line.split()[1:]
    assert words[:2] == ["playbill", "sim"]
    again = sim(*words[2:], folder=folder)
    assert again.returncode == 1
    assert "Escape: time.time() at kinds.py:8 in reads" in again.stdout
    assert "\nunshrunk   playbill sim reads.yaml --faults all --seed " in ran.stdout
    assert "<svg" in (folder / "out.html").read_text(encoding="utf-8")
    (tape,) = folder.glob("*.tape.json")
    assert len(json.loads(tape.read_text(encoding="utf-8"))["definition"]["nodes"]) <= 2
    (folder / "kinds.py").write_text(KINDS.replace("time.time()", "0"), encoding="utf-8")
    mended = sim(*words[2:], folder=folder)
    assert (mended.returncode, mended.stdout.splitlines()[-1]) == (0, "completed: 'Escape' holds now")


BROKEN = """
properties:
  - always: nobody is paid twice
    that: "event.node != 'b' || event.attempt < 2"
    on: pipeline_node.started
faults:
  - {fault: raise, node: b, message: no bank}
"""


def test_a_property_of_the_plan_that_breaks_shows_trace_faults_and_how_to_play_it_again(folder: Path) -> None:
    (folder / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    ran = sim("reads.yaml", "--seeds", 5, "--faults", "broken.yaml", "--allow", "time.time", folder=folder)
    assert ran.returncode == 1
    shown = ran.stdout.partition("\nFOUND ")[2].splitlines()
    told = r"nobody is paid twice: does not hold at pipeline_node\.started of b#2, at [\d.]+ s: event\.node != 'b' .*"
    assert re.fullmatch(told, shown[0])
    assert shown[1].startswith("shrunk to 2 of 4 nodes in ")
    assert any("Retry" in line or "run-1/b" in line for line in shown[2:8])
    (place,) = [place for place, line in enumerate(shown) if line == "faults that fired:"]
    assert shown[place + 1] == "       0.000  raise  b#1"
    assert re.fullmatch(told, shown[-3])
    assert shown[-2].startswith("replay     playbill sim reads.yaml --faults broken.yaml --allow time.time --tape ")
    again = sim(*shlex.split(shown[-2])[3:], folder=folder)
    assert again.returncode == 1
    assert again.stdout.splitlines()[-1] == shown[-3]


def test_a_load_says_that_it_judges_no_properties(folder: Path) -> None:
    (folder / "load.yaml").write_text("span: 20\narrivals: {constant: {every: 5}}\n", encoding="utf-8")
    (folder / "plan.yaml").write_text("properties: [{always: it is fine, that: 'true'}]\n", encoding="utf-8")
    ran = sim(ORDER, "--load", "load.yaml", "--faults", "plan.yaml", "--input", "amount=5", folder=folder)
    assert ran.stderr == "property 'it is fine' and the like are judged over seeds, not under --load\n"
    assert ran.returncode == 0


def test_one_seed_shows_its_trace() -> None:
    ran = sim(ORDER, "--seed", 3, "--faults", PLAN, "--input", "amount=5")
    assert ran.returncode == 0
    assert "(outside) -> run-1  Start(trigger_data={amount: 5})  [new -> running]" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("completed after ")


def test_determinism_is_checked_and_its_lack_is_shown(folder: Path) -> None:
    fine = sim(ORDER, "--check-determinism", "--faults", "all", "--faults", PLAN, "--input", "amount=5")
    assert fine.returncode == 0
    assert fine.stdout.startswith("deterministic: 20 seeds, ")
    assert fine.stdout.endswith(" lines the same 3 times\n")
    differs = sim("counts.yaml", "--check-determinism", folder=folder)
    assert differs.returncode == 1
    assert "seed 0 is not deterministic: run again in this process, line 5 of the trace differs" in differs.stderr


def test_agents_that_nobody_has_registered_are_stood_in_for_and_named_once() -> None:
    ran = sim(ORDER, "--seeds", 40, "--input", "amount=5")
    assert (ran.returncode, ran.stderr) == (0, "")
    told = "assumed    stock, risk, pay, ship, refund, done (agent): no agents are registered, so a default behaviour"
    assert told in ran.stdout


def test_a_load_says_whose_durations_were_made_up(folder: Path) -> None:
    (folder / "load.yaml").write_text("span: 20\narrivals: {constant: {every: 5}}\n", encoding="utf-8")
    told = "assumed    stock, risk, pay, ship, refund, done (agent): no agents are registered, so a default behaviour"
    assert told in sim(ORDER, "--load", "load.yaml", "--input", "amount=5", folder=folder).stdout
    declared = sim(ORDER, "--load", "load.yaml", "--input", "amount=5", "--faults", PLAN, folder=folder)
    assert "assumed" not in declared.stdout


def test_a_deterministic_order_of_all_there_are(folder: Path) -> None:
    two = folder / "two.yaml"
    two.write_text("name: two\nnodes: [{id: a, type: parallel}, {id: b, type: parallel}]\n", encoding="utf-8")
    ran = sim(two, "--policy", "exhaustive", "--seeds", 10_000)
    assert "schedules (all there are)" in ran.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "best"), "--policy: unknown policy 'best': use one of random, fifo"),
        (("--seeds", 0), "--seeds and --jobs are 1 or more, not 0 and 1"),
        (("--faults", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("--allow", "tyme"), "--allow has 'tyme'"),
        (("--input", "amount=x"), "pipeline 'order': --input amount: 'x' is not of type 'number'"),
        (("--input", "sum=5"), "pipeline 'order': --input: 'amount' is a required property"),
        (
            ("--seeds", 5, "--load", LOAD),
            "--seeds and --load do not go together: each is a way of its own to simulate",
        ),
        (("--seeds", 5, "--seed", 5), "--seeds and --seed do not go together"),
        (("--tape", "x.json", "--check-determinism"), "--tape and --check-determinism do not go together"),
        (("--tape", "nothing.json"), "nothing.json: cannot be read"),
        (("--input", "amount"), "--input takes key=value, not 'amount'"),
    ],
)
def test_wrong_usage_is_said_in_a_line(arguments: tuple[object, ...], said: str) -> None:
    ran = sim(ORDER, *(("--input", "amount=5") if "--input" not in arguments else ()), *arguments)
    assert ran.returncode == 2, ran.stdout
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_property_of_any_name_has_a_tape_whose_line_can_be_pasted(folder: Path) -> None:
    plan = {"properties": [{"always": "a/b; c 'd' " + "e" * 200, "that": "false"}]}
    (folder / "odd.yaml").write_text(json.dumps(plan), encoding="utf-8")
    ran = sim("reads.yaml", "--seeds", 2, "--faults", "odd.yaml", "--allow", "time.time", folder=folder)
    assert ran.returncode == 1
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("replay ")]
    again = sim(*shlex.split(line)[3:], folder=folder)
    assert again.returncode == 1
    assert "a/b; c 'd' " in again.stdout
