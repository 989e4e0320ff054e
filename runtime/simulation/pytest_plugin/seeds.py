"""Runs one simulated test of pytest: what its markers and the command line ask for, seed after seed."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from playbill.model.errors import DefinitionError
from playbill.runtime.faults.tape import DullTape
from playbill.runtime.simulation.checks.properties import Always, LeadsTo, Sometimes, held_of, judged_of
from playbill.runtime.simulation.checks.violations import Crashed
from playbill.runtime.simulation.outcomes.words import describe_idle, describe_number
from playbill.runtime.simulation.pytest_plugin.arguments import arguments_of, check_fixtures, seeds_of, tape_of
from playbill.runtime.simulation.pytest_plugin.failures import describe_failure, hide_ours
from playbill.runtime.simulation.pytest_plugin.tapes import plan_from
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.virtual.escapes import EscapeWatch
from playbill.runtime.simulation.virtual.schedules import picker
from playbill.runtime.simulation.virtual.stuck import SimulationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from playbill.runtime.definitions.compile_once import PipelineCompiler
    from playbill.runtime.simulation.checks.properties import Property


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
        self._held: set[str] = set()
        self._judged: set[str] = set()
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
                if isinstance(error, SimulationError):
                    hide_ours(error)
                error.add_note(describe_failure(item, self.current, error, self.seeds, self._tape))
                raise
            self._held |= held_of(self._rules())
            self._judged |= judged_of(self._rules())
        self._warn_of_idle()

    def _rules(self) -> Sequence[Property]:
        """Return the properties of the world; none if the test has taken it apart."""
        return getattr(self.current.world, "properties", ())

    def _warn_of_idle(self) -> None:
        """Tell of properties that say nothing of all these seeds; of one that is played again they need not."""
        if self._tape is not None or self._item.config.getoption("sim_seed") is not None:
            return
        rules = self._rules()
        unheld = [rule.name for rule in rules if isinstance(rule, Sometimes) and rule.name not in self._held]
        conditional = (rule.name for rule in rules if isinstance(rule, Always | LeadsTo))
        for label, text in describe_idle(unheld, [name for name in conditional if name not in self._judged]):
            count = describe_number(len(self.seeds))
            self._item.warn(pytest.PytestWarning(f"sim: {label} in {count}: {text}"))


def _call(item: pytest.Function, arguments: Mapping[str, Any], sim: Simulation) -> None:
    __tracebackhide__ = True
    result = item.obj(**arguments)
    if inspect.iscoroutine(result):
        sim.advance(0)  # the manager is there before the test's first line
        sim.call(result)
    injector = getattr(sim.world, "injector", None)
    if sim.durable is None and injector is not None and injector.fired["crash"]:  # the test has expected it
        sim.abandon()
    else:
        sim.close()
