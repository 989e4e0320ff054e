"""Print all tables: `make bench`."""

import asyncio

from tests.benchmarks import (
    attempts,
    definitions,
    durable,
    instructions,
    journal,
    recovery,
    runs,
    simulation,
    start_up,
    stopping,
)

print(f"{'workload':<34} {'floor':>14} {'playbill':>14} {'ratio':>8}")
instructions.report()
definitions.report()
asyncio.run(runs.report())
asyncio.run(attempts.report())
asyncio.run(stopping.report())
asyncio.run(journal.report())
asyncio.run(durable.report())
recovery.report()
simulation.report()
start_up.report()
