"""A warm program is told, says and ends as a fresh interpreter's does."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.warm import programs

TELLS = """
import gc, os, signal, sys, threading

gc.collect()
print(__name__, sys.argv, sys.orig_argv[1:], globals().get("__file__"), __spec__ and __spec__.name)
print(sys.path, os.getcwd(), sorted(os.environ.items()))
for stream in (sys.stdin, sys.stdout, sys.stderr):
    same = stream is getattr(sys, f"__{stream.name[1:-1]}__")
    print(stream.name, stream.mode, stream.encoding, stream.errors, stream.line_buffering, stream.write_through, same)
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGCHLD), signal.pthread_sigmask(signal.SIG_BLOCK, []))
print(sorted(os.listdir("/proc/self/fd"))[:3], len(os.listdir("/proc/self/fd")), threading.active_count())
print(os.getpgid(0), os.getsid(0), sys.dont_write_bytecode, sys.modules["__main__"].__dict__ is globals())
print(repr(sys.stdin.read()))
sys.stderr.write("complains")
"""
ENDS = {
    "returns": "import atexit; atexit.register(print, 'bye')",
    "exits": "raise SystemExit(3)",
    "says why": "raise SystemExit('why')",
    "fails": "raise KeyError('x')",
    "interrupted": "raise KeyboardInterrupt",
    "killed": "import os, signal; print('x', flush=True); os.kill(os.getpid(), signal.SIGKILL)",
    "leaves at once": "import os; print('lost'); os._exit(4)",
    "waits for its threads": "import threading, time; threading.Timer(0.01, print, ['later']).start()",
    "is no Python": "x = = 1",
}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "told.py").write_text(TELLS, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("how", [["-c", TELLS], ["-m", "told"], ["told.py"], ["{folder}/told.py"]])
@pytest.mark.parametrize(
    "more", [{}, {"PYTHONUNBUFFERED": "1"}, {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": "a:b"}]
)
def test_it_is_told_the_same(folder: Path, how: list[str], more: dict[str, str]) -> None:
    command = [sys.executable, *(part.replace("{folder}", str(folder)) for part in how), "one", "-two"]
    kept = {name: value for name, value in os.environ.items() if name not in programs.AS_IT_STARTED}

    def told(run: Run) -> tuple[Any, ...]:
        environment = {**kept, "OWN": "1", **more}
        done = run(command, input="given", capture_output=True, text=True, cwd=folder, env=environment, timeout=30)
        return done.returncode, done.stdout, done.stderr

    warm = told(programs.run)
    assert warm == told(subprocess.run)
    assert warm[::2] == (0, "complains")


@pytest.mark.parametrize("program", ENDS.values(), ids=ENDS)
def test_it_ends_the_same(program: str) -> None:
    def ended(run: Run) -> tuple[Any, ...]:
        done = run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout, done.stderr.splitlines()[-1:]

    assert ended(programs.run) == ended(subprocess.run)


def test_it_inherits_streams_and_is_signalled_and_waited_for() -> None:
    program = "import sys, time; print(sys.stdin.readline(), end='', flush=True); time.sleep(60)"
    pipe = subprocess.PIPE
    with programs.Popen(
        [sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"hello\n")  # type: ignore[arg-type]
        process.stdin.flush()
        assert process.stdout.readline() == b"hello\n"  # type: ignore[comparison-overlap]
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == process.wait() == -signal.SIGTERM


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (["true"], {}),
        ([sys.executable, "-c", "pass"], {"preexec_fn": print}),
        ([sys.executable, "-c", "pass"], {"start_new_session": True}),
        ([sys.executable, "-c", "pass"], {"env": {"PYTHONHASHSEED": "1"}}),
    ],
)
def test_what_only_a_fresh_interpreter_does_is_refused(command: list[str], options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"take `subprocess`|started warm"):
        programs.run(command, **options)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = programs.run([sys.executable, "-c", "pass"], cwd=tmp_path / "none", capture_output=True, text=True)
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr
