"""Retries, forks and files of runs by the command line: in the foreground, in the owner, for later, elsewhere."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.warm import programs

pytestmark = [pytest.mark.real("of processes"), pytest.mark.timeout(120)]
TYPES = """
import asyncio, os, pathlib
import playbill

@playbill.node_type("shop")
async def shop(node, inputs, context):
    context.log.warning(f"{node.id} as {context.idempotency_key}")
    pathlib.Path("begun").open("a").write(f"{node.id}\\n")
    while node.id == "wait" and not os.path.exists("go"):
        await asyncio.sleep(0.02)
    if node.id == "pay" and not os.path.exists("open"):
        raise playbill.NodeConfigError("the shop is closed")
    return {"key": context.idempotency_key, "n": context.trigger_data.get("n")}
"""
PIPELINE = """
name: order
imports: [kinds]
inputs: {type: object, properties: {n: {type: integer}}}
nodes:
  - {id: start, type: trigger, next: pick}
  - {id: pick, type: shop, next: pay}
  - {id: pay, type: shop, next: send}
  - {id: send, type: shop}
"""
OWNER = """
import asyncio, sys
import kinds, playbill

async def main():
    async with playbill.PipelineRunManager(journal=sys.argv[1]) as manager:
        await manager.recovered()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


class Place:
    """A working folder, and the commands that are called in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        (path / "kinds.py").write_text(TYPES, encoding="utf-8")
        (path / "order.yaml").write_text(PIPELINE, encoding="utf-8")
        self.environment = {name: value for name, value in os.environ.items() if name != "PLAYBILL_JOURNAL"}

    def call(self, *arguments: str, code: int = 0) -> str:
        """Call a command; return what it prints, and of a mistake what it complains of."""
        command = [sys.executable, "-m", "playbill.runtime.cli", *arguments]
        done = programs.run(
            command, capture_output=True, text=True, cwd=self.path, env=self.environment, timeout=60, check=False
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr
        return done.stderr if code == 2 else done.stdout

    def result(self, run_id: str) -> dict[str, object]:
        told: dict[str, object] = json.loads(self.call("result", run_id, "--json"))
        return told

    @property
    def begun(self) -> list[str]:
        """What has begun since this was asked last."""
        file = self.path / "begun"
        said = file.read_text(encoding="utf-8").split()
        file.unlink()
        return said

    def opens(self) -> None:
        (self.path / "open").touch()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "a")
    made.call("run", "order.yaml", "--id", "one-first", "--input", "n=1", code=1)
    assert made.begun == ["pick", "pay"]
    return made


def test_a_failed_run_is_retried_in_the_foreground(place: Place) -> None:
    place.opens()
    assert "writes the whole of a chosen id" in place.call("retry", "one-", code=2)
    out = place.call("retry", "one-first", "--id", "two-retried")
    assert json.loads(out) == {"send": {"key": "one-first/send", "n": 1}}
    assert place.begun == ["pay", "send"]
    assert place.call("retry", "one-first", "--id", "two-retried") == out
    assert not (place.path / "begun").exists()
    assert "has completed: fork it" in place.call("retry", "two-retried", code=2)
    assert "there is no run 'nothing'" in place.call("retry", "nothing", code=2)
    shown = json.loads(place.call("show", "two-retried", "--json"))
    assert (shown["origin"], shown["node_results"]["pick"]["reused_from"]) == ("one-first", "one-first")


def test_a_retry_is_recorded_for_later_and_goes_on_when_it_is_recovered(place: Place) -> None:
    (place.path / "kinds.py").rename(place.path / "away.py")
    assert place.call("retry", "one-first", "--later", "--id", "later").strip() == "later"
    assert place.call("retry", "one-first", "--later", "--id", "later").strip() == "later"
    assert "run_id 'one-first' is taken" in place.call("retry", "one-first", "--later", "--id", "one-first", code=2)
    (place.path / "away.py").rename(place.path / "kinds.py")
    place.opens()
    place.call("recover", "later")
    assert place.begun == ["pay", "send"]
    told = json.loads(place.call("result", "later", "--json"))
    assert told["node_results"]["send"]["output"]["key"] == "one-first/send"


def test_a_fork_is_recorded_for_later_and_goes_on_when_it_is_recovered(place: Place) -> None:
    place.opens()
    asked = ("fork", "one-first", "pay", "--later", "--id", "later", "--input", "n=7")
    assert place.call(*asked).strip() == "later"
    assert place.call(*asked).strip() == "later"
    assert "run_id 'later' is taken by another run" in place.call(*asked[:-1], "n=8", code=2)
    assert "no node 'pays', did you mean 'pay'?" in place.call("fork", "one-first", "pays", "--later", code=2)
    assert "before 'send' other nodes would run again" in place.call("fork", "one-first", "send", "--later", code=2)
    assert "--input n" in place.call("fork", "one-first", "pay", "--later", "--input", "n=many", code=2)
    assert not (place.path / "begun").exists()
    (listed,) = json.loads(place.call("runs", "--json", "--status", "later"))["runs"]
    assert (listed["run_id"], listed["later"], listed["left"]) == ("later", True, True)
    assert "◌ later" in place.call("runs")
    assert json.loads(place.call("runs", "--json", "--status", "interrupted"))["runs"] == []
    assert "nobody has begun it yet: `playbill recover later`" in place.call("show", "later")
    place.call("recover", "later")
    assert place.begun == ["pay", "send"]
    told = place.result("later")
    assert isinstance(told["outputs"], dict)
    assert told["node_results"]["send"]["output"] == {"key": "later/send", "n": 7}  # type: ignore[index]
    shown = json.loads(place.call("show", "later", "--json"))
    assert (shown["origin"], shown["later"], shown["node_results"]["pick"]["reused_from"]) == (
        "one-first",
        False,
        "one-first",
    )


def test_a_fork_of_another_pipeline_is_recorded_for_later_if_its_types_are_known(place: Place) -> None:
    place.opens()
    more = PIPELINE.replace("next: send", "next: [send, more]") + "  - {id: more, type: shop}\n"
    (place.path / "other.yaml").write_text(more, encoding="utf-8")
    place.call("fork", "one-first", "pay", "--definition", "other.yaml", "--later", "--id", "other")
    place.call("recover", "--all")
    assert sorted(place.begun) == ["more", "pay", "send"]
    assert place.result("other")["status"] == "completed"
    (place.path / "kinds.py").rename(place.path / "away.py")
    assert "kinds" in place.call("fork", "one-first", "pay", "--later", code=2)


def test_a_run_is_forked_with_other_data_and_with_another_pipeline(place: Place) -> None:
    place.opens()
    out = place.call("fork", "one-first", "pay", "--input", "n=7", "--id", "forked")
    assert json.loads(out) == {"send": {"key": "forked/send", "n": 7}}
    assert place.begun == ["pay", "send"]
    other = PIPELINE.replace("next: send", "next: [send, more]") + "  - {id: more, type: shop}\n"
    (place.path / "other.yaml").write_text(other, encoding="utf-8")
    out = place.call("fork", "forked", "send", "--definition", "other.yaml", "--json")
    assert [json.loads(out)["status"], *sorted(place.begun)] == ["completed", "more", "send"]
    (place.path / "other.yaml").write_text(other.replace("type: trigger", "type: parallel"), encoding="utf-8")
    told = place.call("fork", "forked", "send", "--definition", "other.yaml", code=2)
    assert "before 'send' other nodes would run again: 'start' has another type, config or join than it had" in told
    assert "no node 'pays', did you mean 'pay'?" in place.call("fork", "forked", "pays", code=2)
    assert "--input n" in place.call("fork", "forked", "pay", "--input", "n=many", code=2)


def test_the_owner_of_the_journal_begins_them(place: Place) -> None:
    place.opens()
    journal = f"sqlite:///{place.path / '.playbill' / 'runs.db'}"
    owner = programs.Popen(
        [sys.executable, "-c", OWNER, journal],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=place.path,
        env=place.environment,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        place.call("retry", "one-first", "--id", "in-owner")
        place.call("events", "in-owner", "--follow")
        assert place.result("in-owner")["status"] == "completed"
        place.call("fork", "in-owner", "send", "--id", "fork-in-owner", "--input", "n=9", "--later")
        place.call("events", "fork-in-owner", "--follow")
        out, _ = owner.communicate("\n", timeout=60)
    assert place.begun == ["pay", "send", "send"]
    assert (out, owner.returncode) == ("", 0)


def test_a_run_goes_to_another_journal_as_history(place: Place, tmp_path: Path) -> None:
    place.call("export", "one-first", "run.jsonl")
    assert "is there already" in place.call("export", "one-first", "run.jsonl", code=2)
    assert (place.path / "run.jsonl").stat().st_mode & 0o777 == 0o600
    other = Place(tmp_path / "b")
    other.opens()
    other.call("run", "order.yaml", "--id", "own-run")
    assert other.begun == ["pick", "pay", "send"]
    file = str(place.path / "run.jsonl")
    assert other.call("import", file).strip() == "one-first"
    assert "has a run 'one-first' already" in other.call("import", file, code=2)
    assert other.call("import", file, "--id", "again").strip() == "again"
    assert "pay as one-first/pay" in other.call("logs", "one-first")
    asked = ("result", "one-first", "--json")
    assert place.call(*asked, code=1) == other.call(*asked, code=1)
    assert json.loads(other.call("retry", "again"))["send"]["key"] == "one-first/send"
    assert other.begun == ["pay", "send"]


def test_a_run_that_had_not_ended_is_imported_as_cancelled(place: Place) -> None:
    waits = "imports: [kinds]\nnodes: [{id: wait, type: shop, next: send}, {id: send, type: shop}]\n"
    (place.path / "wait.yaml").write_text(waits, encoding="utf-8")
    command = [sys.executable, "-m", "playbill.runtime.cli", "run", "wait.yaml", "--id", "waiting"]
    with programs.Popen(command, cwd=place.path, env=place.environment, stderr=subprocess.DEVNULL) as running:
        while not (place.path / "begun").exists():
            time.sleep(0.02)
        while "pipeline_node.started" not in place.call("events", "waiting", "--json"):
            time.sleep(0.02)
        place.call("export", "waiting", "waiting.jsonl")
        running.kill()
    place.call("import", "waiting.jsonl", "--id", "history")
    told = json.loads(place.call("result", "history", "--json", code=130))
    assert (told["status"], told["cause"]["source"]) == ("cancelled", "import")
    assert told["node_results"]["wait"]["status"] == "cancelled"
    (place.path / "go").touch()
    place.call("retry", "history")
