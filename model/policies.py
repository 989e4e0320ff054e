"""What a user may set about retries, breakers and stopping, and which failures are worth another attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticKnownError

from playbill.model.errors import (
    CircuitOpen,
    InternalError,
    NodeConfigError,
    NodeExecutionError,
    RunCancelled,
    RunTimedOut,
)
from playbill.model.fields import (
    MAX_SECONDS,
    Count,
    Factor,
    PositiveSeconds,
    PositiveShare,
    Rate,
    Seconds,
    Settings,
    Share,
)
from playbill.model.kinds import BETWEEN, canonical_kinds, kinds_of, leaves_of
from playbill.model.plain_text import repr_of
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "NOT_RETRYABLE",
    "BreakerPolicy",
    "LimitsPolicy",
    "Retry",
    "RetryPolicy",
    "StopPolicy",
    "fields_of_retry",
    "kinds_of",
    "retryable",
]

NOT_RETRYABLE: tuple[type[Exception], ...] = (
    NodeConfigError, CircuitOpen, RunCancelled, RunTimedOut, InternalError,
    TypeError, ValueError, LookupError, AttributeError, NameError, ImportError, AssertionError, SyntaxError,
    FileNotFoundError, PermissionError,
)  # fmt: skip
"""Failures that another attempt cannot mend: programming errors, wrong configs, and verdicts of others."""

Kinds = Annotated[
    tuple[str | type[BaseException], ...],
    BeforeValidator(canonical_kinds, json_schema_input_type=tuple[str, ...] | str),
]
"""Names of classes of exceptions, see kinds.py; classes in Python. What is kept are their names."""


class RetryPolicy(Settings):
    """How often and after which waits a failed node begins again."""

    max_attempts: Count = 3
    """Attempts in all, the first included."""
    base: Seconds = 1.0
    """Seconds before the second attempt."""
    factor: Factor = 2.0
    """Each further wait is this many times the one before."""
    cap: Seconds = 60.0
    """The longest wait in seconds, before jitter."""
    jitter: Share = 0.1
    """Share of the wait that is spread evenly around it."""
    max_retry_after: Seconds | None = None
    """The longest wait in seconds that a failure may ask for itself; a longer one is cut. None: `cap`."""
    on: Kinds = ()
    """Only these are retried: classes of the exception or a base of it, such as `OSError` or `mymodule.Throttled`.

    Empty: what another attempt may mend, see `retryable`. Of a group every failure has to be one of them.
    """
    never: Kinds = ()
    """Classes that are not retried, whatever else says so. Of a group one of them is enough."""

    def delay(self, attempts_made: int, jitter_draw: float, retry_after: float | None = None) -> float:
        """Give the seconds to wait before the next attempt.

        Args:
            attempts_made: Attempts that have ended, at least 1.
            jitter_draw: A number drawn evenly from 0..1.
            retry_after: Seconds the failure itself asked for; wins when it is a length of time at all, and is cut to
                `max_retry_after`.
        """
        if retry_after is not None and retry_after >= 0:
            return min(retry_after, self.cap if self.max_retry_after is None else self.max_retry_after)
        return _grow(self.base, self.factor, self.cap, attempts_made) * _spread(self.jitter, jitter_draw)

    def should_retry(self, kinds: Sequence[str], *, retryable: bool) -> bool:
        """Tell whether a failure is worth another attempt: `never` wins over `on`, and `on` over what is by default.

        Args:
            kinds: As `kinds_of` gives them.
            retryable: Whether it is by default.
        """
        if not self.never and not self.on:
            return retryable
        if any(kind in self.never for kind in kinds):
            return False
        return self._names_each(kinds) if self.on else retryable

    def _names_each(self, kinds: Sequence[str]) -> bool:
        """Tell whether `on` names each failure of a group, or the one there is."""
        is_named = False
        for kind in kinds:
            if kind == BETWEEN:
                if not is_named:
                    return False
                is_named = False
            elif kind in self.on:
                is_named = True
        return is_named


def fields_of_retry(value: object) -> object:
    """Return the fields of a policy that is written as a number: of attempts, in all."""
    if isinstance(value, RetryPolicy | Mapping):
        return cast("object", value)
    if isinstance(value, int) and not isinstance(value, bool):
        return {"max_attempts": value}
    shown = clip(repr_of(value), 60)
    raise ValueError(f"takes a number of attempts in all, or a mapping such as {{max_attempts: 3}}, not {shown}")


Retry = Annotated[RetryPolicy, BeforeValidator(fields_of_retry, json_schema_input_type=RetryPolicy | Count)]
"""A policy, or how many attempts there are in all."""


def _one_count(value: object) -> object:
    """Tell what is wrong with a count in one sentence: of a union pydantic would tell it of each part."""
    if value is None or value == "default":
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise PydanticKnownError("int_type")
    if value < 1:
        raise PydanticKnownError("greater_than_equal", {"ge": 1})
    return value


class BreakerPolicy(Settings):
    """When a breaker opens, for how long, and how many attempts it lets through."""

    failures: Annotated[Count | Literal["default"] | None, BeforeValidator(_one_count)] = "default"
    """Failures in a row that open it; None: only the rates of a window do.

    By default 5 where there is something to depend on, and none for commands and python calls.
    """
    open_seconds: PositiveSeconds = 60.0
    """Seconds it stays open the first time."""
    open_factor: Factor = 1.0
    """Each further opening without a success between lasts this many times longer."""
    open_cap_seconds: PositiveSeconds = 600.0
    """The longest opening in seconds, before jitter."""
    jitter: Share = 0.0
    """Share of the open time that is spread evenly around it."""
    window_calls: Count | None = None
    """Rates are taken over the last so many calls..."""
    window_seconds: PositiveSeconds | None = None
    """... or over the last so many seconds; never both."""
    failure_rate: PositiveShare | None = None
    """Share of failures in the window that opens it."""
    slow_call_seconds: PositiveSeconds | None = None
    """A call of at least this length is slow."""
    slow_rate: PositiveShare | None = None
    """Share of slow calls in the window that opens it."""
    minimum_calls: Count = 10
    """Calls that must be in the window before a rate counts."""
    half_open_permits: Count = 1
    """Probes that may be out at once while half-open."""
    half_open_max_wait_seconds: PositiveSeconds = 60.0
    """Probes still out after this long count as lost."""
    max_concurrent: Count | None = None
    """Attempts that may be out at once; more are parked."""
    rate: Annotated[Rate, Field(ge=1 / MAX_SECONDS)] | None = None
    """Starts per second; more are parked."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        windows = (self.window_calls, self.window_seconds)
        rules = (
            (None not in windows, "window_calls and window_seconds exclude each other: keep one"),
            (
                windows == (None, None) and (self.failure_rate, self.slow_rate) != (None, None),
                "failure_rate and slow_rate need a window: set window_calls or window_seconds",
            ),
            (
                (self.slow_rate is None) != (self.slow_call_seconds is None),
                "slow_rate and slow_call_seconds need each other: set both or none",
            ),
            (
                self.window_calls is not None and self.minimum_calls > self.window_calls,
                f"minimum_calls {self.minimum_calls} is over window_calls {self.window_calls}: lower it",
            ),
            (
                self.open_seconds > self.open_cap_seconds,
                f"open_seconds {self.open_seconds:g} is over open_cap_seconds {self.open_cap_seconds:g}",
            ),
        )
        broken = "; ".join(text for is_broken, text in rules if is_broken)
        if broken:
            raise ValueError(broken)
        return self

    @property
    def is_unlimited(self) -> bool:
        """Whether nobody is ever parked for concurrency or rate."""
        return self.max_concurrent is None and self.rate is None

    def failures_or(self, default: int | None) -> int | None:
        """Give the failures in a row that open it, `default` if the policy does not say."""
        return default if self.failures == "default" else self.failures

    def besides_defaults(self) -> dict[str, Any]:
        """Return what it says besides the defaults, as JSON has it."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def longest_open(self) -> float:
        """Give the most seconds it stays open at once."""
        return self.open_cap_seconds * _spread(self.jitter, 1.0)

    def open_for(self, openings: int, jitter_draw: float) -> float:
        """Give the seconds to stay open at the `openings`-th opening in a row (1 is the first)."""
        grown = _grow(self.open_seconds, self.open_factor, self.open_cap_seconds, openings)
        return grown * _spread(self.jitter, jitter_draw)


class LimitsPolicy(Settings):
    """What one attempt in a process of its own may use; None: as much as there is."""

    cpu_seconds: PositiveSeconds | None = None
    """Processor time, rounded up to whole seconds, as the kernel counts it."""
    memory_bytes: Count | None = None
    """Address space beyond what its worker has already."""
    open_files: Count | None = None
    """Descriptors beyond what its worker has already."""
    wall_seconds: PositiveSeconds | None = None
    """Unlike a timeout without grace, and kept by the kernel whatever the host does."""

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError(f"names no limit: set one of {', '.join(type(self).model_fields)}")
        return self


def retry_policy_of(own: RetryPolicy | None, default: RetryPolicy, *, fails_in_crash: bool) -> RetryPolicy:
    """Return how often a node may begin: one that fails in a crash does so once, unless its own policy writes more.

    Args:
        own: what the node says; None: nothing.
        default: what its pipeline says, or what stands for that.
        fails_in_crash: whether the node has `on_crash: fail`.
    """
    policy = own or default
    if not fails_in_crash or (own is not None and "max_attempts" in own.model_fields_set):
        return policy
    return policy.model_copy(update={"max_attempts": 1})


class StopPolicy(Settings):
    """How long stopping is asked for before it is forced."""

    grace: Seconds = 5.0
    """Seconds a handler has for its own cleanup; 0 is none."""
    kill_bound: Seconds = 1.0
    """Seconds after a kill until the work is abandoned."""


def retryable(exception: BaseException) -> bool:
    """Tell whether another attempt may mend this failure, unless a policy says otherwise; of a group all in it."""
    return all(_is_retryable(type(leaf)) for leaf in leaves_of(exception))


def _is_retryable(kind: type) -> bool:  # the class and not isinstance, which asks the exception for its class
    return issubclass(kind, NodeExecutionError) or (
        issubclass(kind, Exception) and not issubclass(kind, NOT_RETRYABLE)
    )


def _grow(base: float, factor: float, cap: float, step: int) -> float:
    try:
        return min(cap, base * factor ** (step - 1))
    except OverflowError:  # the wait has long been over any cap
        return cap if base else 0.0


def _spread(jitter: float, draw: float) -> float:
    return 1 + jitter * (2 * draw - 1)
