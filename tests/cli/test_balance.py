"""Weights of agents behind a real HAProxy: they follow what agents can take, and settle."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from phoenixctl.demo.fleet import free_ports
from phoenixctl.routers.haproxy import HAProxy
from tests.cli.demo_fleet import DemoFleet
from tests.cli.test_routers import CONFIG, messages
from tests.haproxy import BACKEND, RunningHAProxy

BUSY = ["--work-ms", "30", "--parallel", "4"]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHAProxy]:
    made = RunningHAProxy(tmp_path_factory.mktemp("ha"), balance="leastconn")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def weighed(tmp_path_factory: pytest.TempPathFactory, proxy: RunningHAProxy) -> Iterator[DemoFleet]:
    """Three nodes with a busy agent on each, all in traffic."""
    fleet = DemoFleet(tmp_path_factory.mktemp("weighed"))
    (fleet.root / "operator").mkdir()
    fleet.config.parent.mkdir()
    written = CONFIG.format(
        python=sys.executable, port=free_ports(8), socket=proxy.socket, backend=BACKEND
    )
    command = json.dumps([sys.executable, "-m", "phoenixctl.demo.agent", *BUSY])
    fleet.config.write_text(
        written.replace(
            f'command: ["{sys.executable}", -m, phoenixctl.demo.agent]',
            f"command: {command}\n    metrics: {{}}",
        )
    )
    try:
        fleet.ok("apply", "--yes")
        yield fleet
    finally:
        down = fleet.down()
    assert down.code == 0


@pytest.fixture
def fleet(weighed: DemoFleet) -> Iterator[DemoFleet]:
    yield weighed
    weighed.end_what_was_started()


def status(fleet: DemoFleet) -> dict[str, Any]:
    """The members, by agent."""
    (backend,) = fleet.ok("balance", "status", "-o", "json").json["backends"]
    return {one["agent"]: one for one in backend["members"]}


def one_round(fleet: DemoFleet) -> None:
    fleet.ok("balance", "auto", "--once")


def rounds_until(fleet: DemoFleet, enough: Callable[[float], bool]) -> dict[str, Any]:
    """Rounds until counter-1's weight, beside what the others have on average, is as wanted.

    They come much faster than real ones, and what an agent says of its use is of more than one.
    """
    for _ in range(25):
        one_round(fleet)
        found = status(fleet)
        others = (found["counter-0"]["weight"] + found["counter-2"]["weight"]) / 2
        if enough(found["counter-1"]["weight"] / others):
            return found
    pytest.fail(f"it was not so after 25 rounds: {found}")


def weights(fleet: DemoFleet) -> dict[str, int]:
    return {agent: one["weight_set"] for agent, one in status(fleet).items()}


def set_weight(proxy: RunningHAProxy, member: str, weight: int) -> None:
    import asyncio

    router: HAProxy = proxy.router(spec="counter")
    asyncio.run(router.set_weights(BACKEND, {member: weight}))


@contextmanager
def slowed(member: dict[str, Any], fleet: DemoFleet) -> Iterator[None]:
    """An agent takes twice as long for each message."""
    (router,) = fleet.ok("routers", "status", "-o", "json").json["routers"]
    place = next(one for one in router["members"] if one["name"] == member["name"])

    def fault(seconds: int) -> None:
        connection = http.client.HTTPConnection(place["address"], place["port"], timeout=30)
        connection.request(
            "POST", "/fault", json.dumps({"delay_ms": 30, "for_seconds": seconds}).encode()
        )
        assert connection.getresponse().status == 200
        connection.close()

    fault(300)
    try:
        yield
    finally:
        fault(0)


def test_an_agent_that_is_half_as_fast_gets_half_until_it_is_well_again(
    fleet: DemoFleet, proxy: RunningHAProxy
) -> None:
    with messages(proxy.port) as answers:
        one_round(fleet)
        slow = status(fleet)["counter-1"]
        with slowed(slow, fleet):
            found = rounds_until(fleet, lambda share: share < 0.75)
            assert found["counter-1"]["weight_set"] < 95 < found["counter-0"]["weight_set"]
        well = rounds_until(fleet, lambda share: share > 0.8)
    assert not [name for name in answers if name.startswith("failed")]
    rounds = fleet.ok("balance", "history", "-o", "json").json["rounds"]
    assert len(rounds) >= 5
    assert set(rounds[-1]["weights"]) == {f"{one['node']}/{agent}" for agent, one in well.items()}


def test_a_plan_shows_each_weight_before_it_is_set_and_rollback_puts_it_back(
    fleet: DemoFleet, proxy: RunningHAProxy
) -> None:
    for member in [one["name"] for one in status(fleet).values()]:
        set_weight(proxy, member, 40)
    read = fleet.ok("balance", "plan", "--take-back", "-o", "json").json
    (step,) = read["steps"]
    assert step["action"] == "set weights"
    assert {change["before"] for change in step["changes"]} == {"40"}
    assert set(weights(fleet).values()) == {40}
    fleet.ok("balance", "apply", "--take-back", "--yes")
    assert min(weights(fleet).values()) > 40
    operation = fleet.ok("history", "ls", "-o", "json").json["operations"][0]["id"]
    fleet.ok("rollback", str(operation), "--yes")
    assert set(weights(fleet).values()) == {40}
    fleet.ok("balance", "apply", "--take-back", "--yes")


def test_a_weight_that_somebody_else_has_set_is_told_and_left_alone(
    fleet: DemoFleet, proxy: RunningHAProxy
) -> None:
    one_round(fleet)
    member = status(fleet)["counter-2"]
    set_weight(proxy, member["name"], 7)
    done = fleet.ok("balance", "auto", "--once")
    assert f"{member['name']} has weight 7, set by another hand" in done.err
    seen = status(fleet)["counter-2"]
    assert (seen["weight_set"], seen["foreign"], seen["weight_wanted"]) == (7, True, None)
    fleet.ok("balance", "apply", "--take-back", "--yes")
    assert weights(fleet)["counter-2"] > 7


def test_a_router_that_was_started_anew_gets_its_members_and_weights_back(
    fleet: DemoFleet, proxy: RunningHAProxy
) -> None:
    fleet.ok("balance", "apply", "--take-back", "--yes")
    fleet.ok("balance", "remove", "counter-0")
    one_round(fleet)
    before = weights(fleet)
    assert before["counter-0"] == 0
    proxy.restart()
    one_round(fleet)
    after = weights(fleet)
    assert after["counter-0"] == 0
    assert min(after["counter-1"], after["counter-2"]) > 0
    fleet.ok("balance", "add", "counter-0")
    one_round(fleet)
    assert weights(fleet)["counter-0"] > 0


def test_without_its_socket_a_router_is_named_and_nothing_is_changed(
    fleet: DemoFleet, proxy: RunningHAProxy
) -> None:
    before = weights(fleet)
    moved = proxy.socket.rename(proxy.socket.with_name("elsewhere"))
    try:
        done = fleet.run("balance", "auto", "--once")
        assert done.code == 4
        assert "lb: unreachable" in done.err
    finally:
        moved.rename(proxy.socket)
    assert weights(fleet) == before


def test_a_formula_that_swings_is_refused_before_anything_is_set(
    fleet: DemoFleet, proxy: RunningHAProxy
) -> None:
    with messages(proxy.port), slowed(status(fleet)["counter-1"], fleet):
        for _ in range(3):
            one_round(fleet)
        done = fleet.run("balance", "auto", "--once", "--set", "balancing.formula=simple")
    assert done.code == 8
    assert "formula simple is not applied to lb/work: simulated at a load of" in done.err


def test_picks_are_spread_over_healthy_agents_and_counted_between_calls(fleet: DemoFleet) -> None:
    one_round(fleet)
    pick = ["balance", "pick", "counter", "--strategy", "round-robin"]
    first = [fleet.ok(*pick, "-o", "json").json for _ in range(3)]
    assert {one["agent"] for one in first} == {"counter-0", "counter-1", "counter-2"}
    assert {one["open"] for one in first} == {1}
    fleet.ok("balance", "pick", f"lb/{BACKEND}", "--done", first[0]["name"])
    again = fleet.ok(*pick).out.split()
    assert again[0] == first[0]["name"]
    assert again[1] == f"{first[0]['address']}:{first[0]['port']}"
    unknown = fleet.run("balance", "pick", "nothing")
    assert (unknown.code, "phoenixctl balance auto --once" in unknown.err) == (2, True)


def test_a_strategy_is_set_by_command_and_stands_in_the_history(fleet: DemoFleet) -> None:
    fleet.ok("balance", "set-strategy", "round-robin", "--dry-run")
    before = fleet.ok("balance", "status", "-o", "json").json["strategy"]
    assert before == "least-connections"
    fleet.ok("balance", "set-strategy", "round-robin")
    assert fleet.ok("balance", "status", "-o", "json").json["strategy"] == "round-robin"
    last = fleet.ok("history", "ls", "-o", "json").json["operations"][0]
    assert last["title"] == "balance set-strategy round-robin"
    fleet.ok("balance", "set-strategy", "predictive")
    one_round(fleet)
    assert min(weights(fleet).values()) > 0
    fleet.ok("balance", "set-strategy", "least-connections")
