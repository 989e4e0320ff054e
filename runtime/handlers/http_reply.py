"""An HTTP answer, and what it says: text in the charset that it names, and JSON if it is."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from typing import Any, Final

from playbill.model.strict_json import refuse_constant

__all__ = ["Reply"]

_NO_CHARSETS: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Codecs of Python's that give text, and are no charset to anybody else."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    headers: dict[str, str]
    content: bytes
    charset: str | None

    @property
    def text(self) -> str:
        """Its content in the charset that it names, in UTF-8 where that is none."""
        try:
            charset = codecs.lookup(self.charset or "utf-8").name
            if charset not in _NO_CHARSETS:
                return self.content.decode(charset, "replace")
        except (LookupError, ValueError):  # unknown, no charset of texts, or one that takes no replacements
            pass
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return what it says as JSON.

        Raises:
            ValueError: it does not say that it is JSON, or is not.
        """
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise ValueError(f"{media_type} is not JSON")
        try:
            said = self.content if self.charset is None else self.text
            return json.loads(said, parse_constant=refuse_constant)
        except RecursionError as error:
            raise ValueError("it is nested too deep") from error
