"""Fail-over between real systemd hosts: one loses its power, an agent goes on from a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hosts.fleet import Hosts
from tests.hosts.test_status import phoenixctl

pytestmark = pytest.mark.hosts

# An agent of another user: what is copied for it is read and written as that user.
AGENTS = """\
agents:
  keeper:
    command:
      - sh
      - -c
      - |
        from=$PHOENIX_RESTORE_FROM
        if [ -n "$from" ] && [ "$(cat from)" != "$from" ]; then
            cat "$from" > count && echo "$from" > from
        fi
        exec sleep 1000
    user: nobody
    ready: {exec: {command: ["true"]}}
    checkpoint:
      exec: {command: [sh, -c, 'cat count > "$PHOENIX_CHECKPOINT_DIR/count-$(cat count)"']}
    checkpoints: {every: 1h, copies: 2, keep: 2}
"""


def where(config: Path) -> str:
    [agent] = [
        found
        for found in json.loads(phoenixctl(config, "agents", "ls", "-o", "json"))["agents"]
        if found["state"] == "running"
    ]
    return str(agent["node"])


def state(file: str) -> str:
    return f"/var/lib/phoenixctl/hosts/agents/keeper-0/state/{file}"


def test_an_agent_of_another_user_goes_on_from_its_checkpoint_when_its_host_loses_power(
    hosts: Hosts, tmp_path: Path
) -> None:
    config = hosts.write_config(tmp_path / "phoenixctl.yaml", agents=AGENTS)
    phoenixctl(config, "apply", "--yes")
    lost = hosts[where(config)]
    lost.run("sh", "-c", 'echo 7 > "$1"', "sh", state("count"))
    [made] = json.loads(phoenixctl(config, "agents", "checkpoint", "-o", "json"))["agents"]
    assert (made["outcome"], len(made["kept_on"])) == ("copied", 2)
    for peer in made["kept_on"]:
        shelf = "/var/lib/phoenixctl/hosts/checkpoints/keeper-0"
        listed = hosts[peer].run("find", shelf, "-type", "f", "-printf", "%f %m %u\n").split("\n")
        assert sorted(listed) == ["", "data 600 root", "manifest 600 root"]
    lost.run("sh", "-c", 'echo 9 > "$1"', "sh", state("count"))

    lost.power_off()
    told = phoenixctl(config, "apply", "--assume-dead", lost.name, "--yes", "-o", "json")
    [step] = json.loads(told)["steps"]
    assert "from its checkpoint, " in step["detail"]
    taking = hosts[step["node"]]
    assert taking.run("cat", state("count")) == "7\n"
    assert taking.run("stat", "-c", "%U %a", state("count")) == "nobody 600\n"
    assert "PHOENIX_RESTORE_FROM" not in taking.run(
        "cat", "/var/lib/phoenixctl/hosts/agents/keeper-0/env"
    )
