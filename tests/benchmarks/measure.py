"""How things are measured: floor and subject in turns, the minimum of some rounds of each."""

import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 9


async def least_seconds(*subjects: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> tuple[float, ...]:
    """Time each subject `rounds` times, in turns so that noise hits all; return each one's minimum in seconds."""
    best = [float("inf")] * len(subjects)
    for _ in range(rounds):
        for index, subject in enumerate(subjects):
            gc.collect()
            began = time.perf_counter()
            await subject()
            best[index] = min(best[index], time.perf_counter() - began)
    return tuple(best)


def row(workload: str, floor: str, subject: str, ratio: float, gate: float | None) -> None:
    """Print a line of the table; without a gate the figure is only said."""
    verdict = "" if gate is None else f"   gate {gate:.2f}x  {'ok' if ratio <= gate else 'OVER'}"
    print(f"{workload:<34} {floor:>14} {subject:>14} {ratio:>7.2f}x{verdict}", flush=True)
