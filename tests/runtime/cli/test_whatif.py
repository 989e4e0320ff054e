"""`playbill whatif`: a real run is recorded, and replayed under other policies."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from playbill.runtime.cli.whatif_report import bar
from playbill.runtime.simulation.whatif.recording import load_recording
from playbill.runtime.simulation.whatif.timeline import AttemptBar, Track
from tests.warm import programs

ROOT = Path(__file__).resolve().parents[3]
NODES = """
import asyncio, time
import playbill

@playbill.node_type("flaky")
async def flaky(node, inputs, context):
    await asyncio.sleep(0.02)
    if context.attempt < 3:
        raise ConnectionError("away <for now>")
    return {"n": context.attempt}

@playbill.node_type("thread")
def thread(node, inputs, context):
    time.sleep(0.05)
    open("touched", "a").write("x")
    return {"seen": sorted(inputs)}
"""
PIPELINE = """
name: orders
imports: [whatif_nodes]
defaults: {retry: {base: 0.05, jitter: 0.5}}
nodes:
  - {id: start, type: trigger, next: [fetch, slow]}
  - {id: fetch, type: flaky, next: ship}
  - {id: slow, type: command, config: {argv: [sleep, "5"]}, timeout: 0.3, retry: {max_attempts: 1},
     on_error: continue}
  - {id: ship, type: thread}
"""


def playbill(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "playbill.runtime.cli", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return programs.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=50)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whatif")
    (folder / "whatif_nodes.py").write_text(NODES, encoding="utf-8")
    (folder / "orders.yaml").write_text(PIPELINE, encoding="utf-8")
    done = playbill(folder, "run", "orders.yaml", "--events", "events.jsonl")
    assert done.returncode == 0, done.stderr
    return folder


def test_without_a_change_a_real_run_is_replayed_as_it_was_and_no_handler_runs(folder: Path) -> None:
    done = playbill(folder, "whatif", "orders.yaml", "events.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert "same        nothing differs" in done.stdout
    assert "assumed" not in done.stdout
    assert (folder / "touched").read_text(encoding="utf-8") == "x"
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    for node, signs in {"fetch": "▓+·+▓+·+█+", "slow": "▓+", "ship": "█+"}.items():
        assert len(re.findall(signs, rows[node])) == 2


def test_a_change_shows_both_timelines_what_differs_and_what_is_assumed(folder: Path) -> None:
    change = "{nodes: {fetch: {retry: {max_attempts: 2}}, slow: {timeout: 60.0}}, on_failure: finish}"
    (folder / "change.yaml").write_text(change, encoding="utf-8")
    done = playbill(folder, "whatif", "orders.yaml", "events.jsonl", "--change", "change.yaml")
    assert done.returncode == 0
    said = " ".join(done.stdout.split())
    assert "completed -> failed, 3 -> 2 attempts" in said
    assert "completed -> skipped" in said
    assert re.search(r"run completed in \S+ ms -> failed in 60\.\d s \(\+\S+ s\)", said)
    assert "failures added: fetch" in said
    # which one took longer is the real run's business: see tests/runtime/reports for the path itself
    assert re.search(r"before critical path start -> (fetch -> ship|slow), \S+ ms after", said)
    assert re.search(r"after critical path start -> slow, 60(\.\d)? s", said)
    assert re.search(r"node .slow.: attempt 1: its true duration is unknown, for it timed out after \S+ m?s", said)


class Tags(HTMLParser):
    """Counts tags, and finds those that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_that_cannot_be_written_is_an_error_and_the_result_is_shown_all_the_same(folder: Path) -> None:
    done = playbill(folder, "whatif", "orders.yaml", "events.jsonl", "--html", "no/such/out.html")
    assert (done.returncode, done.stderr) == (2, "no/such/out.html: cannot be written: No such file or directory\n")
    assert "what if" in done.stdout


def test_html_draws_two_lanes_for_each_node_and_escapes_what_users_wrote(folder: Path) -> None:
    done = playbill(folder, "whatif", "orders.yaml", "events.jsonl", "--html", "out.html")
    assert done.stdout.endswith("drawn       out.html\n")
    page = (folder / "out.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    lanes, legend = 2 * (1 + 3 + 1 + 1 + 1), 3
    assert tags.seen.count("rect") == lanes + legend
    assert page.count(">recorded</text>") == page.count(">what if</text>") == 5
    assert "fetch, attempt 1: ConnectionError: away &lt;for now&gt;; " in page
    assert re.search(r"<td>before</td><td>critical path start → (fetch → ship|slow), \S+ ms</td>", page)
    assert "Nothing was assumed." in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("orders.yaml", "none.jsonl"), "none.jsonl: cannot be read"),
        (("orders.yaml", "orders.yaml"), "orders.yaml:1: this is not an event"),
        (("other.yaml", "events.jsonl"), "it was recorded with pipeline 'orders', not with 'other'"),
        (("orders.yaml", "events.jsonl", "--change", "bad.yaml"), "unknown node 'fetsh', did you mean 'fetch'?"),
    ],
)
def test_what_cannot_be_replayed_is_exit_code_2_and_one_clear_line(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    (folder / "other.yaml").write_text("name: other\nnodes: [{id: a, type: trigger}]\n", encoding="utf-8")
    (folder / "bad.yaml").write_text("nodes: {fetsh: {timeout: 1.0}}\n", encoding="utf-8")
    done = playbill(folder, "whatif", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_was_killed_is_replayed_as_far_as_it_was_recorded(folder: Path) -> None:
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "short.jsonl").write_text("".join(lines[:-2]) + lines[-2][:40], encoding="utf-8")
    assert not load_recording(folder / "short.jsonl").complete
    done = playbill(folder, "whatif", "orders.yaml", "short.jsonl")
    assert done.returncode == 0
    assert done.stderr == f"short.jsonl:{len(lines) - 1}: this last line is torn and was left out\n"
    assert "assumed     the recording is cut short after" in done.stdout
    assert "cut short in" in done.stdout


def test_a_bar_has_a_cell_for_the_shortest_attempt_and_none_beyond_its_width() -> None:
    attempts = [
        AttemptBar(1, 0.0, 2.0, is_open=False),
        AttemptBar(2, 6.0, 6.0),
        AttemptBar(3, 10.0, 10.0, {}, is_open=False),
    ]
    assert bar(Track("a", attempts=attempts), 10.0, 10).plain == "██····▒··█"
    assert bar(Track("a"), 10.0, 10).plain == " " * 10
    assert bar(Track("a", attempts=attempts[:1]), 0.0, 10).plain == "█" + " " * 9
