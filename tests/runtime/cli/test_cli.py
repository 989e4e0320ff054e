"""The command line as a user meets it: real processes, exit codes, and what stands on which stream."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import programs

ROOT = Path(__file__).resolve().parents[3]
TYPES = """
import asyncio, time
import playbill

@playbill.node_type("swallows")
async def swallows(node, inputs, context):
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

@playbill.node_type("asleep")
def asleep(node, inputs, context):
    time.sleep(3600)

@playbill.node_type("flaky")
async def flaky(node, inputs, context):
    if context.attempt == 1:
        raise playbill.NodeExecutionError("not yet")
    return {"n": context.trigger_data["n"]}
"""
FINE = """
name: fine
imports: [kinds]
nodes:
  - {id: start, type: trigger, next: a}
  - {id: a, type: flaky, retry: {base: 0.001}}
"""
STUCK = "name: stuck\nimports: [kinds]\nnodes: [{id: s, type: swallows}, {id: t, type: asleep}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pipeline's folder; the command runs from another one."""
    (tmp_path / "kinds.py").write_text(TYPES, encoding="utf-8")
    for name, text in {"fine": FINE, "stuck": STUCK}.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "playbill.runtime.cli", *map(str, arguments)]
    return programs.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def play(*arguments: object, stdin: str = "") -> tuple[int, str, str]:
    with start(*arguments) as process:
        out, err = process.communicate(stdin, timeout=30)
    return process.returncode, out, err


def test_a_run_shows_progress_on_stderr_and_outputs_on_stdout(folder: Path) -> None:
    code, out, err = play("run", folder / "fine.yaml", "--input", "n=4")
    assert (code, json.loads(out)) == (0, {"a": {"n": 4}})
    lines = [line.split()[:2] for line in err.splitlines()]
    assert ["retrying", "a"] in lines
    assert "1 retry" in err
    assert lines[-1][0] == "completed"


def test_json_is_the_whole_result_and_nothing_else(folder: Path) -> None:
    code, out, _ = play("run", folder / "fine.yaml", "--json", "--input-json", "-", stdin='{"n": "x"}')
    result = json.loads(out)
    assert (code, result["status"], result["node_results"]["a"]["attempts"]) == (0, "completed", 2)


def test_a_failed_run_exits_with_1_and_says_where(folder: Path) -> None:
    code, _, err = play("run", folder / "fine.yaml", "-v")
    assert code == 1
    assert "node 'a': KeyError: 'n'" in err
    assert "Traceback" in err


def test_a_timeout_exits_with_124_and_names_the_orphans(folder: Path) -> None:
    code, _, err = play("run", folder / "stuck.yaml", "--timeout", "0.2", "--grace", "0.1")
    assert code == 124
    assert "orphans, which could not be stopped: " in err


@pytest.mark.parametrize(
    ("signals", "grace"), [([signal.SIGINT], 0.1), ([signal.SIGTERM], 0.1), ([signal.SIGINT] * 2, 60)]
)
def test_ctrl_c_cancels_with_grace_and_a_second_one_kills(
    folder: Path, signals: list[signal.Signals], grace: float
) -> None:
    events = folder / "events"
    os.mkfifo(events)
    with start("run", folder / "stuck.yaml", "--grace", grace, "--events", events) as process:
        with events.open(encoding="utf-8") as lines:
            next(line for line in lines if "pipeline_node.started" in line)
            process.send_signal(signals[0])
            next(line for line in lines if "pipeline_run.cancel_requested" in line)  # two at once would count as one
            for number in signals[1:]:
                process.send_signal(number)
            assert "pipeline_run.cancelled" in list(lines)[-1]
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "user: interrupted" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "requires an argument"),
        (["bogus"], "Unknown command"),
        (["run", "no.yaml"], "no.yaml: cannot be read: No such file or directory"),
        (["run", "{fine}", "--input", "n"], "--input takes key=value, not 'n'"),
        (["run", "{fine}", "--input-json", "no.json"], "--input-json no.json: "),
        (["run", "{fine}", "--timeout", "soon"], "Invalid value for --timeout"),
        (["run", "{fine}", "--import", "no_such_module"], "module 'no_such_module'"),
        (["run", "{fine}", "--import", "./kinds.py"], "a module is named as in `import`"),
        (["run", "{raises}"], "module 'raises', named as a source of node types, cannot be imported: KeyError: 'x'"),
        (["run", "{exits}"], "module 'exits', named as a source of node types, cannot be imported: SystemExit: 3"),
        (["run", "{fine}", "--grace", "-1"], "grace is a number of seconds"),
        (["run", "{broken}"], "broken.yaml:3:1: is not valid YAML: "),
        (["validate", "{wrong}"], "wrong.yaml:1:23: node 'a' has invalid type 'flakey'"),
    ],
)
def test_wrong_usage_and_wrong_definitions_exit_with_2_and_no_traceback(
    folder: Path, arguments: list[str], said: str
) -> None:
    (folder / "broken.yaml").write_text("nodes:\n  - {id: a\n", encoding="utf-8")
    (folder / "wrong.yaml").write_text("nodes: [{id: a, type: flakey}, {id: a, type: parallel}]", encoding="utf-8")
    for name, text in {"raises": "raise KeyError('x')", "exits": "raise SystemExit(3)"}.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        (folder / f"{name}.yaml").write_text(
            f"imports: [{name}]\nnodes: [{{id: a, type: trigger}}]", encoding="utf-8"
        )
    files = {name: folder / f"{name}.yaml" for name in ("fine", "broken", "wrong", "raises", "exits")}
    code, _, err = play(*(argument.format(**files) for argument in arguments))
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_text_that_no_encoding_has_is_escaped(folder: Path) -> None:
    (folder / "lone.py").write_text(
        'import playbill\n\n@playbill.node_type("lone")\nasync def lone(node, inputs, context):\n'
        '    return {"text": "\\ud800"}\n',
        encoding="utf-8",
    )
    (folder / "lone.yaml").write_text("imports: [lone]\nnodes: [{id: a, type: lone}]", encoding="utf-8")
    code, out, _ = play("run", folder / "lone.yaml", "--json")
    assert (code, json.loads(out)["outputs"]) == (0, {"a": {"text": "\ud800"}})


def test_a_run_invents_what_agents_say_only_when_asked(folder: Path) -> None:
    file = folder / "asks.yaml"
    file.write_text("nodes: [{id: a, type: agent, config: {agent_id: x, task: t}}]", encoding="utf-8")
    code, _, err = play("run", file)
    assert code == 1
    assert "playbill run --simulate-agents" in err
    code, out, _ = play("run", file, "--simulate-agents")
    assert (code, json.loads(out)["a"]["simulated"]) == (0, True)


WRONG = """
imports: [no_such_module, lone]
breakers: {nobodys: {failures: 1}}
nodes:
  - {id: a, type: flakey}
  - {id: b, type: python, config: {call: "no_such_module:f"}}
  - {id: c, type: python, config: {call: "lone:needs", args: {m: 1}}}
  - {id: d, type: python, config: {call: "lone:generates"}}
  - {id: e, type: python, config: {call: "lone:needs", args: {n: "${trigger.n}"}}}
  - {id: f, type: python, config: {call: "no-call"}, timeout: 3}
  - {id: g, type: apart}
  - {id: h, type: action, config: {action: nope}}
  - {id: i, type: action, config: {action: execute_pipeline, pipeline: p}}
  - {id: j, type: python, config: {call: "lone:needs", args: "${trigger.args}"}}
  - {id: k, type: python, config: {call: "lone:exits"}}
  - {id: l, type: python, config: {call: "leaves:f"}}
"""


def test_validate_says_all_that_keeps_a_pipeline_from_running(folder: Path) -> None:
    (folder / "lone.py").write_text(
        "import playbill\n"
        "def needs(n): ...\n"
        "def generates(): yield\n"
        "def __getattr__(name): raise SystemError(name)\n"
        'playbill.node_type("apart", isolation="process")(lambda *args: {})\n',
        encoding="utf-8",
    )
    (folder / "leaves.py").write_text("raise SystemExit(3)", encoding="utf-8")
    (folder / "all.yaml").write_text(WRONG, encoding="utf-8")
    code, _, err = play("validate", folder / "all.yaml")
    assert code == 2
    lines = [line.removeprefix(f"{folder / 'all.yaml'}:").split(":")[0] for line in err.splitlines()]
    # Of unknown types and actions (lines 5 and 12) nothing: the module that cannot be imported may have brought them.
    assert lines == ["2", "3", "6", "7", "8", "10", "11", "13", "15", "16"]
    for said in (
        "module 'no_such_module', named as a source of node types, cannot be imported",
        "node 'b': call 'no_such_module:f': there is no module 'no_such_module' [no-handler]",
        "node 'c': args do not fit 'needs': missing a required argument: 'n'; its signature is needs(n) [wrong-arg",
        "node 'd': call 'lone:generates': 'lone.generates' is a generator: return the output in one piece",
        "node 'g': handler 'lone.<lambda>' cannot run in a process: it is a lambda",
        "node 'k': call 'lone:exits': 'lone' does not give its 'exits': SystemError: exits",
        "node 'l': call 'leaves:f': importing 'leaves' failed: SystemExit: 3",
    ):
        assert said in err
    code, _, told = play("run", folder / "all.yaml")
    assert (code, told.count("\n- ")) == (2, 10)
    assert {line.removeprefix("- ") for line in told.splitlines()[1:]} == {
        line.rpartition(" [")[0] for line in err.splitlines()
    }


def test_validate_says_ok(folder: Path) -> None:
    assert play("validate", folder / "fine.yaml") == (0, "ok: fine, 2 nodes, 1 edges\n", "")


def test_what_is_not_supported_yet_is_said_once(folder: Path) -> None:
    file = folder / "calls.yaml"
    file.write_text(
        "nodes: [{id: a, type: action, config: {action: execute_pipeline, pipeline: x}}]", encoding="utf-8"
    )
    said = f"{file}:1:48: node 'a': action 'execute_pipeline' is not supported yet [not-yet]\n"
    assert play("validate", file) == (2, "", said)


def test_graph_draws_a_tree_and_mermaid(folder: Path) -> None:
    (folder / "graph.yaml").write_text(
        "nodes:\n"
        "  - {id: start, type: trigger, next: [a, b]}\n"
        "  - {id: a, type: condition, config: {condition: 'true'}, next: [{to: c, condition: 'false'}]}\n"
        "  - {id: b, type: delay, config: {seconds: 1}, next: [{to: c, when: failure}]}\n"
        "  - {id: c, type: command, config: {argv: ['true']}, next: d}\n"
        "  - {id: d, type: parallel, name: 'say \"hi\" <b>'}\n",
        encoding="utf-8",
    )
    assert play("graph", folder / "graph.yaml")[1].splitlines() == [
        "start (trigger)",
        "├─ a (condition)",
        "│  └─ [false] c (command)",
        "│     d (parallel)",
        "└─ b (delay)",
        "   └─ [on failure] c (above)",
        "",
        "4 layers; longest path: start -> a -> c -> d",
        "every way leads through: start -> c -> d",
    ]
    assert play("graph", folder / "graph.yaml", "--layers") == (0, "  1  start\n  2  a, b\n  3  c\n  4  d\n", "")
    code, drawn, _ = play("graph", folder / "graph.yaml", "--mermaid")
    assert code == 0
    assert drawn.startswith("flowchart TD\n")
    assert '    n4[["say #quot;hi#quot; #lt;b#gt;<br/><i>parallel</i>"]]' in drawn
    assert '    n1 -->|"false"| n3' in drawn
    assert '    n2 -.->|"on failure"| n3' in drawn


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ("{id: a, type: trigger, next: b}, {id: b, type: parallel, next: a}", "cycle: a -> b -> a"),
        ("{id: a, type: trigger, next: c}", "edge 'a->c' names unknown target 'c'; nodes are: 'a'"),
    ],
)
def test_a_graph_that_cannot_be_drawn_as_a_tree_says_why(folder: Path, nodes: str, said: str) -> None:
    (folder / "wrong.yaml").write_text(f"nodes: [{nodes}]", encoding="utf-8")
    code, drawn, err = play("graph", folder / "wrong.yaml")
    assert (code, drawn) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_a_flowchart_shows_a_cycle(folder: Path) -> None:
    nodes = "{id: a, type: trigger, next: b}, {id: b, type: parallel, next: a}"
    (folder / "cycle.yaml").write_text(f"nodes: [{nodes}]", encoding="utf-8")
    code, drawn, _ = play("graph", folder / "cycle.yaml", "--mermaid")
    assert code == 0
    assert drawn.endswith("    n0 --> n1\n    n1 --> n0\n")


def test_schema_and_types_and_version() -> None:
    assert json.loads(play("schema")[1])["title"] == "PipelineDefinition"
    code, listed, _ = play("types")
    assert code == 0
    assert "action call_api" in listed
    assert "agent_id*, task*" in listed
    assert play("--version")[:2] == (0, "0.1.0\n")


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    command = f"{sys.executable} -m playbill.runtime.cli schema | head -n 1"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert (ran.stdout, ran.stderr) == ("{\n", "")


def test_a_terminal_gets_a_board_with_one_line_a_node(folder: Path) -> None:
    main_end, other_end = os.openpty()
    command = [sys.executable, "-m", "playbill.runtime.cli", "run", str(folder / "fine.yaml"), "--input", "n=1"]
    with programs.Popen(command, stdout=subprocess.PIPE, stderr=other_end, cwd=ROOT) as process:
        os.close(other_end)
        shown = b""
        try:
            while chunk := os.read(main_end, 65536):
                shown += chunk
        except OSError:
            pass  # Linux says so when the other end is closed
        assert process.wait(30) == 0
    os.close(main_end)
    last = shown.decode().rsplit("\x1b", 1)[0]
    assert "✔" in last
    assert "1 retry" in last
    assert "completed in" in shown.decode()


@pytest.mark.parametrize(("written", "seconds"), [("250ms", 0.25), ("1h30m", 5400), ("7", 7), ("0.5", 0.5)])
def test_times_may_have_their_unit(folder: Path, written: str, seconds: float) -> None:
    file = folder / "events.jsonl"
    code, _, _ = play("run", folder / "fine.yaml", "--input", "n=1", "--timeout", written, "--events", file)
    started = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
    assert (code, started["data"]["timeout"]) == (0, seconds)


def test_a_time_that_is_none_is_refused_by_its_option(folder: Path) -> None:
    code, out, err = play("run", folder / "fine.yaml", "--grace", "soon")
    assert (code, out) == (2, "")
    assert err.startswith("Invalid value for --grace: 'soon' is not a duration: write seconds as a number, or ")
