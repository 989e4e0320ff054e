"""The pytest plugin: the fixture `sim`, a virtual world, and the marker `sim`, which runs a test once for each seed.

Every pytest run of every user loads it, so it imports nothing of ours before a test asks for a simulation.

    @pytest.mark.sim(seeds=1000, faults="all")
    def test_the_order_is_shipped_whatever_happens(sim):
        result = sim.run(ORDER, {"item": "chair"})
        assert result.status in {"completed", "failed"}

Rules:

1. Without the marker a test runs once: seed 0, no faults. With it once for each seed, each in a fresh world; `seeds`
   is a number or the seeds themselves. The first seed that fails ends the test.
2. All other fixtures are made once and shared by the seeds. So a fixture that asks for `sim` itself is for tests of
   one seed only.
3. Where a fault plan kills the runtime the seed ends, and nothing is wrong.
4. After a seed its world is closed and looked at: a broken invariant fails the test.
5. An `async def` test is run in the virtual world itself, by `sim.call`.
6. Markers of a class and of a module are merged with the test's own, which wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.runtime.simulation.pytest_plugin.seeds import SimulatedTest
    from playbill.runtime.simulation.simulation import Simulation

MARKER: Final = (
    "sim(seeds=1, faults=None, policy='random', allow=(), properties=(), traced=False, crashes=None, **options):"
    " run the test once for each seed, in virtual time; faults is 'all', a mapping, a FaultPlan or a YAML file;"
    " options are those of playbill.PipelineRunManager."
)
TEST: Final[pytest.StashKey[SimulatedTest]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that play a failure again."""
    group = parser.getgroup("playbill", "simulations (playbill)")
    group.addoption("--sim-seed", type=int, metavar="SEED", help="run simulated tests with this seed only")
    group.addoption("--sim-seeds", type=int, metavar="N", help="run tests marked sim with the seeds 0 to N-1")
    group.addoption("--sim-tape", metavar="FILE", help="play this tape, as a failed simulated test has written it")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a tape that is of none of the tests: all would be skipped, and nothing played."""
    if session.config.getoption("sim_tape") is not None and not session.testsfailed:
        from playbill.runtime.simulation.pytest_plugin.tapes import check_taken  # noqa: PLC0415 (see the module's head)

        check_taken(session)


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """A world in virtual time: `sim.run(definition)`, `sim.start`, `sim.advance(3600)`, `sim.at("12:00")`.

    It is closed and looked at when the test ends; mark the test `sim` for more seeds, and for faults.
    """
    from playbill.runtime.simulation.pytest_plugin.seeds import SimulatedTest  # noqa: PLC0415 (see the module's head)

    test = request.node.stash[TEST] = SimulatedTest(request.node)
    yield test.current
    test.current.close()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a marker that would do nothing."""
    marked = any(marker.name == "sim" for marker in item.own_markers)
    if marked and "sim" not in getattr(item, "fixturenames", ()):
        pytest.fail("a test marked sim asks for the fixture of that name: def test_...(sim)", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test with a simulation once for each seed; leave all others to pytest."""
    __tracebackhide__ = True
    test = pyfuncitem.stash.get(TEST, None)
    if test is None:
        return None
    test.run(pyfuncitem)
    return True
