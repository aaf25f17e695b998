"""A spot node on a real systemd host: at the notice it is cordoned, then its agents are stopped."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.fleet import Agent, AgentSpec, Node
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import AgentState, NodeObservation
from phoenixctl.remote.agents import parse_start, start_command
from phoenixctl.remote.spot_watch import parse_spot_watch, spot_watch_command
from phoenixctl.remote.survey import parse_survey, survey_command
from tests.hosts.fleet import Hosts
from tests.hosts.host import Host
from tests.metadata import notice

pytestmark = pytest.mark.hosts

FLEET = "spotted"
PORT = 18_169
UNIT = f"phoenix-{FLEET}-spot-watch"
PROJECT = Path(__file__).parents[2]


class SpotNode:
    """A host that is a spot instance, as far as it can tell."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.node = Node(NodeName(host.name), "spot", host.address, user="root")

    def run(self, command: Command) -> Completed:
        done = self.host.run_bytes(*command.argv, stdin=command.stdin or b"")
        return Completed(done.returncode, done.stdout, done.stderr, 0.0)

    def watch(self) -> bool:
        """Whether installing the watcher changed anything."""
        command = spot_watch_command(
            self.node, FLEET, metadata=f"http://127.0.0.1:{PORT}", every_seconds=0.2, last_seconds=3
        )
        return parse_spot_watch(self.run(command))

    def survey(self) -> NodeObservation:
        command = survey_command(self.node, FLEET, interval_seconds=0.05)
        return parse_survey(self.run(command).stdout, node=self.node, at=1.0, seconds=0.1)

    def say(self, text: str) -> None:
        """Let the metadata service give a notice, whole."""
        script = f"printf %s {shlex.quote(text)} > /run/notice.new; mv /run/notice.new /run/notice"
        self.host.run("sh", "-c", script)

    def serve_metadata(self) -> None:
        self.host.run(
            "systemd-run", "--unit=metadata", f"--working-directory={PROJECT}",
            Hosts.python, "-m", "tests.metadata", str(PORT), "/run/notice",
        )  # fmt: skip


@pytest.fixture
def spot(hosts: Hosts) -> Iterator[SpotNode]:
    made = SpotNode(hosts["host1"])
    made.serve_metadata()
    yield made
    made.host.run("systemctl", "stop", "metadata", UNIT, check=False)
    made.host.run("rm", "-f", "/run/notice")


def until(condition: object, within_seconds: float = 15) -> None:
    assert callable(condition)
    end = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_spot_node_marks_itself_at_the_notice_and_gives_its_agents_their_grace(
    spot: SpotNode,
) -> None:
    graceful = "trap 'echo bye > farewell; exit 0' TERM; while :; do sleep 0.1; done"
    agent = Agent(AgentSpec("worker", ("sh", "-c", graceful)), 0)
    start = start_command(agent, spot.node, FLEET, env={}, secrets={}, epoch=1)
    parse_start(spot.run(start))
    assert [spot.watch(), spot.watch()] == [True, False]
    assert spot.survey().cordon is None

    spot.say(notice(9))
    until(lambda: spot.survey().cordon is not None)
    seen = spot.survey()
    assert seen.cordon is not None
    assert seen.cordon.by == "spot-watch"
    assert "terminate at 20" in seen.cordon.reason
    assert [a.state for a in seen.agents] == [AgentState.RUNNING]

    until(lambda: spot.survey().agents[0].state is not AgentState.RUNNING)
    farewell = f"/var/lib/phoenixctl/{FLEET}/agents/worker-0/state/farewell"
    assert spot.host.run("cat", farewell) == "bye\n"
    assert spot.host.run("systemctl", "is-active", UNIT).strip() == "active"


def test_the_watcher_comes_back_when_it_dies_and_when_it_is_changed(spot: SpotNode) -> None:
    assert spot.watch()
    before = _pid(spot)
    spot.host.run("kill", "-KILL", before)
    until(lambda: _pid(spot) not in ("0", before))
    spot.host.run("systemctl", "stop", UNIT)
    assert spot.watch()
    file = f"/var/lib/phoenixctl/{FLEET}/spot-watch"
    spot.host.run("sh", "-c", f"echo broken > {file}")
    assert [spot.watch(), spot.watch()] == [True, False]
    assert spot.host.run("systemctl", "is-enabled", UNIT).strip() == "enabled"


def _pid(spot: SpotNode) -> str:
    return spot.host.run("systemctl", "show", "--property=MainPID", "--value", UNIT).strip()
