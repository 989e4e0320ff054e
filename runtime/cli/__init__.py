"""The command `playbill`: its subcommands, and what becomes of errors."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NoReturn

from cyclopts import App, CycloptsError

from playbill.model.errors import DefinitionError
from playbill.runtime.cli.exit_codes import FINE, FOUND, INTERRUPTED, WRONG
from playbill.runtime.cli.inspect import graph, schema, types, validate
from playbill.runtime.cli.run import run
from playbill.runtime.cli.terminal import streams

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

# Of commands that are named, not imported: each takes as long to import as all the rest.
SIM: Final = """Simulate a pipeline in virtual time, under faults or a load.

Many seeds with all invariants watched, one seed or one tape again, a check of determinism, or a stream of arrivals.

Exits with
  0  nothing was found
  1  something was found, or output could not be written
  2  the definition, a plan or the usage is wrong
"""
WHATIF: Final = """Replay a recorded run under other policies.

Under other retries, timeouts or breakers; no handler runs. Shows both timelines beside each other.

Exits with
  0  it was replayed
  1  its output could not be written
  2  the definition, recording, change or usage is wrong
"""


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
    app = App(name="playbill", help="Run pipelines as actors.", version=version("playbill"), help_format="plaintext")
    for command in (run, validate, graph, schema, types):
        app.command(command)
    app.command("playbill.runtime.cli.sim:sim", help=SIM)
    app.command("playbill.runtime.cli.whatif:whatif", help=WHATIF)
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, DefinitionError) as error:
        streams.complain(str(error))
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED
    return code if isinstance(code, int) else FINE
