"""A load plan: which runs arrive when, for how long, and what is varied; the YAML of `playbill sim --load`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from playbill.model.diagnostics import validate_as
from playbill.model.fields import Count, PositiveSeconds, Rate, Seconds, Settings, Whole
from playbill.runtime.definitions.files import load_text
from playbill.runtime.faults.plan import Behaviours, owner_of_behaviour

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["Arrivals", "Bursts", "Constant", "LoadPlan", "Poisson", "Recorded", "load_load_plan", "load_plan"]


class Poisson(Settings):
    """Arrivals that know nothing of each other: at a constant `rate`, or one that a `profile` steps through."""

    rate: Annotated[Rate, Field(gt=0)] | None = None
    """A second."""
    profile: tuple[tuple[Seconds, Rate], ...] | None = None
    """Steps `[at, rate]`: from `at` on, the rate is this; before the first it is 0."""

    @model_validator(mode="after")
    def _fits(self) -> Poisson:
        if (self.rate is None) == (self.profile is None):
            raise ValueError("poisson arrivals take exactly one of rate and profile")
        steps = [at for at, _ in self.profile or ()]
        if self.profile is not None and not any(rate > 0 for _, rate in self.profile):
            raise ValueError("a profile needs at least one step [at, rate] whose rate is over 0")
        if any(later <= sooner for sooner, later in pairwise(steps)):
            raise ValueError(f"a profile's steps go forwards in time, not {', '.join(f'{at:g}' for at in steps)}")
        return self


class Bursts(Settings):
    """`size` runs at once, every `every` seconds, the first after `first`."""

    every: PositiveSeconds
    size: Count
    first: Seconds = 0.0


class Constant(Settings):
    """One run every `every` seconds, the first after `first`."""

    every: PositiveSeconds
    first: Seconds = 0.0


class Recorded(Settings):
    """One run for each line of a file: seconds since the beginning, or ISO times (counted from the first line)."""

    file: str


class Arrivals(Settings):
    """One source of runs: exactly one kind, and what its runs are started with."""

    name: str | None = None
    poisson: Poisson | None = None
    bursts: Bursts | None = None
    constant: Constant | None = None
    recorded: Recorded | None = None
    trigger_data: dict[str, Any] | None = None
    """None: what the command line's --input says."""

    @model_validator(mode="after")
    def _one(self) -> Arrivals:
        kinds = ("poisson", "bursts", "constant", "recorded")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"arrivals are exactly one of {', '.join(kinds)}, not {given or 'none'}")
        return self


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class LoadPlan(Settings):
    """What comes, for how long, and what is varied."""

    span: PositiveSeconds
    """How long runs arrive: seconds, or text such as 24h."""
    arrivals: Annotated[tuple[Arrivals, ...], BeforeValidator(_as_list)]
    warm_up: Seconds = 0.0
    """Runs that arrive before are simulated, but not measured."""
    drain: Seconds = 3600.0
    """How long runs may go on after the last has arrived."""
    seed: Whole = 0
    max_live_runs: Count = 10_000
    """With more runs at once the simulation ends: they would fill the memory."""
    behaviours: Behaviours = Behaviours()
    """How handlers behave; those of a fault plan count where this says nothing."""
    sweep: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    """One parameter's path, and its values: `breakers.api.max_concurrent: [1, 2, 4]`."""

    @model_validator(mode="after")
    def _fits(self) -> LoadPlan:
        if not self.arrivals:
            raise ValueError("arrivals names no source: add one, such as `- poisson: {rate: 1}`")
        if self.warm_up >= self.span:
            raise ValueError(f"warm_up ({self.warm_up:g} s) ends before the span does ({self.span:g} s)")
        if len(self.sweep) > 1:
            raise ValueError(f"sweep varies one parameter, not {len(self.sweep)}: {', '.join(self.sweep)}")
        for path, values in self.sweep.items():
            if not values:
                raise ValueError(f"sweep of '{path}' has no values: list at least one, such as [1, 2, 4]")
        return self


def load_plan(data: Mapping[str, Any]) -> LoadPlan:
    """Return the plan that a mapping says.

    Raises:
        DefinitionError: it has an unknown field or a wrong value; carries all problems.
    """
    return validate_as(LoadPlan, data, "load plan", owner=_owner)


def load_load_plan(source: str | os.PathLike[str]) -> LoadPlan:
    """Load a plan from a YAML or JSON file; recorded files are looked for beside it.

    Raises:
        DefinitionError: there is no such file, or it is not a plan; carries all problems.
    """
    text = load_text(source, "span and arrivals")
    with text.written.placing():
        plan = load_plan(text.data)
    folder = Path(source).parent
    found = tuple(
        each
        if each.recorded is None
        else each.model_copy(update={"recorded": Recorded(file=str(folder / each.recorded.file))})
        for each in plan.arrivals
    )
    return plan.model_copy(update={"arrivals": found})


def _owner(location: tuple[int | str, ...]) -> tuple[str, int]:
    match location:
        case ("arrivals", int(index), *_):
            return f"arrivals {index + 1}", 2
        case _:
            return owner_of_behaviour(location)
