"""A wrong load plan is refused before anything runs; the text names the thing, value, rule and way out."""

from typing import Any

import pytest

from playbill.model.errors import DefinitionError
from playbill.runtime.faults.plan import fault_plan
from playbill.runtime.simulation.load.engine import simulate_load
from playbill.runtime.simulation.load.plan import load_plan
from playbill.runtime.simulation.load.sweep import sweep, variants
from tests.runtime.simulation.load.support import chain, plan, station


def refusal(**fields: Any) -> str:
    with pytest.raises(DefinitionError) as caught:
        load_plan({"span": 10, "arrivals": {"constant": {"every": 1}}, **fields})
    return str(caught.value)


def test_durations_and_rates_may_have_units() -> None:
    load = plan(span="1h30m", warm_up="2 min", drain="1d", arrivals={"poisson": {"rate": "90/min"}})
    assert (load.span, load.warm_up, load.drain) == (5400, 120, 86400)
    assert load.arrivals[0].poisson is not None
    assert load.arrivals[0].poisson.rate == 1.5


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"spam": 1}, "unknown field 'spam', did you mean 'span'?; fields are: 'span', 'arrivals'"),
        ({"span": 0}, "span: input should be greater than 0, not 0"),
        (
            {"span": "soon"},
            "span: 'soon' is not a duration: write seconds as a number, or text such as 90s",
        ),
        ({"span": True}, "span: input should be a valid number, not True"),
        ({"warm_up": 10}, "warm_up (10 s) ends before the span does (10 s)"),
        ({"max_live_runs": 0}, "max_live_runs: input should be greater than or equal to 1, not 0"),
        ({"arrivals": []}, "arrivals names no source: add one, such as `- poisson: {rate: 1}`"),
        ({"arrivals": [{}]}, "arrivals 1: arrivals are exactly one of poisson, bursts, constant, recorded, not none"),
        (
            {"arrivals": {"constant": {"every": 1}, "poisson": {"rate": 1}}},
            "arrivals 1: arrivals are exactly one of poisson, bursts, constant, recorded, not ['poisson', 'const",
        ),
        ({"arrivals": {"poisson": {"rate": -1.0}}}, "arrivals 1: poisson.rate: input should be greater than"),
        (
            {"arrivals": {"poisson": {"rate": "many"}}},
            "'many' is not a rate: write a number (a second), or text such as",
        ),
        ({"arrivals": {"poisson": {}}}, "poisson arrivals take exactly one of rate and profile"),
        ({"arrivals": {"poisson": {"profile": [[0, 0]]}}}, "a profile needs at least one step [at, rate] whose rate"),
        (
            {"arrivals": {"poisson": {"profile": [[5, 1], [5, 2]]}}},
            "a profile's steps go forwards in time, not 5, 5",
        ),
        ({"arrivals": {"bursts": {"every": 1}}}, "arrivals 1: field 'bursts.size' is missing"),
        ({"arrivals": {"constant": {"every": 0}}}, "arrivals 1: constant.every: input should be greater than 0"),
        ({"sweep": {"max_concurrency": []}}, "sweep of 'max_concurrency' has no values: list at least one"),
        ({"sweep": {"timeout": [1], "max_concurrency": [1]}}, "sweep varies one parameter, not 2"),
        (
            {"behaviours": {"nodes": {"n0": {"duration": -1}}}},
            "behaviour of node 'n0': duration.constant: input should be greater than or equal to 0",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_the_rule(fields: dict[str, Any], told: str) -> None:
    assert told in refusal(**fields)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(DefinitionError) as caught:
        load_plan({"span": -1, "arrivals": {"poisson": {"rate": 0}}, "seed": -1})
    assert [problem.where for problem in caught.value.problems] == ["span", "arrivals[0].poisson.rate", "seed"]


def test_behaviours_of_nodes_that_there_are_not_are_refused() -> None:
    load = plan(behaviours={"nodes": {"n7": {"duration": 1}}})
    with pytest.raises(DefinitionError, match="unknown node 'n7'; there are: 'n0'"):
        simulate_load(chain(1), load)


@pytest.mark.parametrize("fault", ["crash", "message_delay", "journal_slow", "journal_failing", "journal_full"])
def test_faults_that_a_load_has_no_place_for_are_refused(fault: str) -> None:
    with pytest.raises(DefinitionError, match=f"fault 1: '{fault}' does not go with --load"):
        simulate_load(chain(1), plan(), faults=fault_plan({"faults": [{"fault": fault}]}))


def test_buggify_is_refused() -> None:
    with pytest.raises(DefinitionError, match="buggify does not go with --load"):
        simulate_load(chain(1), plan(), faults=fault_plan({"buggify": 0.5}))


# ---- sweeps ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("breaker.desk.rate", 1, "unknown parameter 'breaker.desk.rate', did you mean 'breakers'?; parameters are:"),
        ("max_concurrency.more", 1, "unknown parameter 'max_concurrency.more'"),
        ("breakers", 1, "unknown parameter 'breakers'"),
        ("breakers.disk.rate", 1, "unknown breaker 'disk', did you mean 'desk'?; there are: 'desk'"),
        ("breakers.desk", 1, "name a field of breaker 'desk', such as breakers.desk.timeout"),
        ("breakers.desk.max", 1, "breaker 'desk': unknown field 'max'"),
        ("breakers.desk.max_concurrent", 0, "0: breaker 'desk': max_concurrent: input should be greater than"),
        ("nodes.wrk.timeout", 1, "unknown node 'wrk', did you mean 'work'?; there are: 'work'"),
        ("max_concurrency", "two", "'two': max_concurrency: input should be a valid integer, not 'two'"),
        ("arrivals.size", 3, "unknown field 'size'"),
        ("behaviours.nodes.work.duration", -1, "behaviour of node 'work': duration.constant: input should be"),
    ],
)
def test_a_wrong_sweep_names_the_parameter_and_the_value(path: str, value: object, told: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        variants(station(), plan(sweep={path: [value]}))
    assert told in str(caught.value)
    assert f"sweep of '{path}'" in str(caught.value)


def test_nothing_runs_when_one_value_of_a_sweep_is_wrong() -> None:
    done: list[int] = []
    with pytest.raises(DefinitionError, match="unknown node 'n7'"):
        sweep(station(), plan(sweep={"behaviours.nodes.n7.duration": [1]}), report=done.append)
    assert done == []


def test_of_several_sources_one_is_named_or_numbered() -> None:
    sources = [{"name": "web", "poisson": {"rate": 1}}, {"constant": {"every": 9}}]
    for path, place in (("arrivals.web.rate", 0), ("arrivals.2.every", 1), ("arrivals.2.constant.every", 1)):
        (variant,) = variants(station(), plan(arrivals=sources, sweep={path: [5]}))
        source = variant.plan.arrivals[place]
        kind = source.poisson or source.constant
        assert kind is not None
        assert 5 in kind.model_dump().values()
    with pytest.raises(
        DefinitionError, match=r"'rate' does not say which of 2 sources: write arrivals\.<one of 'web'"
    ):
        variants(station(), plan(arrivals=sources, sweep={"arrivals.rate": [5]}))


def test_every_kind_of_parameter_gets_its_value() -> None:
    def of(path: str, value: object) -> Any:
        (variant,) = variants(station(failures=3), plan(arrivals={"poisson": {"rate": 1}}, sweep={path: [value]}))
        return variant

    assert of("breakers.desk.max_concurrent", 4).definition.breakers["desk"].max_concurrent == 4
    assert of("breakers.desk.max_concurrent", 4).definition.breakers["desk"].failures == 3
    assert of("nodes.work.retry.max_attempts", 9).definition.nodes[0].retry.max_attempts == 9
    assert of("max_concurrency", 2).definition.max_concurrency == 2
    assert of("arrivals.rate", 7).plan.arrivals[0].poisson.rate == 7
    assert of("behaviours.nodes.work.duration", 3).plan.behaviours.nodes["work"].duration.constant == 3
    assert of("timeout", 9).definition.timeout == 9
