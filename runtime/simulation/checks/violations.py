"""What a simulation finds: a broken invariant, or a crash that a plan asked for."""

from __future__ import annotations

from playbill.runtime.simulation.virtual.stuck import SimulationError


class Violation(SimulationError):
    """An invariant does not hold."""

    def __init__(self, invariant: str, text: str, at: float) -> None:
        self.invariant = invariant
        self.text = text
        self.at = at
        super().__init__(f"at {at:g} s: {invariant}: {text}")

    def __reduce__(self) -> tuple[type[Violation], tuple[str, str, float]]:
        return type(self), (self.invariant, self.text, self.at)


class Crashed(SimulationError):
    """The runtime died, because a fault plan said so."""
