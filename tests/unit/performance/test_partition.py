"""Who cannot reach whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.names import NodeName
from phoenixctl.performance.partition import Links, judged, probes


def names(text: str) -> list[NodeName]:
    return [NodeName(name) for name in text]


def links(**tried: str) -> Links:
    """`a="b+ c- d?"`: a reaches b, not c, and cannot tell of d."""
    told = {"+": True, "-": False, "?": None}
    return {
        NodeName(source): {NodeName(word[0]): told[word[1]] for word in words.split()}
        for source, words in tried.items()
    }


@given(st.integers(1, 60), st.integers(1, 12))
def test_everyone_tries_a_few_and_is_tried_by_as_many(count: int, each: int) -> None:
    nodes = [NodeName(f"n{number}") for number in range(count)]
    found = probes(nodes, each=each)
    expected = min(each, count - 1)
    assert set(found) == set(nodes)
    for name, targets in found.items():
        assert len(set(targets)) == len(targets) == expected
        assert name not in targets
    assert all(sum(name in targets for targets in found.values()) == expected for name in nodes)


@given(st.integers(2, 60), st.data())
def test_a_cut_of_the_fleet_in_two_is_seen_wherever_it_is(count: int, data: st.DataObject) -> None:
    nodes = [NodeName(f"n{number:02}") for number in range(count)]
    one = set(data.draw(st.lists(st.sampled_from(nodes), unique=True, min_size=1)))
    tried = probes(nodes, each=8)
    found = judged(
        nodes, [], {n: {t: (n in one) == (t in one) for t in ts} for n, ts in tried.items()}
    )
    other = set(nodes) - one
    assert not any(set(part) & one and set(part) & other for part in found.parts)
    assert found.whole == (not other)
    assert bool(found.broken) == bool(other)


def test_a_fleet_in_which_everybody_reaches_somebody_is_whole() -> None:
    found = judged(names("abc"), [], links(a="b+", b="c+", c="a+"))
    assert found.whole
    assert found.parts == (tuple("abc"),)
    assert (found.broken, found.silent, found.unknown, found.probes) == ((), (), (), 3)


def test_one_broken_way_is_named_and_is_no_partition() -> None:
    found = judged(names("abc"), [], links(a="b- c+", b="c+", c="a+"))
    assert found.whole
    assert found.broken == (("a", "b"),)


def test_parts_are_the_largest_first() -> None:
    found = judged(names("abcde"), [], links(a="b+", b="c- d-", c="d+", d="e+", e="a-"))
    assert found.parts == (("c", "d", "e"), ("a", "b"))


def test_a_node_that_only_we_cannot_reach_is_not_down() -> None:
    found = judged(names("ab"), names("xy"), links(a="b+ x+ y-", b="a+ x+"))
    assert found.unseen == {"x": ("a", "b")}
    assert found.silent == ("y",)
    assert found.broken == ()  # of y it is known that it is silent
    assert found.whole


def test_who_cannot_tell_is_no_part_of_its_own() -> None:
    found = judged(names("abc"), [], links(a="b+", b="a+", c="a? b?"))
    assert found.whole
    assert found.unknown == ("c",)
    found = judged(names("abc"), [], links(a="b+ c+", b="a+", c="a? b?"))
    assert found.parts == (("a", "b", "c"),)


@pytest.mark.parametrize("alone", [[], names("a")])
def test_a_fleet_of_one_or_none_has_no_partition(alone: list[NodeName]) -> None:
    found = judged(alone, [], {name: {} for name in probes(alone, each=8)})
    assert found.whole
    assert found.unknown == ()
