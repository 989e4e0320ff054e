"""What commands are asked and what they answer, as models: a socket carries them as JSON, HTTP may as well."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

__all__ = [
    "AttributesAsked",
    "BegunAnswer",
    "CancelAnswer",
    "CancelAsked",
    "ChangeAnswer",
    "ForceAsked",
    "ForkAsked",
    "ImportAsked",
    "KeptAnswer",
    "Message",
    "OfRun",
    "OwnerAnswer",
    "Ping",
    "PruneAnswer",
    "PruneAsked",
    "RecoverAnswer",
    "RecoverAsked",
    "RetryAsked",
]


class Message(BaseModel):
    """What is asked or answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OfRun(Message):
    """Asks something of a run."""

    run: str


class CancelAsked(OfRun):
    """Asks for a run's end."""

    reason: str = ""
    grace: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Seconds that handlers have to clean up; None: the run's own."""


class CancelAnswer(Message):
    """Tells what became of a cancel."""

    decided: bool | None
    """Whether this cancel decided the run; None: nobody can tell, for it is not kept yet."""
    kept: bool
    """False: the run is being stopped, and the journal, which fails, has yet to keep that."""


class ChangeAnswer(Message):
    """Tells what became of a pause or a resumption."""

    changed: bool | None
    """Whether it changed the run; None: nobody can tell, for it is not kept yet."""
    kept: bool


class AttributesAsked(OfRun):
    """Asks for attributes to be set."""

    attributes: dict[str, str | int | float | bool]


class KeptAnswer(Message):
    """Tells whether something is kept."""

    kept: bool


class ForceAsked(Message):
    """Asks for a circuit, or all of a breaker, to be set by hand."""

    key: str
    state: str


class PruneAsked(Message):
    """Asks for runs to be forgotten."""

    before: AwareDatetime
    statuses: list[str] = []


class PruneAnswer(Message):
    """Tells how many are."""

    pruned: int


class RecoverAsked(Message):
    """Asks for unfinished runs to be taken up."""

    run: str | None = None
    """None: all."""


class RecoverAnswer(Message):
    """Tells what became of them."""

    runs: list[str]
    """Those that go on."""
    set_aside: dict[str, str]
    """Why others do not, by id."""


class Ping(Message):
    """Asks who is there."""


class OwnerAnswer(Message):
    """Tells who owns the journal."""

    pid: int
    version: str
    """Of playbill."""
    journal: str
    alive: int
    """How many runs are at work."""


class RetryAsked(OfRun):
    """Asks for a retry of a run."""

    new_id: str | None = None
    """None: one is made."""
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """None: as the old run's."""


class ForkAsked(RetryAsked):
    """Asks for a fork of a run."""

    node: str
    trigger_data: dict[str, Any] | None = None
    """None: as the old run's."""
    definition: str | None = None
    """The path of a file; None: as the old run's."""


class ImportAsked(Message):
    """Asks for a run to be taken from a file."""

    file: str
    new_id: str | None = None
    """None: the id that it had."""


class BegunAnswer(Message):
    """Tells which run there is now."""

    run: str
