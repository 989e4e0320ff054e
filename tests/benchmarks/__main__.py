"""Print all tables: `make bench`."""

import asyncio

from tests.benchmarks import attempts, definitions, instructions, runs, simulation, stopping
from tests.benchmarks.measure import least_import_seconds, row

print(f"{'workload':<34} {'floor':>14} {'playbill':>14} {'ratio':>8}")
instructions.report()
definitions.report()
asyncio.run(runs.report())
asyncio.run(attempts.report())
asyncio.run(stopping.report())
simulation.report()
floor = least_import_seconds("import pykka, anyio, pydantic")
for code, gate in (("import playbill", 1.5), ("import playbill; playbill.run", 6.0)):
    seconds = least_import_seconds(code)
    row(code, f"{floor * 1e3:.0f} ms", f"{seconds * 1e3:.0f} ms", seconds / floor, gate)
