"""A behaviour: what a node's handler is declared to do where it cannot run itself: how long it takes, how it ends."""

from __future__ import annotations

import math
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from pydantic import Field, model_validator

from playbill.model.fields import Number, Seconds, Settings

if TYPE_CHECKING:
    from playbill.runtime.faults.tape import Tape

__all__ = ["Behaviour", "Duration", "Ending"]

LANE: Final = "behaviour"
NORMAL: Final = NormalDist()


class Lognormal(Settings):
    """A lognormal duration: `median` seconds, `sigma` of its logarithm."""

    median: Seconds
    sigma: Annotated[Number, Field(gt=0, le=5)]


class Duration(Settings):
    """How many seconds: one of the fields; a plain number stands for `constant`."""

    constant: Seconds | None = None
    uniform: tuple[Seconds, Seconds] | None = None
    """From, to."""
    exponential: Seconds | None = None
    """The mean."""
    lognormal: Lognormal | None = None
    recorded: tuple[Seconds, ...] | None = None
    """Drawn evenly from these."""

    @model_validator(mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return cast("object", value) if isinstance(value, dict | Duration) else {"constant": value}

    @model_validator(mode="after")
    def _one(self) -> Duration:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(type(self).model_fields)
            raise ValueError(f"a duration is a number of seconds or exactly one of {names}, not {given or 'none'}")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError(f"uniform goes from the smaller to the larger, not from {self.uniform[0]:g}")
        if self.recorded == ():
            raise ValueError("recorded needs at least one duration")
        return self

    def draw(self, tape: Tape) -> float:
        """Draw seconds.

        Source: inversion of the distribution function (Devroye, "Non-Uniform Random Variate Generation", 1986).
        """
        if self.constant is not None:
            return self.constant
        if self.recorded is not None:
            return self.recorded[tape.choose(LANE, len(self.recorded))]
        part = tape.fraction(LANE)
        if self.uniform is not None:
            low, high = self.uniform
            return low + (high - low) * part
        if self.exponential is not None:
            return -self.exponential * math.log1p(-part)
        lognormal = self.lognormal or Lognormal(median=0.0, sigma=1.0)
        return lognormal.median * math.exp(lognormal.sigma * NORMAL.inv_cdf(max(part, 1e-12)))


class Ending(Settings):
    """One way an attempt may end."""

    weight: Annotated[Number, Field(gt=0)] = 1.0
    output: Any = None
    """What it gives, as a handler may."""
    error: str | None = None
    """The class name of an exception, with its module if it is neither a builtin one nor playbill's."""
    message: str = ""
    retryable: bool = True
    data: dict[str, Any] | None = None
    """What the error tells beside its message, such as the exit code of a command."""
    hangs: bool = False
    """It never ends by itself."""

    @model_validator(mode="after")
    def _one(self) -> Ending:
        if (self.output is not None) + (self.error is not None) + self.hangs != 1:
            raise ValueError("an outcome is exactly one of output, error and hangs: true")
        return self


class Behaviour(Settings):
    """What stands in for a handler."""

    duration: Duration = Duration(constant=0.0)
    output: Any = None
    """What it gives, as a handler may, if no `outcomes` are named; None: an empty mapping."""
    outcomes: tuple[Ending, ...] = ()
    cleanup: Duration = Duration(constant=0.0)
    """How long it takes to end when it is asked to."""
    cooperative: bool = False
    """Asked to end, it returns an output by itself, as a handler does that polls `context.cancelled`."""
    ignores_cancel: bool = False
    """It goes on when it is asked to end."""
    ignores_kill: bool = False
    """It goes on when it is killed: an orphan, as a thread in a C call is."""

    @model_validator(mode="after")
    def _one(self) -> Behaviour:
        if self.output is not None and self.outcomes:
            raise ValueError("name either output or outcomes")
        return self

    @cached_property
    def only(self) -> Ending:
        """How it ends if no `outcomes` are named."""
        return Ending(output={} if self.output is None else self.output)

    def ending(self, tape: Tape) -> Ending:
        """Draw how an attempt ends."""
        if not self.outcomes:
            return self.only
        total = sum(outcome.weight for outcome in self.outcomes)
        left = tape.fraction(LANE) * total if len(self.outcomes) > 1 else 0.0
        chosen = self.only
        for outcome in self.outcomes:
            chosen = outcome
            left -= outcome.weight
            if left < 0:
                break
        return chosen
