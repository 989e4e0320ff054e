"""The table of commands by which others control the runs of a journal, whatever carries them to its owner.

Each has a model of what is asked and one of the answer, see exchanged.py. Handlers ask
a manager; or, without an owner, whoever holds the journal's lock, as far as no run's handlers are needed.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from pydantic import ValidationError

from playbill.actors.answers import NotKeptYet
from playbill.model.errors import DefinitionError
from playbill.runtime.control.exchanged import (
    AttributesAsked,
    BegunAnswer,
    CancelAnswer,
    CancelAsked,
    ChangeAnswer,
    ForceAsked,
    ForkAsked,
    ImportAsked,
    KeptAnswer,
    Message,
    OfRun,
    OwnerAnswer,
    Ping,
    PruneAnswer,
    PruneAsked,
    RecoverAnswer,
    RecoverAsked,
    RetryAsked,
)
from playbill.runtime.definitions.versions import our_version

if TYPE_CHECKING:
    from pathlib import Path

    from playbill.runtime.recovery.taken_up import TakenUp

__all__ = ["COMMANDS", "UNKNOWN", "ControlCommand", "ControlTarget", "Controlled", "request_of"]


class HasId(Protocol):
    """A run."""

    @property
    def run_id(self) -> str:
        """Its id."""
        ...


class Controlled(Protocol):
    """Who has the runs of a journal: a manager, or whoever holds the journal's lock."""

    async def cancel_run(self, run_id: str, reason: str = "", grace: float | None = None) -> bool:
        """Stop a run; True if this decided it."""
        ...

    async def pause_run(self, run_id: str) -> bool:
        """Let a run begin nothing more; True if this paused it."""
        ...

    async def resume_run(self, run_id: str) -> bool:
        """Let a paused run go on; True if this resumed it."""
        ...

    async def set_attributes(self, run_id: str, attributes: Mapping[str, str | int | float | bool]) -> None:
        """Set attributes of a run."""

    async def prune(self, before: datetime, statuses: Sequence[str] = ()) -> int:
        """Forget runs that had ended by then; return how many."""
        ...

    async def recover(self, run_id: str | None = None) -> TakenUp:
        """Take up unfinished runs, or one."""
        ...

    async def retry_run(
        self, run_id: str, *, new_id: str | None = None, timeout_seconds: float | None = None
    ) -> HasId:
        """Begin a retry of a run."""
        ...

    async def fork_run(
        self,
        run_id: str,
        node: str,
        *,
        trigger_data: Mapping[str, Any] | None = None,
        definition: str | None = None,
        new_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> HasId:
        """Begin a fork of a run."""
        ...

    async def import_run(self, path: str, *, new_id: str | None = None) -> str:
        """Keep a run that a file has; return its id."""
        ...

    async def force_circuit(self, key: str, state: str) -> None:
        """Set a circuit by hand, or all of a breaker."""

    @property
    def active_runs(self) -> Sequence[object]:
        """The runs that are at work."""
        ...


class ControlTarget(NamedTuple):
    """What a handler has to do with."""

    runs: Controlled
    journal: Path


class ControlCommand(NamedTuple):
    """One command."""

    asked: type[Message]
    answer: type[Message]
    handle: Callable[[ControlTarget, Any], Awaitable[Message]]
    seconds: float = 15.0
    """How long who asks waits for the answer: a journal that fails has 5 s of it."""


async def _told(work: Awaitable[bool | None]) -> tuple[bool | None, bool]:
    """Return what came of something, and whether it is kept."""
    try:
        return await work, True
    except NotKeptYet as error:
        return error.answer, False


async def _cancel(control: ControlTarget, asked: CancelAsked) -> CancelAnswer:
    decided, kept = await _told(control.runs.cancel_run(asked.run, asked.reason, asked.grace))
    return CancelAnswer(decided=decided, kept=kept)


async def _pause(control: ControlTarget, asked: OfRun) -> ChangeAnswer:
    changed, kept = await _told(control.runs.pause_run(asked.run))
    return ChangeAnswer(changed=changed, kept=kept)


async def _resume(control: ControlTarget, asked: OfRun) -> ChangeAnswer:
    changed, kept = await _told(control.runs.resume_run(asked.run))
    return ChangeAnswer(changed=changed, kept=kept)


async def _set_attributes(control: ControlTarget, asked: AttributesAsked) -> KeptAnswer:
    try:
        await control.runs.set_attributes(asked.run, asked.attributes)
    except NotKeptYet:
        return KeptAnswer(kept=False)
    return KeptAnswer(kept=True)


async def _force(control: ControlTarget, asked: ForceAsked) -> KeptAnswer:
    try:
        await control.runs.force_circuit(asked.key, asked.state)
    except NotKeptYet:
        return KeptAnswer(kept=False)
    return KeptAnswer(kept=True)


async def _prune(control: ControlTarget, asked: PruneAsked) -> PruneAnswer:
    return PruneAnswer(pruned=await control.runs.prune(asked.before, asked.statuses))


async def _recover(control: ControlTarget, asked: RecoverAsked) -> RecoverAnswer:
    taken = await control.runs.recover(asked.run)
    return RecoverAnswer(runs=taken.runs, set_aside=taken.set_aside)


async def _retry(control: ControlTarget, asked: RetryAsked) -> BegunAnswer:
    run = await control.runs.retry_run(asked.run, new_id=asked.new_id, timeout_seconds=asked.timeout_seconds)
    return BegunAnswer(run=run.run_id)


async def _fork(control: ControlTarget, asked: ForkAsked) -> BegunAnswer:
    options = asked.model_dump(exclude={"run", "node"})
    return BegunAnswer(run=(await control.runs.fork_run(asked.run, asked.node, **options)).run_id)


async def _import(control: ControlTarget, asked: ImportAsked) -> BegunAnswer:
    return BegunAnswer(run=await control.runs.import_run(asked.file, new_id=asked.new_id))


async def _ping(control: ControlTarget, _asked: Ping) -> OwnerAnswer:
    alive = len(control.runs.active_runs)
    return OwnerAnswer(pid=os.getpid(), version=our_version(), journal=str(control.journal), alive=alive)


LONG: Final = 600.0
UNKNOWN: Final = "unknown command"
"""How an owner begins what it says of a command that it does not know, as all versions do."""
COMMANDS: Final[Mapping[str, ControlCommand]] = {
    "ping": ControlCommand(Ping, OwnerAnswer, _ping),
    "cancel": ControlCommand(CancelAsked, CancelAnswer, _cancel),
    "pause": ControlCommand(OfRun, ChangeAnswer, _pause),
    "resume": ControlCommand(OfRun, ChangeAnswer, _resume),
    "set_attributes": ControlCommand(AttributesAsked, KeptAnswer, _set_attributes),
    "force_circuit": ControlCommand(ForceAsked, KeptAnswer, _force),
    "prune": ControlCommand(PruneAsked, PruneAnswer, _prune, LONG),
    "retry": ControlCommand(RetryAsked, BegunAnswer, _retry),
    "fork": ControlCommand(ForkAsked, BegunAnswer, _fork),
    "import": ControlCommand(ImportAsked, BegunAnswer, _import, LONG),
    "recover": ControlCommand(RecoverAsked, RecoverAnswer, _recover, LONG),
}
"""By name."""


def request_of(name: object, given: object) -> tuple[ControlCommand, Any]:
    """Return a command, and what it is asked, by its model.

    Raises:
        DefinitionError: there is no such command, or it cannot be asked this.
    """
    command = COMMANDS.get(name) if isinstance(name, str) else None
    if command is None:
        text = f"{UNKNOWN} {name!r:.60}: commands are {', '.join(COMMANDS)}"
        raise DefinitionError.single("command", "command", text)
    try:
        return command, command.asked.model_validate(given)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'request'}: {problem['msg']}" for problem in error.errors()[:5]
        ]
        raise DefinitionError.single("request", "request", f"'{name}': {'; '.join(problems)}") from None
