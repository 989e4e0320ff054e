"""Soak: `make soak [SEEDS=n]` runs so many seeds, split evenly over the studies, in two processes."""

import sys
from pathlib import Path

from playbill.model.wording import describe_seconds
from playbill.runtime.simulation.explore import explore_in
from playbill.runtime.simulation.shrink import Shrinker
from playbill.runtime.simulation.tapes import save_tape
from tests.soak.studies import STUDIES, study

total, jobs = int(sys.argv[1]), int(sys.argv[2])
first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
found = seeds = 0
for name in STUDIES:
    seen = explore_in(jobs, study, (name,), total // len(STUDIES), first=first)
    seeds += seen.seeds
    found += len(seen.findings)
    speed = seen.seeds / seen.wall_seconds
    print(
        f"{name:<16} {seen.seeds:>9,} seeds  {speed:>6,.0f}/s  {describe_seconds(seen.seconds):>16} simulated  "
        f"{len(seen.coverage):>3} pairs  {sum(seen.fired.values()):>10,} faults  {len(seen.findings)} found",
        flush=True,
    )
    for finding in seen.findings[:1]:
        smaller, least = Shrinker(study(name), finding).shrink()
        save_tape(Path(f"{name}.tape.json"), study(name).definition, smaller, least)
        print(f"  seed {finding.seed}: {finding}\n  {name}.tape.json", flush=True)
print(f"{seeds:,} seeds, {found} found")
sys.exit(bool(found))
