"""Agents behind a real HAProxy: commands change who gets its requests, and none of them fails."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from phoenixctl.demo.fleet import free_ports
from tests.cli.demo_fleet import DemoFleet, until
from tests.haproxy import BACKEND, RunningHAProxy, failed

AGENTS = {"counter-0", "counter-1", "counter-2"}
CONFIG = """\
fleet: {{name: phoenix-demo}}
pools: {{demo: {{provider: local, size: 3}}}}
agents:
  counter:
    command: ["{python}", -m, phoenixctl.demo.agent]
    replicas: 3
    port: {port}
    ready: {{http: {{path: /ready}}, within: 30s}}
    drain: {{http: {{path: /drain}}, until: {{http: {{path: /drained}}}}}}
placement: {{strategy: spread}}
routers:
  lb: {{kind: haproxy, socket: "{socket}", backends: {{counter: {backend}}}, check: 100ms}}
"""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHAProxy]:
    made = RunningHAProxy(tmp_path_factory.mktemp("ha"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory, proxy: RunningHAProxy) -> Iterator[DemoFleet]:
    """Three nodes with an agent on each, all in traffic."""
    fleet = DemoFleet(tmp_path_factory.mktemp("routed"))
    (fleet.root / "operator").mkdir()
    fleet.config.parent.mkdir()
    fleet.config.write_text(
        CONFIG.format(
            python=sys.executable, port=free_ports(8), socket=proxy.socket, backend=BACKEND
        )
    )
    try:
        fleet.ok("apply", "--yes")
        yield fleet
    finally:
        down = fleet.down()
    assert down.code == 0


@pytest.fixture
def fleet(routed: DemoFleet) -> Iterator[DemoFleet]:
    """The fleet, all of whose agents are in traffic before and after a test."""
    yield routed
    routed.end_what_was_started()


def members(fleet: DemoFleet) -> dict[str, Any]:
    """The members that the router has, by agent."""
    done = fleet.run("routers", "status", "-o", "json")
    router = done.json["routers"][0]
    return {one["agent"]: one for one in router["members"] if one["state"] != "missing"}


@contextmanager
def messages(port: int) -> Iterator[Counter[str]]:
    """Messages are sent to whoever is behind the port; the counter holds who answered."""
    answers: Counter[str] = Counter()
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            answers[_sent(port)] += 1
            over.wait(0.005)

    clients = [threading.Thread(target=send) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        yield answers
    finally:
        over.set()
        for client in clients:
            client.join()


def _sent(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/messages", body=b"hello")
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        return f"failed: {error}"
    finally:
        connection.close()
    return str(json.loads(body)["agent"]) if answer.status == 200 else f"failed: {answer.status}"


def answer_more(answers: Counter[str], agents: set[str]) -> None:
    """Until each of these has answered since."""
    before = dict(answers)
    until(lambda: all(answers[agent] > before.get(agent, 0) for agent in agents), seconds=30)


def test_no_message_is_lost_while_a_node_is_drained_and_agents_are_started_anew(
    fleet: DemoFleet, proxy: RunningHAProxy
) -> None:
    assert members(fleet).keys() == AGENTS
    with messages(proxy.port) as answers:
        answer_more(answers, AGENTS)
        drained = fleet.ok("nodes", "drain", "demo-1", "--yes", "-o", "json").json
        answer_more(answers, AGENTS)
        fleet.ok("agents", "restart", "counter")
        answer_more(answers, AGENTS)
    assert failed(answers) == {}
    told = {step["action"]: step["detail"] for step in drained["steps"]}
    assert "out of traffic in " in told["drain agent"]
    assert "takes traffic" in told["start agent"]
    assert members(fleet).keys() == AGENTS
    assert fleet.run("routers", "status").code == 0


def test_an_agent_is_a_member_as_long_as_it_runs(fleet: DemoFleet) -> None:
    before = members(fleet)["counter-0"]
    fleet.ok("agents", "stop", "counter-0")
    assert members(fleet).keys() == AGENTS - {"counter-0"}
    fleet.ok("agents", "start", "counter-0")
    after = members(fleet)["counter-0"]
    assert (after["port"], after["weight"], after["state"]) == (before["port"], 100, "up")
    assert after["name"] != before["name"]  # another start of it


def test_a_router_that_was_started_anew_gets_its_members_back(
    fleet: DemoFleet, proxy: RunningHAProxy
) -> None:
    proxy.restart()
    status = fleet.run("routers", "status")
    assert status.code == 3
    assert status.out.count("missing") == 3
    assert "try: phoenixctl routers reconcile" in status.err

    plan = fleet.run("plan", "--detailed-exitcode")
    assert plan.code == 10
    assert plan.out.count(f"router.lb/{BACKEND}: counter-") == 3
    assert "try: phoenixctl routers reconcile" in plan.out

    read = fleet.ok("routers", "reconcile", "--dry-run")
    assert f"~ set members lb/{BACKEND}: its members are not those that run" in read.out
    assert members(fleet) == {}

    done = fleet.ok("routers", "reconcile")
    assert f"ok     set members lb/{BACKEND}: has the members that it should have" in done.err
    assert members(fleet).keys() == AGENTS
    assert fleet.run("routers", "status").code == 0
    assert fleet.ok("plan", "--detailed-exitcode", "-o", "json").json["drift"] == []
    assert fleet.ok("routers", "reconcile").out.endswith("nothing to do\n")
    assert "reconcile routers" in fleet.ok("history").out


def test_a_silent_router_keeps_no_agent_running_and_is_told_later(
    fleet: DemoFleet, proxy: RunningHAProxy
) -> None:
    proxy.stop()
    silent = fleet.run("routers", "status")
    assert silent.code == 4
    assert "see that the router runs" in silent.err
    plan = fleet.ok("plan", "-o", "json").json
    assert plan["drift"] == []
    assert any(note.startswith("lb: ") for note in plan["notes"])
    stopped = fleet.ok("agents", "stop", "counter-2", "-o", "json").json
    assert "could not be taken out of traffic" in stopped["steps"][0]["detail"]
    started = fleet.run("agents", "start", "counter-2")
    assert started.code == 4
    assert "counter-2 runs on demo-" in started.err
    assert "phoenixctl routers reconcile" in started.err
    proxy.start()
    fleet.ok("routers", "reconcile")
    assert members(fleet).keys() == AGENTS


def test_a_router_may_be_on_a_node_and_is_reached_through_it(fleet: DemoFleet) -> None:
    there = fleet.ok("routers", "status", "--set", "routers.lb.node=demo-2", "-o", "json").json
    [router] = there["routers"]
    assert (router["node"], there["as_wanted"]) == ("demo-2", True)
    assert {one["agent"] for one in router["members"]} == AGENTS


def test_an_envoys_endpoints_are_those_agents_that_run(fleet: DemoFleet) -> None:
    folder = fleet.root / "endpoints"
    folder.mkdir()
    text = fleet.config.read_text()
    edge = f"  edge: {{kind: envoy, folder: {folder}, node: demo-3, backends: {{counter: work}}}}\n"
    fleet.config.write_text(text + edge)
    try:
        fleet.ok("routers", "reconcile")
        fleet.ok("agents", "stop", "counter-1")
        written = json.loads((folder / "work.json").read_bytes())["resources"][0]["endpoints"]
        ports = {
            endpoint["endpoint"]["address"]["socket_address"]["port_value"]
            for endpoint in written[0]["lb_endpoints"]
        }
        assert ports == {members(fleet)[agent]["port"] for agent in ("counter-0", "counter-2")}
        fleet.ok("agents", "start", "counter-1")
        assert fleet.run("routers", "status").code == 0
    finally:
        fleet.config.write_text(text)


def test_routers_are_listed_as_configured(fleet: DemoFleet, proxy: RunningHAProxy) -> None:
    listed = fleet.ok("routers", "ls")
    assert listed.rows("ROUTER")["lb"][:3] == ["haproxy", "(here)", str(proxy.socket)]
    [router] = fleet.ok("routers", "ls", "-o", "json").json["routers"]
    assert router["backends"] == {"counter": BACKEND}
