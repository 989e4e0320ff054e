"""Runs a DAG as a workflow of DBOS, in an environment that has it and not playbill; reads and prints JSON."""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

ROUNDS: Final = 2
NAMES: Final = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def workflows(dbos: Any, levels: list[list[str]]) -> dict[str, Callable[[], Any]]:
    """Return the ways to run the levels of a DAG, each node a step."""

    def work(node: str) -> dict[str, int]:
        return {"n": 1}

    async def work_later(node: str) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"n": 1}

    step, step_later = dbos.step()(work), dbos.step()(work_later)

    def one_by_one(size: int) -> int:
        for level in levels[:size]:
            for node in level:
                step(node)
        return size

    async def level_by_level(size: int) -> int:
        for level in levels[:size]:
            await asyncio.gather(*(step_later(node) for node in level))
        return size

    run, run_later = dbos.workflow()(one_by_one), dbos.workflow()(level_by_level)

    def functions() -> None:
        assert run(len(levels)) == len(levels)

    def coroutines() -> None:
        assert asyncio.run(run_later(len(levels))) == len(levels)

    return {"functions": functions, "coroutines": coroutines}


def main() -> None:
    """Measure both ways, and say what the connections of DBOS are set to."""
    dbos: Any = import_module("dbos").DBOS
    asked = json.load(sys.stdin)
    with closing(sqlite3.connect(asked["file"])) as connection:
        connection.execute(f"PRAGMA journal_mode = {asked['journal_mode']}")  # which the file keeps, if it is WAL
    config = {"name": "bench", "system_database_url": f"sqlite:///{asked['file']}", "run_admin_server": False}
    dbos(config={**config, "log_level": "ERROR"})
    ways = workflows(dbos, asked["levels"])
    dbos.launch()
    seconds: dict[str, float] = {}
    for name, run in ways.items():
        for _ in range(ROUNDS):
            began = time.perf_counter()
            run()
            seconds[name] = min(seconds.get(name, float("inf")), time.perf_counter() - began)
    with dbos_connection(dbos) as connection:
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar()
        journal_mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    said = {"version": version("dbos"), "synchronous": NAMES[synchronous], "journal_mode": journal_mode}
    dbos.destroy()
    print(json.dumps({**said, "seconds": seconds}))


def dbos_connection(dbos: Any) -> Any:
    """Return a connection of the engine by which DBOS keeps its steps."""
    return import_module("dbos._dbos")._get_dbos_instance()._sys_db.engine.connect()


if __name__ == "__main__":
    main()
