"""What seeds draw: each number is kept, so that a recording gives the same; and what is kept of stand-ins."""

import playbill
from playbill.runtime.faults.chances import Chances, Choice
from playbill.runtime.faults.plan import EVERYTHING, FaultPlan, fault_plan
from playbill.runtime.faults.tape import SCALE, RecordedTape, SeededTape
from playbill.runtime.simulation.study import Study


def drawn_of(tape: SeededTape | RecordedTape) -> list[float]:
    counts = (1, 2, 3, 8, SCALE)
    return [
        *(tape.choose("a", count) for count in counts),
        tape.fraction("a"),
        tape.fraction("b"),
        tape.chance("b", 0.5),
    ]


def test_a_seeded_tape_keeps_all_that_it_draws() -> None:
    seeded = SeededTape(7)
    drawn = drawn_of(seeded)
    recorded = RecordedTape(seeded.lanes)
    assert drawn_of(recorded) == drawn
    assert recorded.lanes == seeded.lanes
    assert [len(seeded.lanes[lane]) for lane in "ab"] == [5, 2]  # the only choice takes no tape


def test_each_of_several_faults_hits_in_its_share() -> None:
    chances = Chances([Choice("first", 1, 0.5), Choice("second", 2, 0.5)])
    hits = [chances.which(RecordedTape({"fault": [part * SCALE // 100]})).name for part in range(100)]
    assert hits == ["first"] * 67 + ["second"] * 33  # one half, and a half of the other


@playbill.node_type("stood_in_for")
def threaded(node: object, inputs: object, context: object) -> dict[str, int]:
    """Run in a thread, so that it needs a stand-in."""
    return {}


@playbill.node_type("runs_itself")
async def on_loop(node: object, inputs: object, context: object) -> dict[str, int]:
    """Run on the loop."""
    return {"n": 1}


def study_of(node_type: str, plan: FaultPlan) -> Study:
    definition = playbill.PipelineDefinition(name="one", nodes=[playbill.PipelineNode(id="n", type=node_type)])
    return Study(definition, faults=plan, options={"types": [threaded, on_loop]})


def test_a_plan_of_several_studies_gives_each_its_own_stand_ins() -> None:
    plan = fault_plan({"behaviours": {"types": {}}})
    silent, own = study_of("stood_in_for", plan), study_of("runs_itself", plan)
    for _ in range(2):
        assert silent.seed(1).outputs == {"n": {}}
        assert own.seed(1).outputs == {"n": {"n": 1}}


def test_the_managers_of_a_study_know_its_types_in_each_seed() -> None:
    study = study_of("runs_itself", EVERYTHING)
    assert {str(study.seed(seed).finding) for seed in range(4)} == {"None"}
