"""What a manager can be told: as types for those who hand it on, and the rules by which it is checked at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, TypedDict, cast
from uuid import UUID

from playbill.model.diagnostics import LONGEST_VALUE, validate_as
from playbill.model.errors import DefinitionError, Problem
from playbill.model.events import is_own
from playbill.model.fields import MAX_SECONDS, is_seconds
from playbill.model.policies import BreakerPolicy
from playbill.model.wording import clip
from playbill.runtime.journal_choice import MEMORY, problem_of_journal
from playbill.runtime.secrets import check_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.model.attributes import Scalar
    from playbill.runtime.definitions.discovery import Source
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.secrets import Secret


OnExit = Literal["cancel", "wait", "park"]
RunId: TypeAlias = "str | UUID"
"""What may name a run; a UUID stands for its text."""
SHORTEST_WATCH: Final = 0.01
"""Seconds; a loop that is looked at more often has little time for anything else."""


class SimulatedOptions(TypedDict, total=False):
    """The arguments of a PipelineRunManager whose faults are its simulation's."""

    journal: str
    recover: bool
    start_paused: bool
    resources: Mapping[str, Any] | None
    types: Iterable[Source] | None
    breakers: Mapping[str, BreakerPolicy | Mapping[str, Any]] | None
    secrets: Mapping[str, Secret] | None
    grace: float
    kill_bound: float
    on_exit: OnExit
    keep_runs: int
    max_orphans: int
    watchdog_seconds: float | None
    watchdog_interrupts: bool
    max_processes: int | None
    max_commands: int
    simulate_agents: bool


class ManagerOptions(SimulatedOptions, total=False):
    """The arguments of PipelineRunManager."""

    faults: FaultPlan | Mapping[str, Any] | None


class StartOptions(TypedDict, total=False):
    """The arguments of PipelineRunManager.start_run beside definition and data."""

    run_id: RunId | None
    timeout_seconds: float | None
    attributes: Mapping[str, Scalar] | None
    trace_context: Mapping[str, str] | None


class Rule(NamedTuple):
    """What an option has to be."""

    holds: Callable[[object], bool]
    text: str
    """Such as `is a whole number`."""


def seconds_from(least: float) -> Rule:
    """Return the rule of a number of seconds."""

    def holds(value: object) -> bool:
        return is_seconds(value) and value >= least

    return Rule(holds, f"is a number of seconds from {least:g} to {MAX_SECONDS:,.0f}")


def count_from(least: int) -> Rule:
    """Return the rule of a count."""

    def holds(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    return Rule(holds, f"is a whole number, {least} or more")


def mapping_of(what: str) -> Rule:
    """Return the rule of a mapping."""
    return Rule(_is_mapping, f"is a mapping of {what}")


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_list_of_sources(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _is_way_to_exit(value: object) -> bool:
    return isinstance(value, str) and value in {"cancel", "wait", "park"}


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_timeout(value: object) -> bool:
    return is_seconds(value) and value > 0


SECONDS: Final = seconds_from(0)
RULES: Final = {
    "on_exit": Rule(_is_way_to_exit, "is 'cancel', 'wait' or 'park'"),
    "grace": SECONDS,
    "kill_bound": SECONDS,
    "keep_runs": count_from(0),
    "max_orphans": count_from(1),
    "max_processes": count_from(1),
    "max_commands": count_from(1),
    "watchdog_seconds": seconds_from(SHORTEST_WATCH),
    "watchdog_interrupts": Rule(_is_switch, "is True or False"),
    "recover": Rule(_is_switch, "is True or False"),
    "start_paused": Rule(_is_switch, "is True or False"),
    "simulate_agents": Rule(_is_switch, "is True or False"),
    "resources": mapping_of("names to objects"),
    "secrets": mapping_of("names to texts or numbers"),
    "breakers": mapping_of("keys to BreakerPolicy"),
    "types": Rule(
        _is_list_of_sources, "is a list of modules, their names, or functions marked with node_type or action"
    ),
    "timeout_seconds": Rule(_is_timeout, f"is over 0 and finite, not over {MAX_SECONDS:,.0f}"),
    "max_retries": count_from(1),
    "backoff_base": SECONDS,
    "backoff_max": SECONDS,
}
"""What each option has to be, by name."""
WAYS_OUT: Final = {
    "types": "write types=[...]",
    "timeout_seconds": "give seconds, or leave it out for the definition's",
    "watchdog_seconds": "give seconds, or None for no watchdog",
}
OPTIONAL: Final = frozenset(
    {"resources", "secrets", "breakers", "types", "watchdog_seconds", "timeout_seconds", "max_processes"}
)
"""Those that may be None."""


def check_options(options: Mapping[str, Any]) -> None:
    """Check options by their rules.

    Args:
        options: those that somebody gave, by name.

    Raises:
        DefinitionError: some are not what they have to be; carries all problems.
    """
    if options.get("on_exit") == "park" and options.get("journal") == MEMORY:
        text = "on_exit 'park' leaves runs to the next manager of a journal in a file: name one, as journal='sqlite:///runs.db'"
        raise DefinitionError.single("on-exit", "on_exit", text)
    problems = [problem for name, value in options.items() if (problem := _problem(name, value)) is not None]
    if problems:
        raise DefinitionError("", problems, "options" if len(problems) > 1 else "pipeline")


def _problem(name: str, value: Any) -> Problem | None:
    """Return what is wrong with an option, if anything is."""
    if name == "journal":
        return problem_of_journal(value)
    rule = RULES.get(name)
    if rule is None or (value is None and name in OPTIONAL):
        return None
    if not rule.holds(value):
        way_out = f": {WAYS_OUT[name]}" if name in WAYS_OUT else ""
        if isinstance(value, str) and rule.holds(_number_in(value)):
            way_out += f"{';' if way_out else ':'} write {value.strip()}, without quotes"
        shown = type(value).__name__ if name == "secrets" else _shown(value)
        return Problem(name.replace("_", "-"), name, f"{name} {rule.text}, not {shown}{way_out}")
    return _problem_within(name, value)


def _number_in(text: str) -> float | None:
    """Return the number that a text is; None: it is none."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return None


def _problem_within(name: str, value: Any) -> Problem | None:
    """Return what is wrong with the keys of an option, and with secrets."""
    if name in {"resources", "secrets", "breakers"}:
        for key in value:
            if not isinstance(key, str) or not key:
                return Problem("key", name, f"{name}: its key {_shown(key)} is not text: give it a name")
    if name == "secrets":
        try:
            check_secrets(value)
        except (TypeError, ValueError) as error:
            return Problem("secret", name, str(error))
    return None


def check_wait(timeout: object) -> None:
    """Refuse what is no time to wait.

    Raises:
        ValueError: it is no number of seconds.
    """
    if timeout is not None and not is_seconds(timeout):
        rule = f"0 to {MAX_SECONDS:,.0f}, or None to wait on"
        raise ValueError(f"timeout is a number of seconds, {rule}, not {timeout!r:.60}")


def run_id_of(given: RunId) -> str:
    """Return the id of a run that a caller has given: a text, or a UUID, which stands for its text.

    Raises:
        DefinitionError: it is neither.
    """
    run_id = cast("object", given)
    if isinstance(run_id, UUID):
        return str(run_id)
    if isinstance(run_id, str):
        return str.__str__(run_id)
    text = f"run_id is text or a UUID, not {type(run_id).__name__}: {run_id!r:.80}"
    raise DefinitionError.single("run-id", "run_id", text)


def run_id_to_start(given: RunId) -> str:
    """Return the id that a new run shall have.

    Raises:
        DefinitionError: it is neither text nor a UUID, empty, or the name of a stream that is not a run's.
    """
    run_id = run_id_of(given)
    if run_id and not is_own(run_id):
        return run_id
    said = f"run_id '{run_id}' is the name of a stream of playbill's own: choose another"
    if not run_id:
        said = "run_id is text that is not empty, not '': leave it out and one is made"
    raise DefinitionError.single("run-id", "run_id", said)


def policies_of(breakers: Mapping[str, Any] | None) -> dict[str, BreakerPolicy]:
    """Return the policies that were given by key; a policy may be the mapping it is written as.

    Raises:
        DefinitionError: one is neither, or wrong; names the key.
    """
    return {key: _policy(key, policy) for key, policy in (breakers or {}).items()}


def _policy(key: str, policy: Any) -> BreakerPolicy:
    if isinstance(policy, BreakerPolicy):
        return policy
    if isinstance(policy, Mapping):
        written = dict(cast("Mapping[str, Any]", policy))
        return validate_as(BreakerPolicy, written, f"breaker '{key}'")
    text = f"breaker '{key}': a BreakerPolicy or a mapping such as {{'failures': 3}}, not {_shown(policy)}"
    raise DefinitionError.single("breaker", f"breakers.{key}", text)


def faults_of(faults: Any) -> FaultPlan | None:
    """Return the plan of faults that was given, or says what was given.

    Raises:
        DefinitionError: it is neither, or wrong.
    """
    if faults is None:
        return None
    from playbill.runtime.faults.plan import FaultPlan, fault_plan  # noqa: PLC0415 (few need it, and it is slow)

    if isinstance(faults, FaultPlan):
        return faults
    if isinstance(faults, Mapping):
        return fault_plan(cast("Mapping[str, Any]", faults))
    text = f"faults is a FaultPlan, or the mapping it is written as, not {_shown(faults)}"
    raise DefinitionError.single("faults", "faults", text)


def _shown(value: object) -> str:
    return clip(repr(value), LONGEST_VALUE)
