"""Help says all that it says, at any width: nothing is eaten, and no line is torn where the source's was."""

import itertools
import re

import pytest

from playbill.runtime.cli import _call

CODES = {
    "run": {"0", "1", "2", "74", "124", "130"},
    "sim": {"0", "1", "2"},
    "whatif": {"0", "1", "2"},
    "runs": {"0", "2"},
    "show": {"0", "2"},
    "events": {"0", "2", "75"},
    "result": {"0", "1", "2", "75", "124", "130"},
    "logs": {"0", "2", "75"},
    "recover": {"0", "1", "2", "74", "75", "124", "130"},
    "prune": {"0", "2"},
    "breakers": {"0", "2"},
    "breakers force": {"0", "2", "74"},
    "breakers reset": {"0", "2", "74"},
    "doctor": {"0", "1", "2"},
    "journal copy": {"0", "2"},
}
COMMANDS = (*CODES, "validate", "graph", "schema", "types", "journal", "journal sql")


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert _call([*" ".join(arguments).split(), "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_and_shows_no_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = help_of(capsys, command)
    assert max(map(len, shown.splitlines())) <= width
    assert "[default: False]" not in shown
    # A box's line that is short, though its text goes on, was torn by a line's end in the source.
    inner = [line[2:-2] for line in shown.splitlines() if line.startswith("│ ")]
    for line, following in itertools.pairwise(inner):
        column = len(following) - len(following.lstrip())
        word = following.split()[0] if following.split() else ""
        goes_on = column > 4 and line.strip() and not line.rstrip().endswith(".")
        assert not goes_on or len(line.rstrip()) + 1 + len(word) > len(line), (line, following)


@pytest.mark.parametrize("command", ["breakers", "breakers force", "journal copy"])
def test_a_narrower_terminal_is_heeded_the_next_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for width in (140, 60):
        monkeypatch.setenv("COLUMNS", str(width))
        assert 60 >= max(map(len, help_of(capsys, command).splitlines())) > 50 or width == 140


def test_what_looks_like_markup_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert "--secret STR...    what ${secrets.NAME} stands for" in help_of(capsys, "run")
    assert "what `playbill run FILE --events EVENTS` has written" in help_of(capsys, "whatif")


@pytest.mark.parametrize("command", CODES)
def test_help_says_the_exit_codes(capsys: pytest.CaptureFixture[str], command: str) -> None:
    shown = help_of(capsys, command)
    assert set(re.findall(r"^  (\d+) ", shown, re.MULTILINE)) == CODES[command]


@pytest.mark.parametrize("command", [*tuple(CODES)[3:], "journal sql"])
def test_help_gives_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert f"\nExample: playbill {command} " in help_of(capsys, command)
