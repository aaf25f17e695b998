"""`phoenixctl apply` from the cloud's API to agents on machines, also when it is killed on the way.

Everything is real but the cloud itself: the command, SSH, host keys, systemd, agents.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from phoenixctl.providers.aws.user_data import public_key_in
from tests.cloud.front import Answer, Call
from tests.cloud.server import tags
from tests.hosts.cloud import HostCloud

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(240)]

AGENTS = """\
agents:
  counter:
    command: [{python}, -m, phoenixctl.demo.agent]
    replicas: {replicas}
    port: 9100
    ready: {{http: {{path: /ready}}}}
    drain: {{http: {{path: /drain}}, until: {{http: {{path: /drained}}}}}}
"""


@dataclass
class Operator:
    """Somebody at a terminal, with a configuration for the cloud."""

    cloud: HostCloud
    home: Path

    def want(self, *, nodes: int, agents: int, more: str = "") -> None:
        spec = AGENTS.format(python=self.cloud.python, replicas=agents)
        self.cloud.write_config(self.home / "phoenixctl.yaml", size=nodes, agents=spec, more=more)

    def start(self, *words: str) -> subprocess.Popen[str]:
        config = str(self.home / "phoenixctl.yaml")
        mine = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state")}
        return subprocess.Popen(
            [sys.executable, "-m", "phoenixctl", *words, "--config", config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], **mine, **self.cloud.environ},
        )

    def type(self, *words: str, expect: int = 0) -> str:
        """The command's standard output; its exit code has to be `expect`."""
        process = self.start(*words)
        stdout, stderr = process.communicate(timeout=100)
        assert process.returncode == expect, f"{stdout}{stderr}"
        return stdout

    def state(self) -> dict[str, Any]:
        recorded: dict[str, Any] = json.loads(self.type("state", "pull"))
        return recorded

    def plan_is_empty(self) -> bool:
        self.type("plan", "--detailed-exitcode", expect=0)
        return True

    def running(self) -> dict[str, list[str]]:
        """Agents by node, as systemd on the hosts tells them."""
        listing = ("systemctl", "list-units", "--state=active", "--plain", "--no-legend")
        return {
            node: sorted(
                line.split()[0].removeprefix("phoenix-shop-").removesuffix(".service")
                for line in host.run(*listing, "phoenix-shop-*").splitlines()
            )
            for node, host in self.cloud.hosts().items()
        }


@pytest.fixture
def operator(cloud: HostCloud, tmp_path: Path) -> Operator:
    return Operator(cloud, tmp_path)


def test_nodes_are_made_joined_used_and_taken_away_again(
    cloud: HostCloud, operator: Operator
) -> None:
    operator.want(nodes=2, agents=4, more="    bootstrap: {commands: [{run: [touch, /prepared]}]}")
    operator.type("apply", "--yes")
    running = operator.running()
    assert list(running) == ["web-1", "web-2"]
    agents = sorted(agent for each in running.values() for agent in each)
    assert agents == [f"counter-{number}" for number in range(4)]
    assert all(host.run("ls", "/prepared") for host in cloud)
    assert operator.plan_is_empty()

    operator.want(nodes=1, agents=2, more="    bootstrap: {commands: [{run: [touch, /prepared]}]}")
    operator.type("apply", "--yes", "--max-destroy", "1")
    cloud.settle()
    [(_, left)] = operator.running().items()
    assert left == ["counter-0", "counter-1"]
    assert operator.plan_is_empty()

    everything = ("--max-destroy", "100%", "--max-disruption", "100%")
    operator.type("apply", "--destroy", "--yes", *everything)
    cloud.settle()
    assert cloud.hosts() == {}
    assert cloud.cloud.instances() == []


def test_orphans_are_reaped_beside_nodes_that_go_on_working(
    cloud: HostCloud, operator: Operator
) -> None:
    operator.want(nodes=2, agents=4)
    operator.type("apply", "--yes")
    running, own = operator.running(), {raw["InstanceId"] for raw in cloud.cloud.instances()}
    lineage = operator.state()["state"]["lineage"]
    for node, owner in (("web-2", lineage), ("web-3", lineage), ("web-4", "beefbeef")):
        wanted = {"fleet": "shop", "pool": "web", "node": node, "lineage": owner}
        listed = [{"Key": f"phoenix:{key}", "Value": value} for key, value in wanted.items()]
        cloud.cloud.truth.run_instances(
            ImageId=cloud.image, InstanceType="m7i.large", MinCount=1, MaxCount=1,
            SubnetId=next(iter(cloud.zones.values())),
            TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
        )  # fmt: skip
    foreign = {
        raw["InstanceId"]
        for raw in cloud.cloud.instances()
        if tags(raw)["phoenix:lineage"] == "beefbeef"
    }
    told = operator.type("plan")
    assert "a second web-2" in told
    assert "try: phoenixctl plan --reap" in told

    operator.type("apply", "--reap", "--yes", "--max-destroy", "2")
    assert {raw["InstanceId"] for raw in cloud.cloud.instances()} == own | foreign
    cloud.cloud.truth.terminate_instances(InstanceIds=sorted(foreign))
    assert operator.running() == running
    assert operator.plan_is_empty()


def test_a_node_that_has_joined_has_another_key_than_the_one_in_its_user_data(
    cloud: HostCloud, operator: Operator
) -> None:
    operator.want(nodes=1, agents=1)
    operator.type("apply", "--yes")
    [host] = cloud
    shown = host.run("cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert public_key_in(cloud.user_data("web-1")) not in (None, f"ssh-ed25519 {shown}")
    assert shown in json.dumps(operator.state())
    assert "PRIVATE KEY" not in "".join(
        file.read_text(errors="replace") for file in operator.home.rglob("*") if file.is_file()
    )


@pytest.mark.parametrize(
    ("moment", "action"),
    [
        ("before", "RunInstances"),
        ("after", "RunInstances"),
        ("after", "TerminateInstances"),
    ],
)
def test_an_apply_that_is_killed_at_a_call_is_finished_by_the_next_one(
    cloud: HostCloud, operator: Operator, moment: str, action: str
) -> None:
    front = cloud.cloud.front
    front.stale = 2
    operator.want(nodes=2, agents=2)
    if action == "TerminateInstances":
        operator.type("apply", "--yes")
        operator.want(nodes=1, agents=2)
    victim = operator.start("apply", "--yes", "--max-destroy", "1")
    killed: list[int] = []

    def see(when: str, call: Call) -> None:
        if not killed and (when, call.action) == (moment, action):
            killed.append(call.number)
            victim.kill()

    def see_after(call: Call, _: Answer) -> None:
        see("after", call)

    front.before.append(lambda call: see("before", call))
    front.after.append(see_after)
    victim.communicate(timeout=100)
    assert victim.returncode == -signal.SIGKILL

    operator.type("apply", "--yes", "--max-destroy", "1")
    cloud.settle()
    names = [tags(raw)["phoenix:node"] for raw in cloud.cloud.instances()]
    assert sorted(names) == sorted(operator.running())
    assert len(names) == (1 if action == "TerminateInstances" else 2)
    agents = sorted(agent for each in operator.running().values() for agent in each)
    assert agents == ["counter-0", "counter-1"]
    assert operator.plan_is_empty()
