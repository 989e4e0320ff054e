"""What `playbill sim --load` shows: aligned tables, a page of its own, exit codes and errors in words."""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from playbill.runtime.cli import main
from playbill.runtime.simulation.load.engine import simulate_load
from playbill.runtime.simulation.load.estimates import Estimate
from playbill.runtime.simulation.load.report.page import page, sweep_page
from playbill.runtime.simulation.load.report.tables import describe_estimate
from playbill.runtime.simulation.load.sweep import sweep
from tests.runtime.simulation.load.support import plan, station, taking

PIPELINE = """
name: station
nodes: [{id: work, type: command, config: {argv: ["true"]}, breaker: desk}]
breakers: {desk: {max_concurrent: 2}}
"""
LOAD = """
span: 10m
arrivals: {poisson: {rate: 1}}
behaviours: {default: {duration: {exponential: 1.0}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.yaml").write_text(PIPELINE)
    (tmp_path / "load.yaml").write_text(LOAD)
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["sim", "station.yaml", "--load", "load.yaml", *arguments])
    return int(ended.value.code or 0)


def svgs(text: str) -> list[ET.Element]:
    return [ET.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


def test_the_report_says_first_whether_capacity_suffices(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"station: \d+ runs in 10 min of virtual time, seed 0; took ", lines[0])
    assert lines[1].startswith("capacity suffices: ")
    assert any(re.match(r"response   mean \S+ ± \S+ s  p50 \S+ m?s  p95 \S+ s  p99 \S+ s", line) for line in lines)
    assert any(re.match(r"work +\d+ +0 +0 +\S+ ± \S+ s", line) for line in lines)
    assert any(re.match(r"breaker 'desk' +max_concurrent 2 +\S+ +\d+\.\d%", line) for line in lines)


def test_exceeded_capacity_is_exit_code_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "load.yaml").write_text(LOAD.replace("rate: 1", "rate: 5"))
    assert run() == 1
    assert "arrivals exceed capacity: " in capsys.readouterr().out


def test_a_sweep_is_a_table_with_a_row_a_value(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "load.yaml").write_text(LOAD + "sweep: {breakers.desk.max_concurrent: [1, 2, 4]}\n")
    assert run("--html", "out.html") == 0
    out = capsys.readouterr().out
    rows = re.findall(r"^(1|2|4) +(\S+) +(\S+) .*(suffices|exceeded.*)$", out, re.MULTILINE)
    assert [row[0] for row in rows] == ["1", "2", "4"]
    assert "drawn      out.html" in out
    assert "Sweep of breakers.desk.max_concurrent" in (folder / "out.html").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("span: 10", "field 'arrivals' is missing"),
        (LOAD + "spam: 1", "unknown field 'spam'"),
        (LOAD + "sweep: {nodes.wrk.timeout: [1]}", "unknown node 'wrk', did you mean 'work'?"),
        ("[]", "load.yaml"),
    ],
)
def test_a_wrong_plan_is_exit_code_2_and_words(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    (folder / "load.yaml").write_text(text)
    assert run() == 2
    assert told in capsys.readouterr().err


def test_a_page_without_matplotlib_says_what_to_install_before_it_simulates(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run("--html", "out.html") == 2
    captured = capsys.readouterr()
    assert "pip install playbill[sim], or leave out --html" in captured.err
    assert captured.out == ""
    assert run() == 0


def test_the_page_is_whole_and_its_colours_are_the_readers() -> None:
    load = plan(warm_up=10, arrivals={"poisson": {"rate": 1.5}}, behaviours=taking({"exponential": 1.0}))
    text = page(simulate_load(station(max_concurrent=2), load))
    drawn = svgs(text)
    assert len(drawn) == 4
    assert "http://" not in re.sub(r'(xmlns(:\w+)?|xlink:href)="[^"]*"', "", text).replace("http://www.w3.org", "")
    assert not re.search(r"#0102\w\w", text)
    inks = set(re.findall(r"(?:fill|stroke): ?([^;\"]+)", "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))))
    assert {ink for ink in inks if not ink.startswith("var(")} <= {"none"}
    assert "virtual time (s)" in text
    assert "prefers-color-scheme: dark" in text


def test_titles_say_what_is_to_be_seen_and_names_are_escaped() -> None:
    definition = station(max_concurrent=1).model_copy(update={"name": "<b>&"})
    text = page(simulate_load(definition, plan(span=600, drain=0, behaviours=taking(2.0))))
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text
    assert "<h2>The backlog grows to " in text
    assert "<h2>The tightest limit is breaker &#x27;desk&#x27; (max_concurrent 1): 100% used</h2>" in text
    assert "<h2>&#x27;work&#x27; waits longest: " in text


def test_a_pipeline_without_limits_and_without_an_end_has_a_page_too() -> None:
    text = page(simulate_load(station(), plan(span=5, drain=0, behaviours=taking(90.0))))
    assert "<h2>No run completed</h2>" in text
    assert len(svgs(text)) == 3


def test_a_burst_that_is_too_large_at_once_has_a_report_too() -> None:
    outcome = simulate_load(
        station(max_concurrent=1), plan(max_live_runs=9, arrivals={"bursts": {"every": 9, "size": 10}})
    )
    assert outcome.stopped_at == 0.0
    assert "9 runs, all that max_live_runs allows, after 0 s: the simulation ended there" in outcome.findings()[0]
    assert "<h2>The backlog grows to 9 runs</h2>" in page(outcome)


def test_the_page_of_a_sweep_names_the_values_that_keep_up() -> None:
    load = plan(span=600, drain=0, behaviours=taking(2.0), sweep={"breakers.desk.max_concurrent": [1, 3]})
    text = sweep_page("breakers.desk.max_concurrent", sweep(station(), load))
    assert "breakers.desk.max_concurrent keeps up with what arrives at 3" in text
    assert len(svgs(text)) == 1
    assert text.count("<details>") == 2


@pytest.mark.parametrize(
    ("estimate", "told"),
    [
        (Estimate(0.0, None, 0), "-"),
        (Estimate(0.0, 0.0, 100), "0 s"),
        (Estimate(1.5, None, 7), "1.5 s (n 7)"),
        (Estimate(0.1908, 0.1213, 100), "191 ± 120 ms"),
        (Estimate(2048.0, 590.0, 100), "34.1 ± 9.8 min"),
        (Estimate(0.05, 1e-14, 100), "50 ± 0 ms"),
    ],
)
def test_a_mean_and_its_interval_share_a_unit(estimate: Estimate, told: str) -> None:
    assert describe_estimate(estimate) == told
