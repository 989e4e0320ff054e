"""Where the socket of a journal's owner lies: beside the file, or where its path is short enough for a socket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["socket_of", "sockets_of"]

LONGEST: Final = 107
"""Bytes of a socket's path, as Linux takes it."""


def socket_of(journal: Path) -> Path:
    """Return where the owner of a journal's file makes its socket.

    Args:
        journal: the database, absolute and with no links in it.
    """
    return sockets_of(journal)[0]


def sockets_of(journal: Path) -> list[Path]:
    """Return where the socket may be: an owner may have another environment than who looks for it."""
    beside = journal.with_name(f"{journal.name}.sock")
    if len(os.fsencode(beside)) <= LONGEST:
        return [beside]
    import tempfile  # noqa: PLC0415 (few paths are so long, and each start would wait for these)
    from hashlib import sha256  # noqa: PLC0415

    name = f"playbill-{sha256(os.fsencode(journal)).hexdigest()[:32]}.sock"
    folders = [os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()]
    return [Path(folder, name) for folder in folders if folder]
