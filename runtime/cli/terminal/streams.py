"""The command's standard streams: whatever becomes of them, no output ends in a traceback.

1. A stream that the command was started without is there all the same: reading gives nothing, writing fails.
2. What an encoding lacks is written another way: drawings by a look-alike, all else by its escape.
3. What cannot be written to standard error is lost, for nobody is there to read it; a run goes on.
4. What cannot be written to standard output makes the command fail, in one line.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["complain", "finish", "prepare", "reserve_output"]

MODES: Final = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)
"""How each of the three is opened that is closed: standard output so that writing fails."""
LOOK_ALIKES: Final = {
    **dict(zip("─│├└╭╮╰╯━╸╺·█▓▒░", "-|+`....===.####", strict=True)),
    **dict(zip("●↻✔✘○■", "*~+x-#", strict=True)),
    "…": "~",
}
"""What stands for a drawing in an encoding that has none."""
ERRORS: Final = "playbill.look-alike"


def prepare() -> None:
    """Make sure that all three streams are there and can take any text."""
    for number, mode in enumerate(MODES):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # noqa: FBT003 (the number is the lowest that is free)
    sys.stdin = sys.stdin or _opened(0, "r")
    sys.stdout = sys.stdout or _opened(1, "w")
    sys.stderr = sys.stderr or _opened(2, "w")
    codecs.register_error(ERRORS, _look_alike)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def _opened(number: int, mode: str) -> TextIO:
    return open(number, mode, encoding="utf-8", closefd=False)  # type: ignore[return-value]


def _look_alike(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    first, behind = error.start, error.start + 1
    if look_alike := LOOK_ALIKES.get(error.object[first]):
        return look_alike, behind
    return codecs.backslashreplace_errors(
        UnicodeEncodeError(error.encoding, error.object, first, behind, error.reason)
    )


def complain(text: str) -> None:
    """Write lines to standard error, if anybody is there to read them."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def reserve_output(*, wanted: bool) -> Generator[TextIO]:
    """Keep standard output for a result alone: all that others write there goes to standard error from here on.

    So do what C code and children of this process write, and what is written later. Give the stream for the result.

    Args:
        wanted: whether it is to be kept; else it is given as it is.
    """
    output = sys.stdout
    if not wanted:
        yield output
    elif isinstance(output, io.TextIOWrapper) and output.fileno() == 1:
        output.flush()
        own = os.dup(1)
        os.dup2(2, 1)
        output.reconfigure(line_buffering=True)
        with open(own, "w", encoding=output.encoding, errors=ERRORS) as result:  # noqa: PTH123 (a descriptor)
            yield result
    else:  # somebody has put another stream there
        with contextlib.redirect_stdout(sys.stderr):
            yield output


def finish() -> OSError | None:
    """Write what is left; return why standard output cannot be written. The interpreter's end finds nothing more."""
    failed: OSError | None = None
    for stream, number in ((sys.stderr, 2), (sys.stdout, 1)):
        try:
            stream.flush()
        except OSError as error:
            failed = error if number == 1 else None
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return failed
