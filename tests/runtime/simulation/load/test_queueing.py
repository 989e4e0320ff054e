"""Simulated queues agree with queueing theory: Erlang C, Little's law, and what a queue of constants must be."""

import math

import pytest

from playbill.runtime.simulation.load.engine import simulate_load
from tests.runtime.simulation.load.support import chain, plan, station, taking


def erlang_c(servers: int, load: float) -> float:
    """The probability that an arrival waits in M/M/c; `load` is arrival rate x mean service, in erlangs.

    Source: Erlang 1917, by the recursion of Erlang B (Cooper, "Introduction to Queueing Theory", 1981).
    """
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = load * blocked / (server + load * blocked)
    use = load / servers
    return blocked / (1 - use + use * blocked)


def test_erlang_c_is_the_textbooks() -> None:
    assert erlang_c(1, 0.8) == pytest.approx(0.8)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(10, 8.0) == pytest.approx(0.409, abs=0.001)


@pytest.mark.parametrize(("servers", "use"), [(1, 0.5), (2, 0.7), (4, 0.8)])
def test_the_mean_wait_of_m_m_c_is_what_erlang_c_says(servers: int, use: float) -> None:
    load = plan(
        span=12_000 / (servers * use),
        warm_up=500 / (servers * use),
        arrivals={"poisson": {"rate": servers * use}},
        behaviours=taking({"exponential": 1.0}),
        seed=1,
    )
    outcome = simulate_load(station(max_concurrent=servers), load)
    node = outcome.measures.nodes["work"]
    wait, response = node.mean_wait.estimate(), node.mean_response.estimate()
    expected = erlang_c(servers, servers * use) / (servers - servers * use)
    assert wait.count > 10_000
    assert wait.half is not None
    assert wait.half < 0.4 * expected
    assert wait.holds(expected)
    assert response.holds(expected + 1.0)
    waited = 1 - node.wait.none / node.wait.count
    assert waited == pytest.approx(erlang_c(servers, servers * use), rel=0.1)
    (limit,) = outcome.limits()
    assert limit.utilisation == pytest.approx(use, rel=0.05)


def test_littles_law_holds_for_runs_and_for_a_queue() -> None:
    load = plan(span=5_000, arrivals={"poisson": {"rate": 1.4}}, behaviours=taking({"exponential": 1.0}))
    outcome = simulate_load(station(max_concurrent=2), load)
    node = outcome.measures.nodes["work"]
    assert outcome.mean_live == pytest.approx(outcome.arrival_rate * outcome.measures.response.mean, rel=0.01)
    (limit,) = outcome.limits()
    assert limit.waiting == pytest.approx(outcome.arrival_rate * node.wait.mean, rel=0.01)


def test_a_queue_without_chance_waits_exactly_as_long_as_it_must() -> None:
    load = plan(arrivals={"bursts": {"every": 10, "size": 4}}, behaviours=taking(1.0))
    outcome = simulate_load(station(max_concurrent=1), load)
    node = outcome.measures.nodes["work"]
    assert node.wait.mean == pytest.approx((0 + 1 + 2 + 3) / 4)
    assert node.wait.highest == pytest.approx(3.0)
    assert node.spent == pytest.approx([0.0, 60.0, 40.0, 0.0])
    (limit,) = outcome.limits()
    assert limit.utilisation == pytest.approx(0.4)
    assert limit.max_waiting == 3


def test_a_rate_spaces_the_starts() -> None:
    load = plan(span=10, arrivals={"bursts": {"every": 10, "size": 5}}, behaviours=taking(0.0))
    outcome = simulate_load(station(rate=2.0), load)
    assert outcome.measures.nodes["work"].wait.mean == pytest.approx((0 + 0.5 + 1.0 + 1.5 + 2.0) / 5)
    (limit,) = outcome.limits()
    assert limit.what == "rate 2/s"
    assert limit.used == pytest.approx(0.5)


def test_waiting_for_a_slot_is_told_from_waiting_for_the_breaker() -> None:
    fan = chain(1).model_copy(update={"max_concurrency": 1})
    pair = fan.model_copy(update={"nodes": [fan.nodes[0], fan.nodes[0].model_copy(update={"id": "n1"})]})
    outcome = simulate_load(pair, plan(arrivals={"constant": {"every": 10}}, behaviours=taking(2.0)))
    first, second = outcome.nodes()
    assert first.seconds == pytest.approx((0.0, 0.0, 2.0, 0.0))
    assert second.seconds == pytest.approx((2.0, 0.0, 2.0, 0.0))
    assert [share.meter.wait.mean for share in (first, second)] == pytest.approx([0.0, 2.0])
    assert outcome.limits()[-1].what == "max_concurrency 1"
    assert outcome.limits()[-1].utilisation == pytest.approx(1.0)


def test_backing_off_is_neither_work_nor_waiting() -> None:
    retry = {"max_attempts": 2, "base": 3.0, "jitter": 0.0}
    failing = taking(1.0, outcomes=[{"error": "ConnectionError"}])
    definition = chain(1, defaults={"retry": retry}, breakers={"command": {"failures": 100}})
    outcome = simulate_load(definition, plan(arrivals={"constant": {"every": 20}}, behaviours=failing))
    (share,) = outcome.nodes()
    assert share.seconds == pytest.approx((0.0, 0.0, 2.0, 3.0))
    meter = share.meter
    assert (meter.ended["failed"], meter.retries, meter.errors["ConnectionError"]) == (5, 5, 10)
    assert outcome.measures.statuses == {"failed": 5}


def test_delays_take_their_time_and_other_built_in_nodes_take_none() -> None:
    definition = chain(2)
    nodes = [
        {"id": "start", "type": "trigger", "next": "pause"},
        {"id": "pause", "type": "delay", "config": {"seconds": 7}, "next": "n0"},
        {"id": "n0", "type": "command", "config": {"argv": ["true"]}},
    ]
    definition = type(definition).model_validate({"name": "delayed", "nodes": nodes})
    outcome = simulate_load(definition, plan(arrivals={"constant": {"every": 50}}))
    assert [share.meter.id for share in outcome.nodes()] == ["pause", "n0"]
    assert [sum(share.seconds) for share in outcome.nodes()] == pytest.approx([7.0, 0.5])
    assert math.isclose(outcome.measures.response.mean, 7.5)
