"""Runs one simulated test of pytest: what its markers and the command line ask for, seed after seed."""

from __future__ import annotations

import inspect
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from playbill.model.errors import DefinitionError
from playbill.runtime.faults.tape import DullTape
from playbill.runtime.simulation.checks.violations import Crashed
from playbill.runtime.simulation.pytest_plugin.arguments import arguments_of, check_fixtures, seeds_of, tape_of
from playbill.runtime.simulation.pytest_plugin.tapes import from_here, plan_from, save_test_tape
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.virtual.escapes import EscapeWatch
from playbill.runtime.simulation.virtual.schedules import picker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.runtime.definitions.compiler import PipelineCompiler


class SimulatedTest:
    """A test that has asked for `sim`.

    Args:
        item: the test.

    Raises:
        pytest.fail.Exception: its markers or the command line ask for what cannot be.
    """

    def __init__(self, item: pytest.Item) -> None:
        try:
            self._prepare(item)
        except (DefinitionError, TypeError, ValueError) as error:
            raise pytest.fail.Exception(f"sim: {error}", pytrace=False) from None

    def _prepare(self, item: pytest.Item) -> None:
        said = arguments_of(item)
        self._item = item
        self._tape = tape_of(item)
        self.seeds = (self._tape.seed,) if self._tape is not None else seeds_of(item, said.pop("seeds", None))
        said.pop("seeds", None)
        check_fixtures(item, self.seeds)
        allow = said.pop("allow", ())
        self._watch = allow if allow is None else EscapeWatch(allow)
        self._faults = plan_from(said.pop("faults", None), item.path.parent)
        picker(said.get("policy", "random"), DullTape())
        self._options = said
        self._compiler: PipelineCompiler | None = None
        self.current = self._world(self.seeds[0])

    def _world(self, seed: int) -> Simulation:
        """Make a world; all worlds of a test share what is assembled once."""
        if self._watch is not None:
            self._watch.escapes.clear()
        lanes = None if self._tape is None else self._tape.lanes
        sim = Simulation(seed, tape=lanes, faults=self._faults, allow=self._watch, **self._options)
        if self._compiler is None:
            self._compiler = sim.manager.compiler
        sim.manager.compiler = self._compiler
        return sim

    def run(self, item: pytest.Function) -> None:
        """Run the test in one world after another, until it fails."""
        __tracebackhide__ = True
        names = [name for name in inspect.signature(item.obj).parameters if name in item.funcargs]
        arguments = {name: item.funcargs[name] for name in names}
        for place, seed in enumerate(self.seeds):
            if place:
                self.current = self._world(seed)
            if "sim" in arguments:
                arguments["sim"] = item.funcargs["sim"] = self.current
            try:
                _call(item, arguments, self.current)
            except Crashed:
                self.current.abandon()
            except (pytest.skip.Exception, pytest.xfail.Exception, KeyboardInterrupt):
                self.current.abandon()
                raise
            except BaseException as error:
                self.current.abandon()
                error.add_note(self._note(error, seed, place))
                raise

    def _note(self, error: BaseException, seed: int, place: int) -> str:
        """Keep the tape; say how to play it again."""
        item = self._item
        _, colons, name = item.nodeid.partition("::")
        command = f"pytest {shlex.quote(f'{from_here(item.path, item.config)}{colons}{name}')}"
        if self._tape is not None:
            return f"sim: failed again, with the tape {self._tape.path}"
        of_all = f" ({place + 1:,} of {len(self.seeds):,})" if len(self.seeds) > 1 else ""
        tape = save_test_tape(item, self.current, error)
        return (
            f"sim: failed with seed {seed}{of_all}, at {self.current.time:g} s\n"
            f"replay: {command} --sim-seed {seed}\n"
            f"or its tape, after a change: {command} --sim-tape {shlex.quote(str(tape))}"
        )


def _call(item: pytest.Function, arguments: Mapping[str, Any], sim: Simulation) -> None:
    __tracebackhide__ = True
    result = item.obj(**arguments)
    if inspect.iscoroutine(result):
        sim.advance(0)  # the manager is there before the test's first line
        sim.call(result)
    injector = getattr(sim.world, "injector", None)
    if injector is not None and injector.fired["crash"]:  # the test has expected it
        sim.abandon()
    else:
        sim.close()
