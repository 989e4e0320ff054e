"""Ctrl-C while `playbill.run` runs: handlers clean up within the grace, and the program hears of it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, sys
import playbill

def say(text):
    print(text, flush=True)

@playbill.node_type("waits")
async def waits(node, inputs, context):
    say("began")
    try:
        await asyncio.Event().wait()
    finally:
        say("cleans")
        if node.config["for_ever"]:
            await asyncio.Event().wait()
        for _ in range(20):
            await asyncio.sleep(0.01)
        say("cleaned")

nodes = [{"id": "a", "type": "waits", "config": {"for_ever": sys.argv[1] == "for_ever"}}]
try:
    playbill.run({"nodes": nodes}, grace=60, kill_bound=0.1, watchdog_seconds=None)
except KeyboardInterrupt:
    say("interrupted")
"""


def said(how: str, presses: dict[str, int]) -> list[str]:
    """Run the program, press Ctrl-C so often after each of its words, and return what it said."""
    command = [sys.executable, "-c", PROGRAM, how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as ran:
        assert ran.stdout is not None
        assert ran.stderr is not None
        lines: list[str] = []
        for line in ran.stdout:
            lines.append(line.strip())
            for _ in range(presses.get(line.strip(), 0)):
                ran.send_signal(signal.SIGINT)
        assert "Traceback" not in ran.stderr.read()
    assert ran.returncode == 0
    return lines


def test_the_first_gives_handlers_the_whole_grace() -> None:
    assert said("soon", {"began": 1}) == ["began", "cleans", "cleaned", "interrupted"]


def test_the_second_gives_none() -> None:
    assert said("for_ever", {"began": 1, "cleans": 1}) == ["began", "cleans", "interrupted"]


BLOCKED = """
import os, signal, sys, threading, time
import playbill

@playbill.node_type("computes")
async def computes(node, inputs, context):
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGINT)
    while True:
        pass

try:
    playbill.run({"nodes": [{"id": "a", "type": "computes"}]}, grace=60, kill_bound=0.1, watchdog_seconds=None)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_the_third_reaches_a_handler_that_blocks_the_loop() -> None:
    ran = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert (ran.returncode, ran.stdout) == (0, "interrupted\n"), ran.stderr


@pytest.mark.parametrize("own", [True, False])
def test_a_program_that_handles_it_by_itself_goes_on_doing_so(own: bool) -> None:
    program = f"""
import os, signal
import playbill

@playbill.node_type("work")
async def work(node, inputs, context):
    os.kill(os.getpid(), signal.SIGINT)
    return {{}}

if {own}:
    signal.signal(signal.SIGINT, lambda *_: print("mine"))
try:
    print(playbill.run({{"nodes": [{{"id": "a", "type": "work"}}]}}).status)
except KeyboardInterrupt:
    print("interrupted")
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert ran.stdout == ("mine\ncompleted\nFalse\n" if own else "interrupted\nTrue\n"), ran.stderr
