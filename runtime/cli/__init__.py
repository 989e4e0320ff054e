"""The command `playbill`: its subcommands, and what becomes of errors."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from cyclopts import App, CycloptsError

from playbill.runtime.cli.exit_codes import FINE, FOUND, INTERRUPTED, WRONG
from playbill.runtime.cli.terminal import streams

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = ["main"]

COMMANDS: Final = {
    "run:run": """Run a pipeline. Ctrl-C stops it, a second one at once.

Its progress and all logs go to standard error, its outputs to standard output. The run is kept in .playbill/ of this
folder: see `playbill runs`.

Exits with
  0    the run completed
  1    it failed, or its output could not be written
  2    wrong definition or usage, or a journal that cannot be had; nothing has begun
  74   the journal has failed to keep the run's end, and `playbill recover` goes on with it
  124  it was stopped by its timeout
  130  it was cancelled, as by Ctrl-C or SIGTERM
""",
    "inspect:validate": "Tell all that is wrong with a pipeline: whatever would keep `run` from starting it.",
    "inspect:graph": "Draw a pipeline: a text tree, how deep it is, and what every way through it has in common.",
    "inspect:schema": "Print the JSON Schema of pipeline definitions, for editors.",
    "inspect:types": "List the node types and actions, their fields (* required), what they give (* always), "
    "where they are defined.",
    "sim:sim": """Simulate a pipeline in virtual time, under faults or a load.

Many seeds with all invariants watched, one seed or one tape again, a check of determinism, or a stream of arrivals.

Exits with
  0  nothing was found
  1  something was found, or output could not be written
  2  the definition, a plan or the usage is wrong
""",
    "whatif:whatif": """Replay a recorded run under other policies.

Under other retries, timeouts or breakers; no handler runs. Shows both timelines beside each other.

Exits with
  0  it was replayed
  1  its output could not be written
  2  the definition, recording, change or usage is wrong
""",
    "runs.listing:runs": """List the runs that are kept, the newest first.

Of all journals in .playbill/ of this folder, whoever writes them now. A run of which only the beginning of its id is
shown is found by that.

Example: playbill runs --status failed --since 24h

Exits with
  0  they are listed, also if there are none
  2  wrong usage, or there is no journal that can be read
""",
    "runs.showing:show": """Show a run at a glance: how it stands and why, and its nodes.

Example: playbill show 0a1b2c3d

Exits with
  0  it is shown
  2  wrong usage, or there is no such run, or its journal cannot be read
""",
    "runs.tailing:events": """Print the events of a run, one a line.

Example: playbill events 0a1b2c3d --follow

Exits with
  0   they are printed, with --follow until the run has ended
  2   wrong usage, or there is no such run, or its journal cannot be read
  75  followed, and the run has not ended, but nobody goes on with it
""",
    "runs.showing:result": """Print what a run has given, as `playbill run` does.

Example: playbill result 0a1b2c3d --json

Exits with
  0    the run completed
  1    it failed, or its output could not be written
  2    wrong usage, or there is no such run, or its journal cannot be read
  75   it has not ended
  124  it was stopped by its timeout
  130  it was cancelled
""",
    "runs.tailing:logs": """Print what a run's handlers have logged, and what their processes and commands wrote.

Example: playbill logs 0a1b2c3d fetch --attempt 2

Exits with
  0   it is printed, with --follow until the run has ended
  2   wrong usage, or there is no such run or node, or its journal cannot be read
  75  followed, and the run has not ended, but nobody goes on with it
""",
    "runs.recovering:recover": """Go on with runs whose process has gone, in the foreground, until they have ended.

The process that owns a journal goes on with those in it, and is not waited for. A run that is paused stays so. Ctrl-C
leaves the runs as they are, and cancels none: recover them again.

Example: playbill recover --all

Exits with
  0    all have completed, or their journal's owner goes on with them, or there was nothing to recover
  1    one has failed or is set aside
  2    wrong usage, or there is no such run, or its journal cannot be had
  74   the journal has failed to keep what happened
  75   the run is paused
  124  the run was stopped by its timeout
  130  left, as by Ctrl-C; or the run was cancelled
""",
    "runs.control:cancel": """Stop runs, whoever has them at work.

The process that has a run at work stops it with grace, as Ctrl-C would; one that nobody has at work ends at once.

Example: playbill cancel 0a1b2c3d --reason "wrong input" --grace 10s

Exits with
  0   each is cancelled
  1   one had ended, or was being stopped already
  2   wrong usage, or there is no such run, and nothing was done
  74  the journal cannot be written; what is at work is stopped all the same
""",
    "runs.control:pause": """Have runs begin nothing more until they are resumed, whoever has them at work.

What is running goes on to its end. A run that nobody has at work is paused when it is taken up.

Example: playbill pause 0a1b2c3d

Exits with
  0   each is paused
  1   one was paused already, is being stopped, or has ended
  2   wrong usage, or there is no such run, and nothing was done
  74  the journal cannot be written
""",
    "runs.control:resume": """Have paused runs go on; one that nobody has at work does so when it is taken up.

Example: playbill resume 0a1b2c3d

Exits with
  0   each is resumed
  1   one was not paused
  2   wrong usage, or there is no such run, and nothing was done
  74  the journal cannot be written
""",
    "runs.control:attributes": """Set attributes of a run, by which `playbill runs` finds it, and print those it has.

Example: playbill attributes 0a1b2c3d customer=acme priority=3

Exits with
  0   they are set
  2   wrong usage, or there is no such run
  74  the journal cannot be written
""",
    "reruns.rerunning:retry": """Run again what a run has not completed, with the same idempotency keys.

It is a new run, which keeps what has completed and has nothing before it that runs again. The owner of the journal
begins it if there is one; else it runs here, until it has ended. The old run never changes.

Example: playbill retry 0a1b2c3d

Exits with
  0    the new run completed; or the journal's owner has begun it; with --later: it is recorded
  1    it failed, or its output could not be written
  2    wrong usage, or there is no such run, or it has completed or not ended; nothing has begun
  74   the journal has failed to keep the run's end, and `playbill recover` goes on with it
  124  it was stopped by its timeout
  130  it was cancelled, as by Ctrl-C or SIGTERM
""",
    "reruns.rerunning:fork": """Run a node of a run, and all after it, again; with other data or another pipeline.

It is a new run, which keeps all before the node. The owner of the journal begins it if there is one; else it runs
here, until it has ended. The old run never changes.

Example: playbill fork 0a1b2c3d charge --input amount=7

Exits with
  0    the new run completed; or the journal's owner has begun it; with --later: it is recorded
  1    it failed, or its output could not be written
  2    wrong usage, or there is no such run, or something before the node would have to run again; nothing has begun
  74   the journal has failed to keep the run's end, and `playbill recover` goes on with it
  124  it was stopped by its timeout
  130  it was cancelled, as by Ctrl-C or SIGTERM
""",
    "reruns.files:export": """Write a run to a file: its pipeline, events, outputs and log.

Whoever writes the journal meanwhile. Secrets that handlers have put into outputs are in it, too.

Example: playbill export 0a1b2c3d run.jsonl

Exits with
  0  it is written
  2  wrong usage, or there is no such run, or the file is there already or cannot be written
""",
    "reruns.files:import_": """Take a run that `export` wrote into a journal: as history, for `retry` and `fork`.

Example: playbill import run.jsonl --journal runs.db

Exits with
  0   it is there; its id is printed
  2   wrong usage, or the file is none of a run, or there is a run of its id
  74  the journal cannot be written
""",
    "runs.journal_files:prune": """Forget runs that ended long ago, and give their space back.

The program that has a journal open prunes it; it is not rewritten (--vacuum) meanwhile.

Example: playbill prune --older-than 30d --status completed

Exits with
  0  they are forgotten, also if there were none
  2  wrong usage, or a journal cannot be had, or its owner cannot prune it
""",
    "breakers.command:breakers": """List the circuits of breakers that are open or set by hand.

As the events of the journals tell, whoever writes them now; a program that has one open sets them by hand.

Example: playbill breakers --json

Exits with
  0  they are listed, also if there are none
  2  wrong usage, or there is no journal that can be read
""",
    "runs.doctor:doctor": """Look whether the journals are well: owner, sizes, schema, integrity, file system.

Also names SQLite's version, and whether it has a fault that matters.

Example: playbill doctor --journal runs.db

Exits with
  0  all is well
  1  something is not
  2  wrong usage, or there is no such journal
""",
}
"""What users read of each, by module and function; named, so that only the one that is called gets imported."""


JOURNAL: Final = "Print the SQL that makes a journal, or copy a journal while it is in use."
JOURNAL_COMMANDS: Final = {
    "runs.journal_files:sql": """Print the SQL that makes a journal, with a word on each table.

Example: playbill journal sql | less
""",
    "runs.journal_files:copy": """Copy a journal into a new file, whoever writes it meanwhile.

Example: playbill journal copy backup.db

Exits with
  0  it is copied
  2  wrong usage, or there is no such journal, or the copy cannot be written
""",
}
"""The same of `playbill journal ...`."""
BREAKER_COMMANDS: Final = {
    "breakers.forcing:force": """Set a circuit by hand, in the program that has its journal open.

It stays so over restarts, until it is reset: forced_open lets nobody through, disabled all, metrics_only all while it
counts.

Example: playbill breakers force http_call/api.example.com forced_open

Exits with
  0   it is set
  2   wrong usage, or no pipeline has used this key, or nobody has the journal open
  74  it is set, and the journal cannot be written
""",
    "breakers.forcing:reset": """Close a circuit that is open or set by hand, so that it runs by itself again.

Example: playbill breakers reset http_call/api.example.com

Exits with
  0   it is closed
  2   wrong usage, or no pipeline has used this key, or nobody has the journal open
  74  it is closed, and the journal cannot be written
""",
}
"""The same of `playbill breakers ...`."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its code.

    0: completed. 1: failed, or its output could not be written. 2: bad definition or usage. 124: timeout.
    130: cancelled.
    """
    sys.exit(_main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: Sequence[str]) -> int:
    streams.prepare()
    try:
        code = _call(arguments)
    except BrokenPipeError:  # whoever reads has seen enough
        code = FOUND
    except OSError as error:
        if error.filename is not None:
            raise
        streams.complain(f"the output cannot be written: {error.strerror or error}")
        code = FOUND
    failed = streams.finish()
    if failed is None:
        return code
    if code == FINE and not isinstance(failed, BrokenPipeError):
        streams.complain(f"the output cannot be written: {failed.strerror or failed}")
    return code or FOUND


def _call(arguments: Sequence[str]) -> int:
    app = App(name="playbill", help="Run pipelines as actors.", version=_version, help_format="plaintext")
    for place, text in COMMANDS.items():
        app.command(f"playbill.runtime.cli.{place}", help=flowing(text))
    journal = App(name="journal", help=JOURNAL, help_format="plaintext")
    for place, text in JOURNAL_COMMANDS.items():
        journal.command(f"playbill.runtime.cli.{place}", help=flowing(text))
    app.command(journal)
    try:
        with _nothing_collected():
            command, given, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        code = command(*given.args, **given.kwargs)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        ended = _code_of(error)
        if ended is None:
            raise
        streams.complain(str(error))
        return ended
    return code if isinstance(code, int) else FINE


def flowing(text: str) -> str:
    """Return a text whose paragraphs are a line each, for whoever fits them to a terminal; but for tables."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(part if "\n  " in part else part.strip().replace("\n", " ") for part in paragraphs)


@contextmanager
def _nothing_collected() -> Generator[None]:
    """Leave out the cyclic collector while modules are imported: it takes a tenth of a start, and finds nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 (slow, and only --version asks)

    return version("playbill")


def _code_of(error: Exception) -> int | None:
    """Return the exit code that an error stands for, which is not one of ours; None: it is."""
    from playbill.model.errors import DefinitionError, JournalError, RunSetAside  # noqa: PLC0415 (few raise anything)

    if isinstance(error, RunSetAside):
        return FOUND
    if isinstance(error, (CycloptsError, DefinitionError, JournalError)):
        code: int = getattr(error, "exit_code", WRONG)
        return code
    return None
