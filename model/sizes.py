"""How large what is recorded may be: an output, what a run is started with, what a run gives."""

from __future__ import annotations

import json
from typing import Final

__all__ = ["MAX_BYTES", "json_size"]

MAX_BYTES: Final = 1024 * 1024
"""As JSON in UTF-8: events are kept, and read again, as a whole."""


def json_size(value: object) -> int:
    """Return how many bytes plain JSON is in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))
