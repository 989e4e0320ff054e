"""The command `playbill`: its subcommands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

from cyclopts import App, CycloptsError

from playbill.model.errors import DefinitionError
from playbill.runtime.cli.exit_codes import FINE, INTERRUPTED, WRONG
from playbill.runtime.cli.inspect import graph, schema, types, validate
from playbill.runtime.cli.run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its code.

    0: completed. 1: failed. 2: bad definition or usage. 124: timeout. 130: cancelled.
    """
    sys.exit(_main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what it cannot encode is escaped, as JSON does it, too
            stream.reconfigure(errors="backslashreplace")
    app = App(name="playbill", help="Run pipelines as actors.", version=version("playbill"))
    for command in (run, validate, graph, schema, types):
        app.command(command)
    # Named, not imported: each takes as long to import as all the rest.
    app.command("playbill.runtime.cli.sim:sim", help="Simulate a pipeline in virtual time, under faults or a load.")
    app.command("playbill.runtime.cli.whatif:whatif", help="Replay a recorded run under other policies.")
    try:
        code = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:  # it has printed what is wrong
        return WRONG
    except DefinitionError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever reads has seen enough; nothing more can be written, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    return code if isinstance(code, int) else FINE
