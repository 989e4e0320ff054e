"""Handlers that are defined in the user's own script, at a prompt, or in a module run by its name."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPT = """
import asyncio
import playbill
from pydantic import BaseModel
from tests.runtime.processes.support import opened

class Config(BaseModel):
    x: int = 1

@playbill.node_type("work")
def handler(node, inputs, context):
    return {"module": __name__, "same": isinstance(context.config, Config) or context.config == {"x": 1}}

async def main():
    async with opened() as bank:
        returned = await bank.begin(handler)[1].end()
        print(returned.output or returned.failure.message)

if __name__ == "__main__":
    asyncio.run(main())
"""


def run(*arguments: str, stdin: str = "") -> str:
    environment = {"PYTHONPATH": f"{ROOT}:."}
    given = [sys.executable, *arguments]
    done = subprocess.run(
        given,
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        cwd=arguments[-1].rpartition("/")[0] or ".",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_handler_of_a_script_is_imported_with_it(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    assert run(str(tmp_path / "script.py")) == "{'module': '__mp_main__', 'same': True}\n"


def test_a_handler_of_a_module_run_by_its_name_is_imported_with_it(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "work"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "{'module': '__mp_main__', 'same': True}\n", done.stderr


def test_a_handler_that_is_in_no_file_is_refused() -> None:
    for arguments, why in ((["-"], "<stdin>', which is no file"), (["-c", SCRIPT], "in a notebook, at a prompt or")):
        done = subprocess.run([sys.executable, *arguments], input=SCRIPT, cwd=ROOT, capture_output=True, text=True)
        assert "handler '__main__.handler' cannot run in a process: it is defined" in done.stdout, done.stderr
        assert why in done.stdout


def test_a_script_without_a_guard_fails_instead_of_running_twice(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.replace('if __name__ == "__main__":', "if True:"))
    said = run(str(tmp_path / "script.py"))
    assert "its handler cannot be loaded in a process" in said
    assert "guard" in said
