"""What a node depends on, as its breaker has a circuit for it: which field of its config says so, and how it is read.

A target is a name, never a credential: of a URL only host and port count, and what looks like a password is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from urllib.parse import urlsplit

from playbill.model.errors import NodeConfigError
from playbill.model.templates import Template, compile_template

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FAILURES",
    "CompiledTarget",
    "TargetRule",
    "default_failures",
    "host_of",
    "services_of",
    "split_key",
    "text_of",
]

Reader: TypeAlias = Callable[[Any], str]
"""Reads a target from a field's value; raises ValueError when it names none."""

LONGEST: Final = 253
"""Characters of a target: what a host name may have."""
SERVERS: Final = frozenset(
    f"{scheme}{end}"
    for scheme in ("http", "json", "xml", "form", "mailto", "gotify", "mmost", "nctalk", "hassio", "mqtt")
    for end in ("", "s")
)
"""The schemes of apprise whose URLs name a server; in those of others the host may be a token."""
NAME: Final = re.compile(r"[^\x00-\x1f@=;{}\"'<>%?&\\]+")
"""What a name is made of: nothing that a connection string needs to say who somebody is."""
CREDENTIAL: Final = re.compile(r"passw|pwd|secret|token|bearer|authorization|api.?key|access.?key", re.IGNORECASE)
DEPENDS_ON_NOTHING: Final = frozenset({"command", "python"})
FAILURES: Final = 5
"""In a row open a circuit whose policy does not say."""


@dataclass(frozen=True, slots=True)
class TargetRule:
    """How the config of a node says what it depends on."""

    fields: tuple[str, ...]
    """All that are set count: a node needs each of them."""
    read: tuple[Reader, ...]
    """How each of them is read."""

    def compile(self, config: Mapping[str, Any], literal: frozenset[str]) -> CompiledTarget | str:
        """Give the target of a config as it was written; empty: it names none that may stand in a key.

        Args:
            config: a node's.
            literal: the fields that are never templates.
        """
        given = {field: config[field] for field in self.fields if config.get(field) not in (None, [])}
        template = compile_template({field: value for field, value in given.items() if field not in literal})
        if template is None:
            return self.of(given)
        needs_secrets = any("secrets" in expression.names for expression in template.expressions)
        return "" if needs_secrets else CompiledTarget(template, given, self)

    def of(self, given: Mapping[str, Any]) -> str:
        """Give the target of the fields that are set, as they are rendered; empty: one of them names none."""
        reads = zip(self.fields, self.read, strict=True)
        found = [_read(read, given[field]) for field, read in reads if field in given]
        if len(found) < 2 or "" in found:  # noqa: PLR2004 (one is taken as it is)
            return found[0] if len(found) == 1 else ""
        whole = ",".join(sorted({*",".join(found).split(",")}))
        return whole if len(whole) <= LONGEST else ""


@dataclass(frozen=True, slots=True)
class CompiledTarget:
    """A target that is known when a node begins."""

    template: Template
    """Of those fields that may hold expressions."""
    given: Mapping[str, Any]
    """The fields that are set, as they were written."""
    rule: TargetRule

    def of(self, variables: Mapping[str, Any]) -> str:
        """Give the target; empty: it names none, or cannot be rendered, which the attempt will say."""
        try:
            return self.rule.of({**self.given, **self.template.render(variables)})
        except NodeConfigError:
            return ""


def host_of(value: object) -> str:
    """Give the host of a URL, with the port if it names one, in lower case.

    Raises:
        ValueError: it is not a URL.
    """
    if not isinstance(value, str):
        raise ValueError("a URL is text")  # noqa: TRY004 (all that cannot be read is one error here)
    parts = urlsplit(value.strip())
    if not parts.scheme or not parts.hostname:
        raise ValueError("not a URL")
    if "@" in parts.path + parts.query + parts.fragment:  # of a password that was not encoded, the host may be a part
        raise ValueError("it may hold a credential")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return name if parts.port is None else f"{name}:{parts.port}"


def services_of(value: object) -> str:
    """Give what apprise URLs reach, sorted: the host where it is a server's, else the service by its scheme.

    Raises:
        ValueError: one is not a URL.
    """
    if not isinstance(value, list):
        raise ValueError("not a list of URLs")  # noqa: TRY004 (all that cannot be read is one error here)
    return ",".join(sorted({_service(url) for url in cast("list[object]", value)}))


def text_of(value: object) -> str:
    """Give a name as it is, of a URL its host.

    Raises:
        ValueError: it is not a name, or may hold a credential.
    """
    if isinstance(value, str):
        text = value.strip()
        if "://" in text:
            return host_of(text)
        if CREDENTIAL.search(text) or NAME.fullmatch(text) is None:
            raise ValueError("it may hold a credential")
        return text
    if isinstance(value, int | float):
        return str(value)
    raise ValueError("not a name")


def split_key(key: str, types: Iterable[str]) -> tuple[str, str] | None:
    """Split `type/target`; None: it is not about a target of one of these types."""
    known = [name for name in types if key.startswith(f"{name}/")]
    if not known:
        return None
    longest = max(known, key=len)
    return longest, key[len(longest) + 1 :]


def default_failures(key: str) -> int | None:
    """Give how many failures in a row open the circuits of a breaker whose policy does not say."""
    return None if key in DEPENDS_ON_NOTHING else FAILURES


def _service(url: object) -> str:
    if not isinstance(url, str):
        raise ValueError("a URL is text")  # noqa: TRY004 (all that cannot be read is one error here)
    scheme, found, _ = url.strip().partition("://")
    if not found:
        raise ValueError("not a URL")
    return host_of(url) if scheme.lower() in SERVERS else scheme.lower()


def _read(read: Reader, value: object) -> str:
    try:
        target = read(value)
    except ValueError:
        return ""
    return target if len(target) <= LONGEST and target.isprintable() else ""
