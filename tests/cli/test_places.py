"""`explain`, `place` and `placement stats` on a fleet that runs."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.cli.demo_fleet import CONTROL, NODES, DemoFleet

SCORED = ("--set", "placement.strategy=resource_aware")
HUGE = ("--set", "agents.counter.resources.memory=100TiB")


@pytest.fixture
def cordoned(fleet: DemoFleet) -> Iterator[DemoFleet]:
    fleet.ok("nodes", "cordon", "demo-2", "--reason", "test")
    yield fleet
    fleet.ok("nodes", "uncordon", "demo-2")


def node(document: Any, name: str) -> Any:
    return next(n for n in document["nodes"] if n["node"] == name)


def test_explain_shows_the_score_of_every_node_term_by_term(fleet: DemoFleet) -> None:
    done = fleet.ok("explain", "counter-0")
    assert done.out.startswith("counter-0 runs on demo-1. 3 of 3 nodes take it")
    assert set(done.rows("NODE")) == set(NODES)
    assert not CONTROL.search(done.out)
    document = fleet.ok("explain", "counter-0", *SCORED, "-o", "json").json
    assert document["schema"] == "phoenixctl.explanation/1"
    assert document["here"] == ["demo-1"]
    assert document["weights"] == {
        "resources": 0.3, "affinity": 0.2, "balance": 0.3, "performance": 0.2,
    }  # fmt: skip
    for found in document["nodes"]:
        total = sum(document["weights"][name] * term for name, term in found["terms"].items())
        assert found["score"] == pytest.approx(total)
    scores = [found["score"] for found in document["nodes"]]
    assert scores == sorted(scores, reverse=True)


def test_explain_says_what_keeps_an_agent_off_a_node_and_what_would_help(
    cordoned: DemoFleet,
) -> None:
    done = cordoned.ok("explain", "counter-0")
    assert "cordon" in done.rows("CONSTRAINT")
    assert "Nearest: demo-2. What it would take: phoenixctl nodes uncordon demo-2" in done.out
    alone = cordoned.ok("explain", "counter-0", "--why-not", "demo-2")
    assert alone.out.startswith("demo-2 does not take counter-0:")
    document = cordoned.ok("explain", "counter", "-o", "json").json
    assert document["agent"] == "counter-3"
    assert [r["constraint"] for r in node(document, "demo-2")["rejections"]] == ["cordon"]
    assert node(document, "demo-2")["score"] is None
    assert document["nearest"]["node"] == "demo-2"


@pytest.mark.skipif(find_spec("ortools") is None, reason="comes with phoenixctl[opt]")
def test_it_is_proven_that_there_is_no_place_and_by_which_rule(fleet: DemoFleet) -> None:
    done = fleet.ok("explain", "counter", "--prove", *HUGE)
    assert "Proven: no placement of all of them keeps memory\n" in done.out
    told = fleet.run("place", "counter", "--prove", *HUGE, "-o", "json")
    assert told.code == 3
    assert told.json["proof"]["proven"] is True
    assert told.json["proof"]["rules"] == ["memory"]


def test_a_node_that_would_do_is_compared_with_the_best_one(fleet: DemoFleet) -> None:
    def why_not(node: str) -> str:
        return fleet.ok("explain", "counter-0", "--why-not", node).out

    assert why_not("demo-1") == "demo-1 takes counter-0, and no node is better\n"
    told = why_not("demo-3")
    assert told.startswith("demo-3 takes counter-0, and demo-1 is better:\n")
    assert "few agents     0.1   0.500   1.000  -0.050" in told


def test_places_count_for_the_next_one(cordoned: DemoFleet) -> None:
    document = cordoned.ok("place", "counter", "--count", "4", "-o", "json").json
    assert document["schema"] == "phoenixctl.placement/1"
    places = document["assigned"]
    assert list(places) == ["counter-3", "counter-4", "counter-5", "counter-6"]
    assert sorted(places.values()) == ["demo-1", "demo-1", "demo-3", "demo-3"]
    assert cordoned.ok("place").out == "every agent has its place\n"
    anew = cordoned.ok("place", "--anew", "-o", "json").json["assigned"]
    assert set(anew) == {"counter-0", "counter-1", "counter-2"}
    assert "demo-2" not in anew.values()


def test_a_node_is_verified_before_it_is_used(cordoned: DemoFleet) -> None:
    assert cordoned.ok("place", "counter", "--on", "demo-1").rows("AGENT") == {
        "counter-3": ["demo-1"]
    }
    refused = cordoned.run("place", "counter", "--on", "demo-2", "-o", "json")
    assert refused.code == 3
    (why,) = refused.json["unplaced"]["counter-3"]
    assert (why["node"], why["constraint"]) == ("demo-2", "cordon")


def test_what_fits_nowhere_is_told_with_what_comes_nearest(fleet: DemoFleet) -> None:
    done = fleet.run("place", "counter", *HUGE)
    assert done.code == 3
    assert "counter-3 fits on no node:" in done.out
    assert "memory: needs 100TiB; demo-[1-3] has at best" in done.out
    told = fleet.ok("explain", "counter", *HUGE)
    assert "None of 3 nodes takes it." in told.out


def test_stats_add_up(fleet: DemoFleet) -> None:
    done = fleet.ok("placement", "stats")
    assert done.out.startswith("every agent has its place, and no rule is broken\n")
    assert {"cpu", "memory"} <= set(done.rows("RESOURCE"))
    document = fleet.ok("placement", "stats", "-o", "json").json
    assert document["schema"] == "phoenixctl.placement_stats/1"
    assert (document["agents"], document["nodes_in_use"]) == (3, 3)
    cpu = document["resources"]["cpu"]
    assert cpu["promised"] == pytest.approx(3 * 0.05)
    assert cpu["free"] == pytest.approx(cpu["total"] - cpu["promised"])
    assert document["room"]["counter"]["agents"] > 0
    broken = fleet.ok("placement", "stats", *HUGE, "-o", "json").json["violations"]
    assert {v["constraint"] for v in broken} == {"memory"}
    assert len(broken) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explain", "conter-0"), "did you mean counter-0?"),
        (("explain", "counter-0", "--why-not", "demo-9"), "no node matches 'demo-9'"),
        (("place", "conter"), "did you mean counter?"),
        (("place", "counter", "--anew"), "--anew is about the whole fleet"),
        (("place", "--on", "demo-1"), "--on needs a SPEC"),
        (("place", "counter", "--on", "demo-9"), "no node matches 'demo-9'"),
    ],
)
def test_what_cannot_be_meant_is_said_with_what_to_type(
    fleet: DemoFleet, words: tuple[str, ...], said: str
) -> None:
    done = fleet.run(*words)
    assert done.code == 2
    assert said in done.err
    assert "try: phoenixctl" in done.err
