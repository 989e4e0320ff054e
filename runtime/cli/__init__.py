"""The command `playbill`: its subcommands, its exit codes, its errors."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NoReturn

from cyclopts import App, CycloptsError

from playbill.model.errors import DefinitionError
from playbill.runtime.cli.inspect import graph, schema, types, validate
from playbill.runtime.cli.run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

WRONG: Final = 2
"""The exit code of a bad definition and of bad usage."""
INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its code.

    0: completed. 1: failed. 2: bad definition or usage. 124: timeout. 130: cancelled.
    """
    sys.exit(_main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: Sequence[str]) -> int:
    app = App(name="playbill", help="Run pipelines as actors.", version=version("playbill"))
    for command in (run, validate, graph, schema, types):
        app.command(command)
    app.command("playbill.runtime.cli.sim:sim")
    app.command("playbill.runtime.cli.whatif:whatif")
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
        return 0
    return code if isinstance(code, int) else 0
