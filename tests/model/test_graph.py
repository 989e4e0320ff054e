"""Orders and cycles of small graphs."""

import pytest

from playbill.model.graph import CycleError, topological_order


def cycle(nodes: str, *edges: str) -> str:
    with pytest.raises(CycleError) as caught:
        topological_order(nodes, [(edge[0], edge[1]) for edge in edges])
    return str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "edges", "order"),
    [
        ("cab", [], "cab"),
        ("cab", ["bc"], "abc"),
        ("abcd", ["ad", "ac", "ab"], "abcd"),
        ("dcba", ["ad", "ac", "bc"], "badc"),
        ("abc", ["ab", "ab", "bc"], "abc"),
        ("abcd", ["ab", "bd", "ac"], "abcd"),
    ],
)
def test_every_edge_leads_forward_and_ties_go_by_the_given_order(nodes: str, edges: list[str], order: str) -> None:
    assert "".join(topological_order(nodes, [(edge[0], edge[1]) for edge in edges])) == order


def test_a_cycle_is_told_in_its_order_from_the_node_that_was_given_first() -> None:
    assert cycle("abc", "ab", "bc", "ca") == "cycle: a -> b -> c -> a"
    assert cycle("cba", "ab", "bc", "ca") == "cycle: c -> a -> b -> c"
    assert cycle("a", "aa") == "cycle: a -> a"


def test_what_only_leads_to_a_cycle_or_comes_after_it_is_not_told() -> None:
    assert cycle("xaby", "xa", "ab", "ba", "by") == "cycle: a -> b -> a"
    assert cycle("yxab", "ab", "ba", "bx", "xy") == "cycle: a -> b -> a"
    assert cycle("abx", "xa", "ab", "ba") == "cycle: a -> b -> a"


def test_of_two_cycles_one_is_told() -> None:
    assert cycle("abcd", "ab", "ba", "cd", "dc") in {"cycle: a -> b -> a", "cycle: c -> d -> c"}
