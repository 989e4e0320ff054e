"""Loads fault plans: from a file, with the behaviours of a recorded run, and from all that may stand for a plan."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from playbill.model.errors import DefinitionError
from playbill.runtime.definitions.files import load_text
from playbill.runtime.faults.plan import EVERYTHING, Behaviours, FaultPlan, fault_plan
from playbill.runtime.faults.recorded import recorded_behaviours
from playbill.runtime.journals.event_file import read_events

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["NO_FAULTS", "Faults", "load_faults", "plan_of"]

Faults: TypeAlias = "FaultPlan | Mapping[str, Any] | str | list[Faults] | None"
"""A plan, the mapping of one, a file's name, `all`, or a list of these."""
NO_FAULTS: Final = FaultPlan()


def plan_of(faults: Faults) -> FaultPlan:
    """Return the plan that `faults` stands for: several are taken together.

    Raises:
        DefinitionError: a mapping is not a plan, or a file cannot be read or holds none; carries all problems.
    """
    if faults is None:
        return NO_FAULTS
    if faults == "all":
        return EVERYTHING
    if isinstance(faults, str):
        return load_faults(faults)
    if isinstance(faults, list):
        return reduce(FaultPlan.joined, map(plan_of, faults), NO_FAULTS)
    return faults if isinstance(faults, FaultPlan) else fault_plan(faults)


def load_faults(source: str | os.PathLike[str]) -> FaultPlan:
    """Load a fault plan from a YAML or JSON file.

    `recorded: FILE` beside `faults`, `behaviours` and `properties` names the events of a real run, as
    `playbill run --events` writes them: nodes about which the plan says nothing behave as they did there.

    Raises:
        DefinitionError: there is no such file, or it is not a plan; carries all problems.
    """
    text = load_text(source, "faults, behaviours and properties")
    recorded = text.data.pop("recorded", None)
    with text.written.placing():
        plan = fault_plan(text.data)
    if recorded is None:
        return plan
    if not isinstance(recorded, str):
        said = f"{source}: recorded names a file of events, not {recorded!r}"
        raise DefinitionError.single("recorded", "recorded", said)
    behaviours = recorded_behaviours(read_events(Path(source).parent / recorded))
    return FaultPlan(behaviours=Behaviours(nodes=dict(behaviours))).joined(plan)
