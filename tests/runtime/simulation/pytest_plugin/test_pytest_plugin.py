"""The pytest plugin, as its users have it: `sim` and its marker, in runs of pytest within pytest."""

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
# An inner run forgets the modules that it was the first to import: then the next would have each class twice.
import_module("playbill.runtime.simulation.pytest_plugin.seeds")
import_module("cel")

PLUGIN = "playbill.runtime.simulation.pytest_plugin.plugin"
HEAD = """
import asyncio, random
import pytest, playbill

CHAIN = playbill.PipelineDefinition(
    name="chain",
    nodes=[
        {"id": "a", "type": "delay", "config": {"seconds": 60}, "next": "b"},
        {"id": "b", "type": "command", "config": {"argv": ["true"]}},
    ],
)
WORLDS = []
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> "Runs":
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Runs(pytester)


class Runs:
    """Runs a file of tests; without the entry point (in a folder that is not installed) it names the plugin."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.options = ["-p", "no:randomly"]
        if not entry_points(group="pytest11", name="playbill"):
            self.options += ["-p", PLUGIN]

    def __call__(self, body: str, *options: str) -> pytest.RunResult:
        self.pytester.makepyfile(test_it=HEAD + body)
        return self.pytester.runpytest_inprocess(*self.options, *options)

    @property
    def tape(self) -> Path:
        [path] = (self.pytester.path / ".pytest_cache" / "d" / "playbill").glob("*.tape.json")
        return path


def test_without_the_marker_a_test_has_one_world_of_seed_0_without_faults(run: Runs) -> None:
    done = run("""
def test_it(sim):
    result = sim.run(CHAIN)
    assert (result.status, sim.seed, sim.world.plan.faults) == ("completed", 0, ())
    assert 60 <= sim.time < 63
""")
    done.assert_outcomes(passed=1)


def test_a_marked_test_runs_once_for_each_seed_each_in_a_world_of_its_own(run: Runs) -> None:
    done = run("""
@pytest.mark.sim(seeds=20)
def test_it(sim):
    sim.run(CHAIN)
    WORLDS.append(sim)

def test_afterwards():
    assert [sim.seed for sim in WORLDS] == list(range(20))
    assert len({sim.time for sim in WORLDS}) > 10
    assert all(sim.loop.is_closed() for sim in WORLDS)
""")
    done.assert_outcomes(passed=2)


def test_seeds_may_be_named_one_by_one(run: Runs) -> None:
    done = run("""
@pytest.mark.sim(seeds=[7, 3])
def test_it(sim):
    WORLDS.append(sim.seed)

def test_afterwards():
    assert WORLDS == [7, 3]
""")
    done.assert_outcomes(passed=2)


FAILS = """
@pytest.mark.sim(seeds=100)
def test_it(sim):
    sim.run(CHAIN)
    assert sim.seed < 17
"""


def test_a_failure_tells_its_seed_and_how_to_play_it_again(run: Runs) -> None:
    done = run(FAILS)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*sim: failed with seed 17 (18 of 100), at 6* s", "*replay: *--sim-seed 17"])
    tape = run.tape.relative_to(run.pytester.path)
    done.stdout.fnmatch_lines([f"*--sim-tape={tape}"])


def test_a_failed_assertion_tells_the_last_events_and_the_faults_that_fired(run: Runs) -> None:
    done = run("""
@pytest.mark.sim(seeds=3, faults={"faults": [{"fault": "raise", "node": "b", "attempts": [1], "message": "lost"}]})
def test_it(sim):
    sim.run(CHAIN)
    assert sim.seed < 1
""")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "*sim: failed with seed 1 (2 of 3), at 6* s",
            "*its last events, by the clock of the run:",
            "* 0.000  pipeline_run.started  run-1",
            "* 60.000  pipeline_node.started  b#1",
            "* 60.000  pipeline_node.retrying  b#1  ConnectionError: lost",
            "* pipeline_run.completed  run-1",
            "*faults that fired:",
            "* 60.000  raise  b#1",
            "*replay: *--sim-seed 1",
        ],
        consecutive=False,
    )


@pytest.mark.parametrize("traced", [False, True])
def test_a_property_of_the_plan_that_does_not_hold_tells_them_too(run: Runs, traced: bool) -> None:
    rule = {"always": "b is never reached", "that": "event.node != 'b'", "on": "pipeline_node.started"}
    done = run(f"""
@pytest.mark.sim(seeds=3, faults={{"properties": [{rule}]}}, traced={traced})
def test_it(sim):
    sim.run(CHAIN)
""")
    done.assert_outcomes(failed=1)
    last = "*run-1/a -> run-1  *" if traced else "* 60.000  pipeline_node.started  b#1"
    done.stdout.fnmatch_lines(
        [
            "*b is never reached: does not hold at pipeline_node.started of b#1, at 60 s: event.node != 'b'",
            "*sim: failed with seed 0 (1 of 3), at 60 s",
            "*its last messages:" if traced else "*its last events, by the clock of the run:",
            last,
            "*no fault fired",
            "*replay: *--sim-seed 0",
        ]
    )
    done.stdout.fnmatch_lines([">       sim.run(CHAIN)"])
    done.stdout.no_fnmatch_line("*def run_until_complete*")


SOMETIMES = """
PAUSED = playbill.EventType.PIPELINE_RUN_PAUSED
PLAN = {"properties": [
    {"sometimes": "s1", "that": "event.type == 'pipeline_run.paused'"},
    {"sometimes": "s2", "that": "event.type == 'pipeline_run.completed'"},
    {"always": "v3", "that": "true", "on": "pipeline_run.paused"},
]}
RULES = [playbill.Sometimes("s4", lambda event: event.type is PAUSED)]

@pytest.mark.sim(seeds=5, faults=PLAN, properties=RULES)
def test_it(sim):
    sim.run(CHAIN)
"""


def test_what_shall_hold_sometimes_and_never_did_is_told_in_the_summary(run: Runs) -> None:
    done = run(SOMETIMES, "-W", "default")
    done.assert_outcomes(passed=1, warnings=3)
    lines = [line.strip() for line in done.outlines if "PytestWarning: sim:" in line]
    assert [line.partition("Warning: ")[2] for line in lines] == [
        "sim: never held in 5 seeds: 's4'",
        "sim: never held in 5 seeds: 's1'",
        "sim: not judged in 5 seeds: 'v3': no event that it looks at came",
    ]
    run(SOMETIMES, "--sim-seed", "3").assert_outcomes(passed=1, warnings=0)


def test_the_replay_line_runs_that_seed_alone(run: Runs) -> None:
    line = next(line for line in run(FAILS).outlines if "replay:" in line)
    options = line.partition("pytest ")[2].split()
    assert options == ["test_it.py::test_it", "--sim-seed", "17"]
    again = run(FAILS, *options)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*failed with seed 17, at*"])
    run(FAILS, "--sim-seed", "5").assert_outcomes(passed=1)


def test_a_tape_plays_the_choices_of_the_failure(run: Runs) -> None:
    body = """
@pytest.mark.sim(seeds=100)
def test_it(sim):
    sim.run(CHAIN)
    assert not 61 < sim.time, f"it took {sim.time}"
"""
    first = run(body)
    first.assert_outcomes(failed=1)
    data = json.loads(run.tape.read_text(encoding="utf-8"))
    [took] = {line.partition("it took ")[2] for line in first.outlines if "AssertionError: it took" in line}
    assert (data["test"], data["error"].splitlines()[0]) == ("test_it.py::test_it", f"AssertionError: it took {took}")
    again = run(body, "--sim-tape", str(run.tape))
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines([f"*it took {took}", f"*failed again, with the tape {run.tape}"])
    dull = run.pytester.path / "dull.json"
    dull.write_text(json.dumps(data | {"lanes": {}}), encoding="utf-8")
    run(body, "--sim-tape", str(dull)).assert_outcomes(passed=1)


def test_a_tape_skips_the_tests_it_is_not_of(run: Runs) -> None:
    body = f"{FAILS}\ndef test_other(sim):\n    sim.run(CHAIN)\n"
    run(body).assert_outcomes(failed=1, passed=1)
    run(body, "--sim-tape", str(run.tape)).assert_outcomes(failed=1, skipped=1)


def test_a_tape_that_is_of_none_of_the_tests_is_refused(run: Runs) -> None:
    run(FAILS).assert_outcomes(failed=1)
    run.pytester.makepyfile(test_other="def test_other(sim): pass")
    done = run(FAILS, f"--sim-tape={run.tape}", "test_other.py")
    assert done.ret is pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        [f"ERROR: --sim-tape: {run.tape} is a tape of test_it.py::test_it, which is not among the tests *"]
    )


def test_the_line_with_the_tape_plays_it_wherever_it_is(
    run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = run(FAILS, "-p", "no:cacheprovider")
    line = next(line for line in done.outlines if "or its tape" in line)  # CI: pytest's summary says it once more
    again = run(FAILS, *line.partition("pytest ")[2].split())
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines([f"rootdir: {run.pytester.path}"])


@pytest.mark.parametrize("text", ["{}", '{"format": 1, "test": "x", "seed": 1, "lanes": {"a": [-1]}}', None])
def test_a_file_that_is_no_tape_is_refused(run: Runs, text: str | None) -> None:
    if text is not None:
        (run.pytester.path / "bad.json").write_text(text, encoding="utf-8")
    done = run("def test_it(sim): pass", "--sim-tape", "bad.json")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(
        ["*sim: bad.json*" + ("is not a tape of a test*" if text is not None else "cannot be read*")]
    )


def test_without_a_cache_the_tape_is_kept_elsewhere(
    run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = run(FAILS, "-p", "no:cacheprovider")
    done.stdout.fnmatch_lines([f"*--sim-tape={tmp_path}/playbill-sim-*/*.seed-17.tape.json"])


def test_the_command_line_may_ask_for_more_seeds_of_marked_tests(run: Runs) -> None:
    done = run(
        """
@pytest.mark.sim(seeds=2)
def test_it(sim):
    WORLDS.append(sim.seed)

def test_unmarked(sim):
    WORLDS.append(sim.seed)

def test_afterwards():
    assert WORLDS == [0, 1, 2, 3, 4, 0]
""",
        "--sim-seeds",
        "5",
    )
    done.assert_outcomes(passed=3)


def test_all_faults_may_strike_and_a_crash_of_the_runtime_ends_the_seed_only(run: Runs) -> None:
    done = run("""
@pytest.mark.sim(seeds=50, faults={"faults": [{"fault": "crash", "probability": 0.2}]})
def test_it(sim):
    sim.run(CHAIN)
    WORLDS.append(sim.seed)

@pytest.mark.sim(seeds=200, faults="all")
def test_all(sim):
    WORLDS.append(sim.run(CHAIN).status)

def test_afterwards():
    seeds = [one for one in WORLDS if isinstance(one, int)]
    assert 0 < len(seeds) < 50
    assert {"completed", "failed", "cancelled"} <= {one for one in WORLDS if isinstance(one, str)}
""")
    done.assert_outcomes(passed=3)


def test_a_fault_plan_in_yaml_is_found_beside_the_test(run: Runs) -> None:
    folder = run.pytester.mkdir("inner")
    plan = "faults: [{fault: raise, node: b, error: ValueError, retryable: false, message: planned}]"
    (folder / "plan.yaml").write_text(plan, encoding="utf-8")
    (folder / "test_inner.py").write_text(
        f"""{HEAD}
@pytest.mark.sim(faults="plan.yaml")
def test_it(sim):
    assert sim.run(CHAIN).error.message == "planned"
""",
        encoding="utf-8",
    )
    run.pytester.runpytest_inprocess(*run.options, "inner").assert_outcomes(passed=1)


def test_options_go_to_the_manager_and_the_world(run: Runs) -> None:
    done = run("""
@pytest.mark.sim(grace=2.5, resources={"db": 1}, policy="fifo", traced=True, allow=["clock"])
def test_it(sim):
    sim.run(CHAIN)
    assert sim.manager.stop_policy.grace == 2.5
    assert len(sim.trace) > 5
""")
    done.assert_outcomes(passed=1)


def test_markers_of_module_class_and_test_are_merged_and_the_nearest_wins(run: Runs) -> None:
    done = run("""
pytestmark = pytest.mark.sim(seeds=3, grace=9.0)

@pytest.mark.sim(grace=8.0)
class TestAll:
    @pytest.mark.sim(seeds=2)
    def test_it(self, sim):
        WORLDS.append((sim.seed, sim.manager.stop_policy.grace))

def test_without_sim():
    assert WORLDS == [(0, 8.0), (1, 8.0)]
""")
    done.assert_outcomes(passed=2)


WRONG = {
    "sede=3": "sim: the marker has no argument 'sede', did you mean 'seeds'?; there are: 'seeds', 'faults', *",
    "100": "sim: the marker takes named arguments only, such as seeds=100; not 100",
    "seeds=0": "sim: seeds is 1 or more, or the seeds themselves",
    "seeds='many'": "sim: seeds is a number or the seeds themselves, not 'many'",
    "seeds=(1, 'x')": "sim: a seed is a whole number, not 'x'",
    "faults={'faults': [{'fault': 'rise'}]}": "sim: fault plan: fault 1: fault: unknown kind 'rise', *; kinds are: *",
    "policy='best'": "sim: unknown policy 'best': use one of *",
    "allow=['time.tme']": "sim: allow has 'time.tme': *",
    "keep_run=3": "sim: the marker has no argument 'keep_run', did you mean 'keep_runs'?*",
}


def test_a_wrong_marker_is_an_error_that_names_the_way_out(run: Runs) -> None:
    tests = [f"@pytest.mark.sim({marker})\ndef test_{n}(sim): pass\n" for n, marker in enumerate(WRONG)]
    done = run("\n".join(tests), "--tb=short")
    done.assert_outcomes(errors=len(WRONG))
    done.stdout.fnmatch_lines(list(WRONG.values()))


def test_a_marker_without_the_fixture_is_an_error(run: Runs) -> None:
    done = run("@pytest.mark.sim(seeds=3)\ndef test_it(): pass\n")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*a test marked sim asks for the fixture of that name*"])


SHARING = """
@pytest.fixture
def started(sim):
    return sim.start(CHAIN)

@pytest.fixture
def shared():
    return []
"""


def test_a_fixture_that_uses_the_world_is_refused_with_many_seeds(run: Runs) -> None:
    done = run(f"{SHARING}\n@pytest.mark.sim(seeds=2)\ndef test_it(sim, started): pass\n")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*sim: fixture 'started' asks for sim, but*this test has 2 worlds*"])


def test_a_fixture_may_use_the_world_of_one_seed(run: Runs) -> None:
    done = run(f"{SHARING}\ndef test_it(sim, started): assert sim.result(started).status == 'completed'\n")
    done.assert_outcomes(passed=1)


def test_a_test_may_have_the_world_through_a_fixture_only(run: Runs) -> None:
    done = run(f"{SHARING}\ndef test_it(started): assert not started.actor.ended\n")
    done.assert_outcomes(passed=1)


def test_other_fixtures_and_parameters_are_shared_by_the_seeds(run: Runs) -> None:
    done = run(f"""{SHARING}
@pytest.mark.parametrize("many", [3])
@pytest.mark.sim(seeds=3)
def test_it(sim, shared, many):
    shared.append(sim.seed)
    assert len(shared) == sim.seed + 1 <= many
""")
    done.assert_outcomes(passed=1)


def test_what_a_world_leaves_behind_fails_its_test(run: Runs) -> None:
    done = run("""
@pytest.mark.sim(seeds=5)
def test_it(sim):
    async def leak():
        WORLDS.append(asyncio.ensure_future(asyncio.sleep(100)))
    sim.advance(1)
    if sim.seed == 3:
        sim.call(leak())
""")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*nothing left: tasks are left*", "*failed with seed 3 (4 of 5)*"])


def test_a_handler_that_leaves_the_simulation_fails_its_test(run: Runs) -> None:
    done = run("""
@playbill.node_type("dice")
async def dice(node, inputs, context):
    return {"thrown": random.randint(1, 6)}

DICE = playbill.PipelineDefinition(nodes=[{"id": "a", "type": "dice"}])

def test_it(sim):
    sim.run(DICE)

@pytest.mark.sim(seeds=10, allow=["randomness"])
def test_allowed(sim):
    sim.run(DICE)
""")
    done.assert_outcomes(failed=1, passed=1)
    done.stdout.fnmatch_lines(
        ["*random.randint() at test_it.py:* in dice leaves the simulation*", "*sim: failed with seed 0, at *"]
    )


def test_an_async_test_runs_in_the_virtual_world(run: Runs) -> None:
    done = run("""
@pytest.mark.sim(seeds=3)
async def test_it(sim):
    run = await sim.manager.start_run(CHAIN)
    await asyncio.sleep(30)
    assert not run.actor.ended
    assert (await run.result()).status == "completed"
    assert 60 <= sim.time < 63
""")
    done.assert_outcomes(passed=1)


def test_a_test_may_skip_itself_or_expect_the_crash(run: Runs) -> None:
    done = run("""
from playbill.runtime.simulation.simulation import Crashed

@pytest.mark.sim(seeds=3)
def test_it(sim):
    sim.start(CHAIN)
    pytest.skip("not here")

@pytest.mark.sim(seeds=3, faults={"faults": [{"fault": "crash"}]})
def test_crashes(sim):
    with pytest.raises(Crashed):
        sim.run(CHAIN)
""")
    done.assert_outcomes(skipped=1, passed=1)


def test_a_fixture_of_that_name_of_the_users_own_is_left_alone(run: Runs) -> None:
    done = run("""
@pytest.fixture
def sim():
    return "a sim card"

def test_it(sim):
    assert sim == "a sim card"
""")
    done.assert_outcomes(passed=1)


def test_loading_the_plugin_imports_nothing_of_ours_and_nothing_slow() -> None:
    code = (
        "import sys, pytest\nbefore = set(sys.modules)\n"
        f"import {PLUGIN}\n"
        "print(sorted(name for name in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    parents = PLUGIN.split(".")
    packages = [".".join(parents[:depth]) for depth in range(1, len(parents) + 1)]
    loaded = [name for name in json.loads(done.stdout.replace("'", '"')) if not name.startswith("__")]
    assert [name for name in loaded if name.startswith("playbill")] == packages
    assert not {"pydantic", "pykka", "anyio", "yaml"} & set(loaded)
