"""What every story runs with: each is told twice, embedded on a real loop and in simulated time."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import playbill
from playbill.runtime.faults.plan import FaultPlan, fault_plan
from playbill.runtime.faults.tape import SeededTape
from playbill.runtime.simulation.virtual.loop import VirtualLoop
from playbill.runtime.simulation.world import SimWorld
from tests.stories import support

SEEDS = (1, 2)
STAND_INS: FaultPlan = fault_plan(
    {
        "behaviours": {
            "types": {
                "polls": {"outcomes": [{"hangs": True}], "cooperative": True, "cleanup": 0.001},
                "spins": {"outcomes": [{"hangs": True}], "ignores_cancel": True},
                "asleep": {"outcomes": [{"hangs": True}], "ignores_cancel": True, "ignores_kill": True},
            }
        }
    }
)
"""What the stories' handlers in threads do, where there are no threads."""


class StoryLoop(VirtualLoop):
    """A virtual loop on which each manager has a simulated world of its own."""

    def __init__(self, seed: int) -> None:
        self.worlds: list[SimWorld] = []
        self.tape = SeededTape(seed)
        super().__init__(self.tape)

    @property
    def world(self) -> SimWorld:
        """The world of one more manager."""
        world = SimWorld(self, self.tape, STAND_INS, "random")
        self.worlds.append(world)
        return world

    @world.setter
    def world(self, _: Any) -> None:
        """Leave it: there is none for all."""


@pytest.fixture(params=["embedded", *(f"simulated-{seed}" for seed in SEEDS)])
def anyio_backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The loop a story is told on; a story with `real` in its keywords needs threads, processes or files."""
    kind, _, seed = request.param.partition("-")
    if kind == "embedded":
        yield "asyncio"
        return
    if marker := request.node.get_closest_marker("real"):
        pytest.skip(f"real only: {marker.args[0]}")
    loops: list[StoryLoop] = []

    def make() -> StoryLoop:
        loops.append(StoryLoop(int(seed)))
        return loops[-1]

    yield "asyncio", {"loop_factory": make}
    assert [violation for loop in loops for world in loop.worlds for violation in world.violations] == []
    assert loops, "this story never ran on its loop"


@pytest.fixture
def resources() -> dict[str, Any]:
    """What the handlers of a story and the story itself tell each other by."""
    return support.resources()


@pytest.fixture
async def manager(resources: dict[str, Any]) -> AsyncIterator[playbill.PipelineRunManager]:
    """A manager with short graces; whatever a story leaves behind is let go at its end."""
    async with playbill.PipelineRunManager(
        types=support.ALL, resources=resources, grace=0.05, kill_bound=0.5, secrets={"token": "hunter2"}
    ) as made:
        yield made
        resources["let_go"].set()
        resources["wake"].set()
