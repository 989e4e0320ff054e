"""The one manager of a process, for programs that want no object of their own to hand around."""

from __future__ import annotations

from functools import cache

from playbill.runtime.manager import PipelineRunManager


def get_run_manager() -> PipelineRunManager:
    """Return the process's manager: one, bound to the loop that first uses it; a new one once that has ended.

    It closes with its loop, when `asyncio.run` shuts that down; nobody has to close it. A forked process has its own.
    """
    managers = _process_managers()
    if not managers or managers[-1].is_over:
        managers[:] = [PipelineRunManager()]
        managers[-1].place = None  # its loop closes it
    return managers[-1]


@cache
def _process_managers() -> list[PipelineRunManager]:
    return []
