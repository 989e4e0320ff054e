"""The length of a delay: a number, or what a template gives when the delay begins."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playbill.model.errors import NodeConfigError
from playbill.model.fields import MAX_SECONDS, is_seconds, seconds_of
from playbill.model.templates import DELAY_ROOTS, Template, compile_template
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Length"]


@dataclass(frozen=True, slots=True)
class Length:
    """How long a delay waits."""

    seconds: float
    template: Template | None
    """What gives the seconds instead."""

    @classmethod
    def of(cls, written: Any) -> Length:
        """Compile `config.seconds`."""
        template = compile_template(written, DELAY_ROOTS)
        return cls(_seconds(written) if template is None else 0.0, template)

    def over(self, variables: Callable[[], Mapping[str, Any]]) -> float:
        """Give the seconds.

        Args:
            variables: Gives what the template is rendered over.

        Raises:
            NodeConfigError: The template fails, or gives no length of time.
        """
        if self.template is None:
            return self.seconds
        return _seconds(self.template.render(variables()))


def _seconds(value: object) -> float:
    number = _number(value)
    if is_seconds(number):
        return float(number)
    shown = "null" if value is None else clip(repr(value), 60)
    raise NodeConfigError(
        f"config.seconds: {shown} is not a length of time: a number of seconds, 0 to {MAX_SECONDS:g}"
    )


def _number(value: object) -> object:
    """Give the number that a value is: of a text what it says, with its unit or without."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError):
        return float(value)
    with suppress(ValueError):
        return seconds_of(value)
    return None
