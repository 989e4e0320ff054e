"""The world of a virtual loop: its clock is the loop's, and a tape decides what chance decides elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.runtime.simulation.virtual.clock import VirtualClock
from playbill.runtime.world import RealWorld

if TYPE_CHECKING:
    import asyncio

    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.tape import Tape


class VirtualWorld(RealWorld):
    """The surroundings of managers on a virtual loop."""

    simulated = True

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._ids = 0

    def clock(self, loop: asyncio.AbstractEventLoop) -> Clock:
        """Make a clock of virtual time."""
        return VirtualClock(loop)

    def draw(self) -> float:
        """Draw from the tape a number from [0, 1): the jitter of a back-off."""
        return self._tape.fraction("jitter")

    def new_id(self) -> str:
        """Number the runs from 1 on."""
        self._ids += 1
        return f"run-{self._ids}"
