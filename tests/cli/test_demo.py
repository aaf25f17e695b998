"""The load of the demo finds the agents, wherever they are."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.cli.demo_fleet import DemoFleet


def test_the_load_goes_to_all_agents_or_to_one_at_the_address_of_its_node(fleet: DemoFleet) -> None:
    every = fleet.ok("demo", "load", "--rate", "60", "--seconds", "0.5", "-o", "json").json
    assert (every["sent"], every["acknowledged"], every["failed"]) == (30, 30, 0)
    addresses = {urlsplit(url).hostname for url in every["acknowledged_by"]}
    assert len(addresses - {"127.0.0.1"}) == 3  # the nodes are one machine: the ports differ too
    words = ("--agent", "counter-1", "--rate", "60", "--seconds", "0.5", "--every", "100ms")
    one = fleet.ok("demo", "load", *words, "-o", "json").json
    assert one["acknowledged"] == 30
    assert len(one["acknowledged_by"]) == 1
    assert set(one["acknowledged_by"]) < set(every["acknowledged_by"])
    assert sum(part["acknowledged"] for part in one["intervals"]) == 30


def test_the_load_draws_a_graph(fleet: DemoFleet) -> None:
    done = fleet.ok("demo", "load", "--rate", "50", "--seconds", "0.5", "--every", "250ms")
    lines = done.out.splitlines()
    assert lines[0].startswith("0.2s: acknowledged ")
    assert "acknowledged:" in lines
    assert lines[-1].endswith(" in 0.25s, . = 0")


def test_the_load_to_nobody_says_so(fleet: DemoFleet) -> None:
    done = fleet.run("demo", "load", "--agent", "counter-99")
    assert (done.code, done.out) == (2, "")
    assert "no agent counter-99 that runs has a port" in done.err
    assert fleet.run("demo", "load", "--every", "0s").code == 2
