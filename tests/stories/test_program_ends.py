"""The program ends in time although handlers refuse to: nothing of ours keeps the interpreter alive."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, sys, time
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

@playbill.node_type("late")
async def late(node, inputs, context):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        try:
            await asyncio.sleep(0.3)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
    return {"too": "late"}

@playbill.node_type("exits")
async def exits(node, inputs, context):
    raise SystemExit(3)

definition = {"nodes": [{"id": sys.argv[1], "type": sys.argv[1]}]}
result = playbill.run(definition, timeout_seconds=0.1, grace=0.1, kill_bound=0.1)
print(result.status, *result.orphans, result.error or "")
sys.exit(7)
"""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("swallows", "timeout swallows"),
        ("asleep", "timeout asleep"),
        ("late", "timeout"),
        ("exits", "failed SystemExit: 3"),
    ],
)
def test_playbill_run_comes_back_and_the_program_ends_with_its_own_exit_code(kind: str, said: str) -> None:
    command = [sys.executable, "-c", PROGRAM, kind]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=ROOT)
    assert (ran.returncode, ran.stdout.strip()) == (7, said)
    assert "Traceback" not in ran.stderr
    assert "was never awaited" not in ran.stderr
    assert "destroyed but it is pending" not in ran.stderr


BLOCKING = """
import sys, time
import playbill

@playbill.node_type("asleep")
def asleep(node, inputs, context):
    time.sleep(3600)

with playbill.BlockingManager(grace=0.1, kill_bound=0.1) as manager:
    run = manager.start_run({"nodes": [{"id": "a", "type": "asleep"}]})
    try:
        run.result(timeout=0.1)
    except TimeoutError:
        print("still running")
print(run.status)
"""


def test_a_blocking_manager_lets_the_program_end() -> None:
    ran = subprocess.run([sys.executable, "-c", BLOCKING], capture_output=True, text=True, timeout=20, cwd=ROOT)
    assert (ran.returncode, ran.stdout.split("\n")) == (0, ["still running", "cancelled", ""])
