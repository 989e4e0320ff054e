"""The configs of the built-in node types and actions."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from playbill.model.fields import Count, PositiveSeconds, Seconds, Settings, Text

__all__ = [
    "AgentConfig",
    "CallApiConfig",
    "CommandConfig",
    "ConditionConfig",
    "DelayConfig",
    "EmptyConfig",
    "ExecutePipelineConfig",
    "FreeConfig",
    "PythonConfig",
    "SendNotificationConfig",
]

_NAME = r"[A-Za-z_]\w*"


def _condition_text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value  # YAML's true is a condition, too


class FreeConfig(BaseModel):
    """Takes any fields: of types and actions that gave no model."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)


class EmptyConfig(Settings):
    """Has nothing to say: trigger and parallel."""


class AgentConfig(Settings):
    """Gives a task to a registered agent."""

    agent_id: Text
    task: Text


class ConditionConfig(Settings):
    """Evaluates a condition; its result decides which of the edges after it are live."""

    condition: Annotated[Text, BeforeValidator(_condition_text)]


class DelayConfig(Settings):
    """Waits so many seconds, and passes on what it received."""

    seconds: Seconds


class CommandConfig(Settings):
    """Runs a program, without a shell."""

    argv: list[str] = Field(min_length=1)
    cwd: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    """Added to the environment."""
    stdin: str | None = None
    ok_codes: list[int] = Field(default=[0])
    """Exit codes that do not count as failures."""
    max_output_bytes: Count = 256 * 1024
    """Kept of stdout and of stderr each: the head and the tail; what is between is left out."""
    strip: bool = False
    """Whether newlines at the end of stdout and of stderr are taken off, as a shell's $() does."""


class PythonConfig(Settings):
    """Calls a function."""

    call: Annotated[str, StringConstraints(pattern=rf"^{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*$")]
    """`module:function`."""
    args: dict[str, Any] = Field(default_factory=dict)


class CallApiConfig(Settings):
    """Sends an HTTP request."""

    url: Text
    method: Text = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)
    # Not `json`: that is a method of pydantic's.
    json_body: Any = Field(default=None, validation_alias="json", serialization_alias="json")
    body: str | None = None
    timeout_seconds: PositiveSeconds | None = None
    """For the whole exchange; None: only a minute of silence ends it."""
    ok_statuses: list[int] | None = None
    """Statuses that do not count as failures; None: all below 400. Redirects are followed, but these are not."""

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.json_body is not None and self.body is not None:
            raise ValueError("json and body exclude each other: keep one")
        return self


class SendNotificationConfig(Settings):
    """Sends a message to the people or services that its URLs name."""

    message: Text
    title: str | None = None
    webhook: Text | None = None
    """Gets a POST of JSON: message, title, run_id, node_id."""
    apprise: list[Text] | None = None
    """URLs as apprise writes them."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.webhook is None and not self.apprise:
            raise ValueError("nobody would be told: set webhook (a URL) or apprise (a list of its URLs)")
        return self


class ExecutePipelineConfig(Settings):
    """Runs another pipeline as a child."""

    pipeline: Text | dict[str, Any]
    """Its name, or the definition itself."""
    input: dict[str, Any] = Field(default_factory=dict)
    """The child's trigger data."""
