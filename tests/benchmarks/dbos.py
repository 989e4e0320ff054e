"""The same DAGs as durable runs of playbill and as workflows of the newest DBOS: on SQLite, with synchronous=FULL.

DBOS gets a virtual environment of its own in build/, with whatever is the newest: so this needs a package index, and
is not a part of `make bench`. Of the ways to write a DAG with it (plain functions one after the other, or coroutines
level by level) the quicker counts. It leaves SQLite as that comes, synchronous=FULL and a rollback journal; since
playbill's file has a WAL, DBOS is measured with one, too, and both figures have the gate.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.benchmarks import dbos_program
from tests.benchmarks.durable import Load, durable_seconds
from tests.benchmarks.measure import ROOT, row
from tests.benchmarks.shapes import Shape, chain, fan, layered

FOLDER: Final = ROOT / "build" / "dbos"
GATES: Final = {"chain-1000": 5, "fan-1000": 40, "layered-20x50": 40}
"""How many times as fast as DBOS."""
SHAPES: Final = (chain(1000), fan(1000), layered(20, 50))


def levels_of(shape: Shape) -> list[list[str]]:
    """Return the nodes, each in the level behind the last of its predecessors."""
    level = dict.fromkeys(shape.nodes, 0)
    for source, target in shape.edges:  # in topological order
        level[target] = max(level[target], level[source] + 1)
    return [[node for node in shape.nodes if level[node] == number] for number in range(max(level.values()) + 1)]


def installed() -> Path | None:
    """Install the newest DBOS; return the interpreter that has it, or say why there is none."""
    python = FOLDER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "dbos"]
    tried = subprocess.run(install, capture_output=True, text=True)
    if tried.returncode == 0:
        return python
    why = (tried.stderr.strip().splitlines() or ["pip does not say why"])[-1]
    if subprocess.run([str(python), "-c", "import dbos"], capture_output=True).returncode == 0:
        print(f"dbos: whether this is the newest is not known: {why}")
        return python
    print(f"dbos cannot be had, and is not measured: {why}")
    return None


def measured(python: Path, shape: Shape, journal_mode: str) -> dict[str, Any]:
    """Return what the program in the other environment says of one shape."""
    with tempfile.TemporaryDirectory() as folder:
        asked = {"file": str(Path(folder, "dbos.db")), "levels": levels_of(shape), "journal_mode": journal_mode}
        command = [str(python), "-P", dbos_program.__file__]
        done = subprocess.run(command, input=json.dumps(asked), stdout=subprocess.PIPE, check=True, text=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


async def own_seconds(shape: Shape) -> float:
    """Return the least seconds of a durable run of playbill's."""
    with tempfile.TemporaryDirectory() as folder:
        return await durable_seconds(Load(shape.name, shape), Path(folder), rounds=3)


async def report() -> bool:
    """Print two rows for each shape; tell whether DBOS could be had."""
    python = installed()
    if python is None:
        return False
    for shape in SHAPES:
        nodes, own, others = len(shape.nodes), float("inf"), dict[str, dict[str, Any]]()
        for journal_mode in ("delete", "wal"):  # in turns, so that noise hits both
            own = min(own, await own_seconds(shape))
            others[journal_mode] = measured(python, shape, journal_mode)
            own = min(own, await own_seconds(shape))
        for journal_mode, said in others.items():
            way = min(said["seconds"], key=said["seconds"].get)
            ratio, gate = said["seconds"][way] / own, GATES[shape.name]
            theirs, ours = (f"{seconds / nodes * 1e6:.0f} us" for seconds in (said["seconds"][way], own))
            row(f"{shape.name}, dbos, {journal_mode}", theirs, ours, 1 / ratio, 1 / gate)
            told = f"dbos {said['version']}, {way}, synchronous={said['synchronous']}, {said['journal_mode']}"
            print(f"{'':<34} {ratio:.1f} times as fast, {gate} wanted; {told}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(not asyncio.run(report()))
