"""What a start costs: CPU time of fresh interpreters, for on a busy machine the clock tells of its neighbours."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.benchmarks.measure import ROOT, row

ROUNDS: Final = 15
HELLO: Final = "name: hello\nnodes:\n  - id: start\n    type: trigger\n"
COMMAND: Final = (str(Path(sys.executable).with_name("playbill")),)
CODE: Final = (sys.executable, "-c")
STARTS: Final = (
    ("playbill --help", (*CODE, "import cyclopts, rich.console"), (*COMMAND, "--help"), 1.5),
    (
        "playbill run of one node",
        (*CODE, "import pydantic, cyclopts, yaml, rich.console, pykka"),
        (*COMMAND, "run", "hello.yaml"),
        1.6,
    ),
    (
        "import playbill; playbill.run",
        (*CODE, "import pykka, anyio, pydantic"),
        (*CODE, "import playbill; playbill.run"),
        1.5,
    ),
)
"""Each with the imports that are its floor, and its gate."""


def cpu_seconds(command: tuple[str, ...], environment: dict[str, str]) -> float:
    """Run a program to its end, unheard; return its seconds of user and system time."""
    silence = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    pid = os.posix_spawn(command[0], command, environment, file_actions=silence)
    _, status, used = os.wait4(pid, 0)
    assert status == 0, command
    return used.ru_utime + used.ru_stime


def least_cpu_seconds(rounds: int = ROUNDS) -> list[tuple[float, float]]:
    """Return the least seconds of each floor and subject, in turns, once all bytecode is written."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "hello.yaml").write_text(HELLO)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        best = [[float("inf"), float("inf")] for _ in STARTS]
        before = Path.cwd()
        os.chdir(folder)
        try:
            for measured in range(rounds + 1):
                for least, (_, floor, subject, _) in zip(best, STARTS, strict=True):
                    seconds = [cpu_seconds(command, environment) for command in (floor, subject)]
                    if measured:
                        least[:] = map(min, least, seconds)
        finally:
            os.chdir(before)
    return [(floor, subject) for floor, subject in best]


def report() -> None:
    """Print the table of starts."""
    for (name, _, _, gate), (floor, subject) in zip(STARTS, least_cpu_seconds(), strict=True):
        row(f"{name}, CPU", f"{floor * 1e3:.0f} ms", f"{subject * 1e3:.0f} ms", subject / floor, gate)


if __name__ == "__main__":
    report()
