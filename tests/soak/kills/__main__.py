"""Real kills: `python -m tests.soak.kills [KILLS [JOBS [SEED]]]`, which is what `make test-long` runs.

A program with many runs at work is killed with -9 at a moment that a seed draws, looked at, and started again on the
same file, until it may come to the end of all its runs; so on one file after the other, until it was killed so often.
"""

import multiprocessing
import sys
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from time import perf_counter

from tests.soak.kills.lives import MAX_KILLS, Story, tell


def shares(kills: int, seed: int) -> list[tuple[int, int]]:
    """Return the seeds of the files, and how often the program is killed on each."""
    files = -(-kills // MAX_KILLS)
    return [(seed + file, kills // files + (file < kills % files)) for file in range(files)]


def main(kills: int = 100, jobs: int = 2, seed: int = 0) -> bool:
    """Kill, and print what came of it; tell whether all is well."""
    began, counts, wrong = perf_counter(), Counter[str](), 0
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(tell, *share) for share in shares(kills, seed)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                story: Story = future.result()
                counts.update(story.counts)
                wrong += bool(story.wrong)
                if story.wrong:
                    print(story.wrong, flush=True)
    said = {word: counts[word] for word in ("started", "ended", "taken up", "event", "ended as in a crash")}
    print(f"{counts['kills']:,} kills in {perf_counter() - began:,.0f} s, {wrong} found; {said}")
    return not wrong and counts["kills"] >= kills


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
