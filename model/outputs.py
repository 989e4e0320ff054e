"""What the built-in types and actions give."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AgentOutput",
    "CallApiOutput",
    "CommandOutput",
    "ConditionOutput",
    "HttpError",
    "SendNotificationOutput",
    "keys_given",
]


class Output(BaseModel):
    """What is given; made when first used, since a start needs few of them."""

    model_config = ConfigDict(defer_build=True)


class AgentOutput(Output):
    """An agent's answer."""

    result: Any
    agent_id: str
    simulated: bool
    """No agents are registered, so nobody was asked."""


class ConditionOutput(Output):
    """What a condition came to."""

    result: bool


class CommandOutput(Output):
    """What a program said, and how it ended."""

    stdout: str
    stderr: str
    exit_code: int
    truncated: bool = True
    """Only where something was left out of the middle."""


class CallApiOutput(Output):
    """An answer."""

    status: int
    headers: dict[str, str]
    """Names in small letters."""
    # Not `json`: that is a method of pydantic's.
    json_body: Any = Field(default=None, alias="json")
    """Only of an answer that says and is JSON."""
    text: str = ""
    """Only of any other."""


class SendNotificationOutput(Output):
    """Who was told."""

    sent: list[str]
    """The ways that took it: webhook, apprise."""


class HttpError(Output):
    """What an answer said that is none to go on with."""

    status: int
    headers: dict[str, str]
    body: str
    """Its beginning."""
    # Not `json`: that is a method of pydantic's.
    json_body: Any = Field(default=None, alias="json")


def keys_given(output: type[BaseModel]) -> dict[str, bool]:
    """Give the keys of an output, and whether each is always there."""
    fields = output.model_fields.items()
    return {field.alias or name: field.is_required() for name, field in fields}
