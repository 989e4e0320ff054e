"""`playbill sim` as a user meets it: what it says, what it finds, and the line that plays it again."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ORDER = ROOT / "examples/pipelines/order.yaml"
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
    return subprocess.run(command, capture_output=True, text=True, timeout=50, cwd=folder)


def test_an_exploration_that_finds_nothing_tells_what_it_saw() -> None:
    ran = sim(ORDER, "--seeds", 200, "--faults", "all", "--faults", PLAN, "--input", "amount=5000")
    assert (ran.returncode, ran.stderr) == (0, "")
    first, *rest = ran.stdout.splitlines()
    assert first.startswith("order: 200 seeds, ")
    assert [line.split()[0] for line in rest[:3]] == ["ends", "faults", "coverage"]
    assert "of 235 (machine, state, message) pairs" in ran.stdout
    assert "BreakerMachine was never" in ran.stdout


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
    assert "seed 0 is not deterministic: run again in this process, line 6 of the trace differs" in differs.stderr


def test_a_deterministic_order_of_all_there_are(folder: Path) -> None:
    two = folder / "two.yaml"
    two.write_text("name: two\nnodes: [{id: a, type: parallel}, {id: b, type: parallel}]\n", encoding="utf-8")
    ran = sim(two, "--policy", "exhaustive", "--seeds", 10_000)
    assert "schedules (all there are)" in ran.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "best"), "unknown policy 'best': use one of random, fifo"),
        (("--seeds", 0), "--seeds and --jobs are 1 or more, not 0 and 1"),
        (("--faults", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("--allow", "tyme"), "allow has 'tyme'"),
        (("--tape", "nothing.json"), "nothing.json: cannot be read"),
        (("--input", "amount"), "--input takes key=value, not 'amount'"),
    ],
)
def test_wrong_usage_is_said_in_a_line(arguments: tuple[object, ...], said: str) -> None:
    ran = sim(ORDER, *(("--input", "amount=5") if "--input" not in arguments else ()), *arguments)
    assert ran.returncode == 2, ran.stdout
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
