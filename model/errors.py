"""The tree of errors: whose fault something is, and what to do next; each composes its own text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from math import inf
from numbers import Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "AttemptTimedOut",
    "CircuitOpen",
    "DefinitionError",
    "HandlerKilled",
    "InternalError",
    "JournalError",
    "NodeConfigError",
    "NodeError",
    "NodeExecutionError",
    "PlaybillError",
    "Problem",
    "RunCancelled",
    "RunError",
    "RunFailed",
    "RunTimedOut",
    "UnknownRun",
]

_SHOWN_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a definition; its message stands alone, without `where`."""

    code: str
    """Stable and for programs, such as `unknown-target`."""
    where: str
    """The place in the definition, such as `nodes[3].config`; empty when it is the whole."""
    message: str
    """For people: the thing, the value, the rule and the way out."""
    line: int | None = None
    """In the text that the definition was read from, from 1; None: it was not read from a text."""
    column: int | None = None
    """From 1."""
    source: str = ""
    """The name of that text, such as a file's."""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}: {self.message}" if self.line else self.message


class PlaybillError(Exception):
    """Every error of ours.

    `args` are the constructor's own positional arguments and the text is composed in `__str__`: so an error
    survives pickle and copy unchanged.
    """


class DefinitionError(PlaybillError, ValueError):
    """The definition is wrong; nothing has begun. Carries all its problems at once."""

    def __init__(self, name: str, problems: Iterable[Problem], what: str = "pipeline") -> None:
        """Take the name (empty when there is none), at least one problem, and what it is that has them."""
        self.name = name
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.what = what
        super().__init__(name, self.problems, what)

    @classmethod
    def single(cls, code: str, where: str, message: str) -> DefinitionError:
        """Make an error of one problem that has no pipeline's name."""
        return cls("", (Problem(code, where, message),))

    def __str__(self) -> str:
        heading = f"{self.what} '{self.name}'" if self.name else self.what * (self.what != "pipeline")
        if len(self.problems) == 1:
            return f"{heading}: {self.problems[0]}" if heading else str(self.problems[0])
        lines = [f"{heading} has {len(self.problems)} problems:".lstrip()]
        lines += [f"- {problem}" for problem in self.problems[:_SHOWN_PROBLEMS]]
        if len(self.problems) > _SHOWN_PROBLEMS:
            lines.append(f"- and {len(self.problems) - _SHOWN_PROBLEMS} more")
        return "\n".join(lines)


class NodeError(PlaybillError):
    """A node failed; the rest of its run goes by the failure policy."""

    data: Mapping[str, Any] | None = None
    """For programs: it stands beside `message` in what a failure edge carries, and is `data` of a result's error."""


class NodeExecutionError(NodeError):
    """A node's work failed in a way that another attempt may mend: always retryable."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | timedelta | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the error.

        Args:
            message: for people.
            retry_after: how long to wait before the next attempt, when the other side named it: seconds or a
                timedelta; cut to what the node's retry policy allows. What is no length of time, such as -1, is as
                None.
            data: for programs, such as `{"exit_code": 3}`: what JSON can say, at most 64 KiB of it are kept.

        Raises:
            TypeError: the wait is neither.
        """
        super().__init__(message)
        if isinstance(retry_after, timedelta):
            retry_after = retry_after.total_seconds()
        elif retry_after is not None and (isinstance(retry_after, bool) or not _is_number(retry_after)):
            raise TypeError(f"retry_after is a number of seconds or a timedelta, not {retry_after!r:.60}")
        self.retry_after = retry_after
        self.data = data


def _is_number(value: object) -> bool:
    return isinstance(value, Real | Decimal)


class NodeConfigError(NodeError):
    """A node cannot work as it is configured: never retried."""

    def __init__(self, message: str, *, data: Mapping[str, Any] | None = None) -> None:
        """Make the error.

        Args:
            message: for people: the node or the expression, the value and the rule.
            data: for programs: what JSON can say, at most 64 KiB of it are kept.
        """
        super().__init__(message)
        self.data = data


class AttemptTimedOut(NodeError):
    """An attempt ran into one of its bounds."""

    def __init__(self, which: str, seconds: float) -> None:
        """Take the bound's name (`timeout`, `idle_timeout` or `total_timeout`) and its length in seconds."""
        super().__init__(which, seconds)
        self.which = which
        self.seconds = seconds

    def __str__(self) -> str:
        return f"{self.which} of {self.seconds:g} s is over"


class HandlerKilled(NodeError):
    """The process or thread of a handler ended before the handler did."""

    def __init__(self, reason: str) -> None:
        """Take what ended it, such as `crash` or `signal 9`."""
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"handler was killed: {self.reason}"


class CircuitOpen(NodeError):
    """A breaker refused the attempt; never retried by the node itself."""

    def __init__(self, key: str, retry_after: float | None, last_failure: str = "") -> None:
        """Take the circuit's key, the seconds until it may let somebody through, and what failed last.

        Args:
            key: as `manager.circuits` has it.
            retry_after: None: nobody knows.
            last_failure: type and message of the last failure that counted, cut short; empty: there was none.
        """
        super().__init__(key, retry_after, last_failure)
        self.key = key
        self.is_by_hand = retry_after == inf
        """Whether it was set so by hand, and stays until somebody sets it again."""
        self.retry_after = None if self.is_by_hand else retry_after
        self.last_failure = last_failure

    def __str__(self) -> str:
        hint = "" if self.retry_after is None else f"; retry after {self.retry_after:.3g} s"
        if self.is_by_hand:
            return f"circuit '{self.key}' is open: it was set so by hand"
        last = f"; the last failure was {self.last_failure}" if self.last_failure else ""
        return f"circuit '{self.key}' is open{hint}{last}"


class RunError(PlaybillError):
    """A run did not do what was asked of it."""


class RunFailed(RunError):
    """A run ended as failed."""

    def __init__(self, error: str, node_id: str | None = None) -> None:
        """Take the first cause's text and, when a node caused it, the node's id."""
        super().__init__(error, node_id)
        self.error = error
        self.node_id = node_id

    def __str__(self) -> str:
        place = "" if self.node_id is None else f" at node '{self.node_id}'"
        return f"run failed{place}: {self.error}"


class RunCancelled(RunError):
    """A run ended because somebody cancelled it."""

    def __init__(self, source: str, reason: str | None = None) -> None:
        """Take who asked (`user`, `parent`, `stop`...) and why."""
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return f"run was cancelled by {self.source}" + (f": {self.reason}" if self.reason else "")


class RunTimedOut(RunError):
    """A run ended because its time was over."""

    def __init__(self, seconds: float) -> None:
        """Take the run's timeout in seconds."""
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"run timeout of {self.seconds:g} s is over"


class UnknownRun(RunError, KeyError):
    """No run has this id."""

    def __init__(self, run_id: str, hint: str = "") -> None:
        """Take the id that was asked for, and where else it might be found."""
        super().__init__(run_id, hint)
        self.run_id = run_id
        self.hint = hint

    def __str__(self) -> str:
        return f"no run has the id '{self.run_id}'{f': {self.hint}' if self.hint else ''}"


class JournalError(PlaybillError):
    """The journal cannot keep or read facts: the environment's fault."""


class RunSetAside(JournalError):
    """A run cannot go on here; its journal has it, and it can be taken up once the reason is gone."""

    def __init__(self, run_id: str, reason: str) -> None:
        """Take the run's id, and why."""
        super().__init__(run_id, reason)
        self.run_id = run_id
        self.reason = reason

    def __str__(self) -> str:
        way_out = "mend that and open it again, or cancel it by `manager.cancel_run` or `playbill cancel`"
        return f"run '{self.run_id}' is set aside: {self.reason}; {way_out}"


class RunParked(JournalError):
    """A run was left by its manager, and goes on when its journal is opened again."""

    def __init__(self, run_id: str) -> None:
        """Take the run's id."""
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"run '{self.run_id}' is parked: it goes on when a manager opens its journal again"


class InternalError(PlaybillError):
    """Playbill broke one of its own rules: our fault, please report it."""
