"""Handlers in processes that are defined where a user writes them: a script, a function, a prompt."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import playbill
from tests.stories.nasty.support import opened

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import os
import playbill

print("imported by", os.getpid(), flush=True)

@playbill.node_type("work", isolation="process")
def work(node, inputs, context):
    return {"pid": os.getpid(), "module": __name__}

DEFINITION = {"nodes": [{"id": "a", "type": "work", "retry": {"max_attempts": 1}}]}
"""
GUARDED = """
if __name__ == "__main__":
    result = playbill.run(DEFINITION, grace=0.1)
    a = result.outputs.get("a", {})
    print(result.status, a.get("module"), a.get("pid") != os.getpid(), result.error or "")
"""
UNGUARDED = GUARDED.replace('if __name__ == "__main__":', "if True:")


def run(*arguments: str, stdin: str = "") -> list[str]:
    """Run Python; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *arguments], input=stdin, capture_output=True, text=True, env=environment, timeout=30
    )
    assert "Traceback" not in done.stderr or "DefinitionError" in done.stderr, done.stderr
    return [*done.stdout.splitlines(), *done.stderr.splitlines()[-1:]]


def test_a_handler_of_a_users_script_works(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT + GUARDED)
    *_, said = run(str(tmp_path / "script.py"))
    assert said == "completed __mp_main__ True "


def test_a_script_without_a_guard_is_told_so_and_does_not_multiply(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT + UNGUARDED)
    said = run(str(tmp_path / "script.py"))
    assert sum("failed" in line for line in said) == 1
    assert "put what starts them under `if __name__ == '__main__':`" in said[-1]
    assert len([line for line in said if line.startswith("imported by")]) == 1  # a worker's words go to the log


@pytest.mark.parametrize(
    ("arguments", "stdin", "why"),
    [
        (
            ("-c", SCRIPT + GUARDED),
            "",
            "it is defined in a notebook, at a prompt or in code given to the interpreter",
        ),
        (("-",), SCRIPT + GUARDED, "<stdin>', which is no file"),
    ],
)
def test_a_handler_that_is_in_no_file_is_refused_before_anything_runs(
    arguments: tuple[str, ...], stdin: str, why: str
) -> None:
    said = run(*arguments, stdin=stdin)
    assert why in said[-1]
    assert (
        "DefinitionError: pipeline 'pipeline': node 'a': handler '__main__.work' cannot run in a process" in said[-1]
    )
    assert "isolation: inline" in said[-1]


def nested() -> Any:
    def inner(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {}

    return inner


@pytest.mark.anyio
@pytest.mark.real("only real processes import handlers")
@pytest.mark.parametrize(
    ("handler", "why"),
    [(lambda node, inputs, context: {}, "it is a lambda"), (nested(), "it is defined inside a function")],
)
async def test_what_cannot_be_imported_is_refused_before_anything_runs(handler: Any, why: str) -> None:
    kind = playbill.node_type("work", isolation="process")(handler)
    async with opened(types=[kind]) as manager:
        with pytest.raises(playbill.DefinitionError, match=why):
            await manager.start_run({"nodes": [{"id": "a", "type": "work"}]})
        inline = {"nodes": [{"id": "a", "type": "work", "isolation": "inline"}]}
        assert (await (await manager.start_run(inline)).result()).status == "completed"
