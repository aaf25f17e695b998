"""Who belongs together."""

from __future__ import annotations

from phoenixctl.metrics.grouping import By, grouped

SUBJECTS = ("*", "a", "a/web-0", "b", "b/web-0", "b/web-1")
POOLS = {"a": "x", "b": "y"}


def names(by: By, subjects: tuple[str, ...] = SUBJECTS) -> dict[str, list[str]]:
    return {
        name: [subjects[position] for position in positions]
        for name, positions in grouped(subjects, by, POOLS).items()
    }


def test_what_nodes_have_is_not_counted_again_in_their_agents() -> None:
    assert names(By.NODE) == {"a": ["a"], "b": ["b"]}
    assert names(By.POOL) == {"x": ["a"], "y": ["b"]}


def test_what_only_agents_have_is_added_up_to_nodes_pools_and_fleet() -> None:
    agents = ("a/web-0", "b/web-0", "b/web-1")
    assert names(By.NODE, agents) == {"a": ["a/web-0"], "b": ["b/web-0", "b/web-1"]}
    assert names(By.POOL, agents) == {"x": ["a/web-0"], "y": ["b/web-0", "b/web-1"]}
    assert names(By.FLEET, agents) == {"*": list(agents)}


def test_an_agent_that_moved_is_one() -> None:
    assert names(By.AGENT) == {"web-0": ["a/web-0", "b/web-0"], "web-1": ["b/web-1"]}


def test_what_the_fleet_has_itself_counts_for_it_alone() -> None:
    assert names(By.FLEET) == {"*": ["*"]}
    assert names(By.FLEET, ("a", "b")) == {"*": ["a", "b"]}
    assert names(By.SUBJECT) == {subject: [subject] for subject in SUBJECTS}


def test_a_node_that_left_is_in_no_pool() -> None:
    assert names(By.POOL, ("a", "gone")) == {"-": ["gone"], "x": ["a"]}
