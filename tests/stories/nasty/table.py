"""The table: what becomes of each nasty handler, in each place where it may run. `python -m` prints it."""

from typing import Final, NamedTuple

COLUMNS: Final = ("async", "thread", "process", "command")


class Stopped(NamedTuple):
    """It is cancelled, and this is its receipt; nothing of it is left."""

    receipt: str
    note: str = ""

    def __str__(self) -> str:
        return self.receipt


class Late(NamedTuple):
    """It is cancelled and abandoned: an orphan until it ends by itself, and what it then says changes nothing."""

    note: str = ""

    def __str__(self) -> str:
        return "abandoned"


class Ends(NamedTuple):
    """It ends by itself, completed or failed with this text; nothing of it is left."""

    error: str = ""
    note: str = ""

    def __str__(self) -> str:
        return f"failed: {self.error}" if self.error else "completed"


class Refused(NamedTuple):
    """The definition is refused."""

    error: str
    note: str = ""

    def __str__(self) -> str:
        return f"refused: {self.error}"


class Interrupted(NamedTuple):
    """The watchdog names it and, allowed to, interrupts it."""

    note: str = ""

    def __str__(self) -> str:
        return "failed: interrupted by the watchdog; only named without `watchdog_interrupts`"


class Named(NamedTuple):
    """Impossible to end: the watchdog names it, while or after it stands in the way."""

    note: str = ""

    def __str__(self) -> str:
        return "**cannot be ended**; the watchdog names it (`loop.blocked`)"


class HostStops(NamedTuple):
    """Impossible to survive: the host stands still as long as its user likes."""

    note: str = ""

    def __str__(self) -> str:
        return "**stops the host**, and goes on with it"


class HostEnds(NamedTuple):
    """Impossible to survive: the host ends with this code."""

    code: int
    note: str = ""

    def __str__(self) -> str:
        return "**ends the host**, and with it all its processes"


class InHost(NamedTuple):
    """It is stopped with this receipt (or ends: none); but what it did to its host stays, its children too."""

    receipt: str
    note: str

    def __str__(self) -> str:
        return f"{self.receipt or 'completed'}, but **{self.note}**"


Cell = Stopped | Late | Ends | Refused | Interrupted | Named | HostStops | HostEnds | InHost


class Row(NamedTuple):
    """One nasty handler."""

    body: str
    title: str
    cells: tuple[Cell, Cell, Cell, Cell]


CHILD: Final = "the child is its host's, and stays"
LIMITS: Final = "limits are kept by a process of its own"
UNLIMITED: Final = "(use `ulimit` in its argv)"
STDOUT: Final = "the stdout is its host's"
INTERRUPTED, KILLED, POLITE = Stopped("interrupted"), Stopped("killed"), Stopped("cooperative")

TABLE: Final = (
    Row("spins", "`while True: pass`", (Interrupted(), KILLED, INTERRUPTED, INTERRUPTED)),
    Row("sleeps", "`time.sleep(1e9)`", (Named(), Late(), INTERRUPTED, INTERRUPTED)),
    Row("holds_the_lock", "a C call that keeps the GIL", (Named(), Named(), KILLED, INTERRUPTED)),
    Row("blocks_a_loop", "blocks the loop in async code", (Interrupted(), KILLED, KILLED, INTERRUPTED)),
    Row("swallows", "swallows CancelledError, everything, SIGTERM", (Late(), Late(), KILLED, KILLED)),
    Row("blocks_signals", "blocks all signals", (INTERRUPTED, KILLED, KILLED, KILLED)),
    Row("stops_itself", "sends itself SIGSTOP", (HostStops(), HostStops(), KILLED, KILLED)),
    Row("forks", "forks, children ignore everything",
        (InHost("interrupted", CHILD), InHost("killed", CHILD), INTERRUPTED, KILLED)),
    Row("double_forks", "double-forks, `setsid`",
        (InHost("interrupted", CHILD), InHost("killed", CHILD), INTERRUPTED, INTERRUPTED)),
    Row("forks_with_lock", "forks while a lock is held", (InHost("", CHILD), InHost("", CHILD), Ends(), Ends())),
    Row("exits", "`os._exit(3)`", (
        HostEnds(3), HostEnds(3), Ends("its process ended with exit code 3"), Ends("gave exit code 3"))),
    Row("segfaults", "segfaults", (
        HostEnds(-11), HostEnds(-11), Ends("its process died of SIGSEGV"), Ends("was ended by SIGSEGV"))),
    Row("eats", "eats memory to the limit", (
        Refused(LIMITS), Refused(LIMITS), Ends("limit memory_bytes of 100,000,000 reached"),
        Refused(LIMITS, UNLIMITED))),
    Row("closes_stdout", "closes its stdout, goes on",
        (InHost("interrupted", STDOUT), InHost("killed", STDOUT), INTERRUPTED, INTERRUPTED)),
    Row("floods", "writes 256 MB to stdout", (InHost("", STDOUT), InHost("", STDOUT), Ends(), Ends())),
    Row("raises_in_finally", "raises in `finally`", (POLITE, KILLED, POLITE, INTERRUPTED)),
    Row("leaves_threads", "leaves threads, daemon and not",
        (InHost("", "its threads stay"), InHost("", "its threads stay"), Ends(), INTERRUPTED)),
)  # fmt: skip
"""Rows of which a column is a test of its own, such as the death of the host, are beside it."""


def cells(*kinds: type[Cell]) -> list[tuple[str, str, Cell]]:
    """Return body, column and cell of all cells of these kinds."""
    found: list[tuple[str, str, Cell]] = []
    for row in TABLE:
        found += [
            (row.body, column, cell)
            for column, cell in zip(COLUMNS, row.cells, strict=True)
            if isinstance(cell, kinds)
        ]
    return found


def markdown() -> str:
    """Return the table as Markdown."""
    lines = [f"| handler | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for row in TABLE:
        texts = [f"{cell} {cell.note}".strip() if isinstance(cell, Refused) else str(cell) for cell in row.cells]
        lines.append(f"| {row.title} | {' | '.join(texts)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
