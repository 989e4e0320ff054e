"""The world of a virtual loop: its clock is the loop's, and a tape decides what chance decides elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.runtime.clocks.wheel import LoopTimers
from playbill.runtime.journals.memory import MemoryJournal
from playbill.runtime.runners.runner import RunRunner
from playbill.runtime.simulation.virtual.clock import VirtualClock
from playbill.runtime.world import Parts, unchanged

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from playbill.actors.ports import Dispatcher
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.world import ManagerView


class VirtualWorld:
    """The world of managers on a virtual loop.

    Args:
        tape: draws the jitter of back-offs.
        dispatcher: makes what carries the mail.
    """

    simulated = True

    def __init__(self, tape: Tape, dispatcher: Callable[[asyncio.AbstractEventLoop, Clock], Dispatcher]) -> None:
        self._tape = tape
        self._dispatcher = dispatcher
        self._ids = 0

    def open(
        self, loop: asyncio.AbstractEventLoop, view: ManagerView, wrap: Callable[[Clock], Clock] = unchanged
    ) -> Parts:
        """Make the parts: a clock of virtual time, jitter from the tape, runs that are counted."""
        clock = wrap(VirtualClock(loop))
        dispatcher = self._dispatcher(loop, clock)
        timers = LoopTimers(loop, dispatcher.post)
        return Parts(clock, dispatcher, timers, MemoryJournal(), RunRunner, self._draw, self._new_id)

    def _draw(self) -> float:
        return self._tape.fraction("jitter")

    def _new_id(self) -> str:
        self._ids += 1
        return f"run-{self._ids}"
