"""Who controls a run whose journal is slow or fails, in virtual time: what happens at once, who hears what when."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

import playbill
from playbill.model.errors import JournalError
from playbill.model.events import EventType
from playbill.model.facts import RunStatus
from playbill.model.machines.circuit_state import CircuitState
from playbill.runtime.faults.plan import fault_plan
from playbill.runtime.last_ends import KEEP_SECONDS, await_ends
from playbill.runtime.run import Run
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.virtual.clock import EPOCH
from tests.runtime.simulation.worlds import ALL, DIAMOND, FAULTS

ONE: dict[str, Any] = {"nodes": [{"id": "a", "type": "waits", "config": {"cleanup": 0.0}}]}
NOT_YET = "the journal has not kept that yet, and goes on trying: injected: the disk fails"


def world(kind: str = "journal_failing", seconds: float = 30.0, **more: Any) -> Simulation:
    """A world whose journal is ill from 0.5 s on, with the first event after that."""
    fault = {"fault": kind, "after": 0.5, "seconds": seconds, "times": 1}
    return Simulation(faults={"faults": [fault]}, types=ALL, grace=2.0, **more)


def started(sim: Simulation, definition: dict[str, Any] = ONE) -> Run:
    run = sim.start(definition, run_id="r")
    sim.advance(1)
    return run


def test_a_cancel_while_the_journal_fails_stops_at_once_and_says_after_5_s_that_it_is_not_kept() -> None:
    with world() as sim:
        run = started(sim)
        with pytest.raises(JournalError, match=f"^run 'r' has ended cancelled; {NOT_YET}$"):
            sim.call(run.cancel("enough"))
        assert sim.time == 6.0
        assert not run.done
        result = sim.result(run)
        assert (result.status, int(sim.time)) == (RunStatus.CANCELLED, 31)
        ended = result.node_results["a"].ended_at
        assert ended is not None
        assert ended == EPOCH + timedelta(seconds=1)  # at once


def test_a_cancel_of_a_run_that_takes_its_grace_says_that_it_is_being_stopped() -> None:
    with world() as sim:
        run = started(sim, {"nodes": [{"id": "a", "type": "waits", "config": {"cleanup": 8.0}}]})
        with pytest.raises(JournalError, match=f"^run 'r' is being stopped; {NOT_YET}$"):
            sim.call(sim.manager.cancel_run("r", grace=20.0))
        assert (sim.result(run).status, int(sim.time)) == (RunStatus.CANCELLED, 31)


def test_a_pause_that_is_not_kept_is_in_force_and_the_resume_after_it_is_answered_as_ever() -> None:
    with world(seconds=10.0) as sim:
        run = started(sim, DIAMOND)
        with pytest.raises(JournalError, match=f"^run 'r' is paused; {NOT_YET}$"):
            sim.call(run.pause())
        assert (run.is_paused, sim.time) == (True, 6.0)
        sim.advance(60)
        assert sim.call(run.resume()) is True
        assert (sim.time, run.status) == (66.0, RunStatus.RUNNING)
        assert sim.result(run).status is RunStatus.COMPLETED


def test_a_journal_that_is_back_within_5_s_answers_as_ever() -> None:
    with world(seconds=4.0) as sim:
        run = started(sim)
        assert sim.call(run.cancel()) is True
        assert sim.time == 5.0


def test_a_slow_journal_is_waited_for() -> None:
    with world("journal_slow", 100.0) as sim:
        run = started(sim, DIAMOND)
        assert sim.call(run.pause()) is True
        assert int(sim.time) == 101
        assert sim.call(run.resume()) is True
        assert sim.result(run).status is RunStatus.COMPLETED


@pytest.mark.parametrize(("kind", "answered"), [("journal_slow", 31.0), ("journal_failing", 6.0)])
def test_a_circuit_that_is_forced_is_so_at_once_and_its_answer_waits(kind: str, answered: float) -> None:
    with world(kind) as sim:
        run = started(sim)
        force = sim.manager.force_circuit("waits", "forced_open")
        if kind == "journal_slow":
            sim.call(force)
        else:
            said = f"^what breaker 'waits' was told is in force; {NOT_YET}$"
            with pytest.raises(JournalError, match=said):
                sim.call(force)
        assert (sim.time, sim.manager.circuits["waits"]) == (answered, CircuitState.FORCED_OPEN)
        sim.call(run.cancel())


def test_with_a_healthy_journal_nobody_waits() -> None:
    with Simulation(types=ALL) as sim:
        run = started(sim, DIAMOND)
        answers = [sim.call(ask()) for ask in (run.pause, run.pause, run.resume, run.cancel)]
        assert (answers, sim.time) == ([True, False, True, True], 1.0)


# ---- a manager that is closed --------------------------------------------------------------------------------------


def test_a_run_whose_end_is_not_kept_in_time_is_given_up_and_who_waits_for_it_hears_so() -> None:
    sim = world(seconds=1000.0)
    run = started(sim)

    async def closing() -> list[Any]:
        waiting = [asyncio.ensure_future(wait) for wait in (run.result(), run.cancel(), run.result())]
        await asyncio.sleep(0)
        run.request_cancel()
        assert await await_ends(sim.manager._runs) == [run]
        return await asyncio.gather(*waiting, return_exceptions=True)

    heard = sim.call(closing())
    why = "its manager was closed, and waited 5 s for that: injected: the disk fails; whoever opens the journal"
    assert [isinstance(error, JournalError) for error in heard] == [True] * 3
    assert f"run 'r' has ended cancelled; the journal has not kept that: {why}" in str(heard[0])
    assert sim.time == 1.0 + KEEP_SECONDS
    with pytest.raises(JournalError, match=r"^run 'r' has ended cancelled; the journal has not kept that"):
        sim.call(run.result())
    assert (run.done, run.outcome, sim.manager.active_runs) == (False, None, [])
    assert sim.manager.get_run("r") is run
    sim.abandon()


def test_runs_that_are_kept_in_time_are_not_given_up() -> None:
    with world("journal_failing", seconds=4.0) as sim:
        runs = [started(sim), sim.start({"nodes": [{"id": "b", "type": "waits", "config": {"cleanup": 1.5}}]})]
        sim.advance(1)

        async def closing() -> list[Run]:
            for run in runs:
                run.request_cancel()
            return await await_ends(sim.manager._runs)

        assert sim.call(closing()) == []
        assert [run.done for run in runs] == [True, True]


def test_what_takes_its_grace_to_stop_is_waited_for_before_the_journal_is() -> None:
    with Simulation(types=ALL) as sim:
        run = started(sim, {"nodes": [{"id": "a", "type": "waits", "config": {"cleanup": 60.0}}]})
        run.request_cancel(grace=100.0)
        assert sim.call(await_ends(sim.manager._runs)) == []
        assert (run.done, sim.time) == (True, 61.0)


def test_a_run_that_has_ended_cannot_be_given_up() -> None:
    with Simulation(types=ALL) as sim:
        run = started(sim)
        sim.call(run.cancel())
        sim.result(run)
        run.give_up("its manager was closed")
        assert sim.result(run).status is RunStatus.CANCELLED
        sim.call(run.stopped())


# ---- whatever the journal does -------------------------------------------------------------------------------------

CAUSED = {
    "pause": EventType.PIPELINE_RUN_PAUSED,
    "resume": EventType.PIPELINE_RUN_RESUMED,
    "cancel": EventType.PIPELINE_RUN_CANCEL_REQUESTED,
}
ILL = fault_plan(
    {
        "faults": [
            *({"fault": fault.kind, **fault.model_dump(exclude={"fault"})} for fault in FAULTS.faults),
            {"fault": "journal_full", "probability": 0.1, "seconds": 8.0},
            {"fault": "actor_fails", "actor": "supervisor", "probability": 0.01},
        ]
    }
)


async def controlled(run: Run, heard: dict[str, int]) -> None:
    """Pause, resume and cancel a run; whoever hears that it was this that did it finds its event kept."""
    for name in ("pause", "resume", "pause", "cancel"):
        await asyncio.sleep(0.6)
        before = len(kept(run))
        try:
            did = await getattr(run, name)()
        except (JournalError, playbill.InternalError) as error:
            heard[type(error).__name__] = heard.get(type(error).__name__, 0) + 1
            continue
        heard[f"{name} {did}"] = heard.get(f"{name} {did}", 0) + 1
        if did:
            assert CAUSED[name] in kept(run)[before:]


def kept(run: Run) -> list[EventType]:
    reader = run.events()
    return [event.type for event in iter(reader.take, None)]


def test_whoever_is_told_true_finds_it_kept_whatever_fails() -> None:
    heard: dict[str, int] = {}
    for seed in range(150):
        with Simulation(seed, faults=ILL, types=ALL, grace=1.0) as sim:
            run = sim.start(DIAMOND)
            sim.call(controlled(run, heard))
    assert {"pause True", "resume True", "cancel True", "cancel False", "NotKeptYet"} <= heard.keys()
