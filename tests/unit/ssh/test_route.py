from pathlib import Path
from typing import Any

import pytest

from phoenixctl.model.errors import ConfigError
from phoenixctl.model.fleet import Node, SshSettings
from phoenixctl.model.names import NodeName
from phoenixctl.ssh.route import Hop, Routes
from phoenixctl.ssh.ssh_config import SshConfig

ENVIRON = {"LOGNAME": "me", "SSH_AUTH_SOCK": "/agent", "OTHER": "/other"}


def route(tmp_path: Path, config: str = "", settings: Any = None, **node: Any) -> Hop:
    path = tmp_path / "config"
    path.write_text(config)
    routes = Routes(
        SshSettings(**(settings or {})),
        SshConfig.read([path], home=tmp_path),
        home=tmp_path,
        environ=ENVIRON,
    )
    return routes.to(Node(**({"name": NodeName("web"), "pool": "p", "address": "web"} | node)))


def test_nothing_said_means_what_ssh_would_do(tmp_path: Path) -> None:
    hop = route(tmp_path)
    assert str(hop) == "me@web:22"
    assert hop.login.identity_files == tuple(
        tmp_path / ".ssh" / name for name in ("id_ed25519", "id_ecdsa", "id_rsa")
    )
    assert hop.known_hosts == (tmp_path / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts"))
    assert hop.login.agent == "/agent"
    assert hop.via is None


CONFIG = """
Host web
  HostName %h.example
  User file
  Port 2000
  IdentityFile ~/.ssh/%r@%h
  UserKnownHostsFile ${OTHER}/known
  GlobalKnownHostsFile none
  HostKeyAlias alias
  IdentitiesOnly yes
  ConnectTimeout 9
"""


def test_the_ssh_configuration_fills_in_what_we_do_not_say(tmp_path: Path) -> None:
    hop = route(tmp_path, CONFIG)
    assert str(hop) == "file@web.example:2000"
    assert hop.login.identity_files == (tmp_path / ".ssh/file@web.example",)
    assert hop.known_hosts == (Path("/other/known"),)
    assert (hop.alias, hop.login.identities_only) == ("alias", True)
    assert hop.connect_timeout_seconds == 9


def test_the_fleet_goes_before_the_file_and_the_node_before_the_fleet(tmp_path: Path) -> None:
    fleet = {"user": "fleet", "port": 3000, "identity_files": ("/fleet",)}
    assert str(route(tmp_path, CONFIG, fleet)) == "fleet@web.example:3000"
    hop = route(tmp_path, CONFIG, fleet, user="node", port=4000, identity_files=("~/key",),
                known_hosts_files=("/known",))  # fmt: skip
    assert str(hop) == "node@web.example:4000"
    assert hop.login.identity_files == (tmp_path / "key",)
    assert hop.known_hosts == (Path("/known"),)


def test_a_node_can_leave_the_file_and_the_agent_out(tmp_path: Path) -> None:
    hop = route(tmp_path, CONFIG, use_ssh_config=False, use_agent=False)
    assert str(hop) == "me@web:22"
    assert hop.login.agent is None


@pytest.mark.parametrize(
    ("line", "agent"),
    [("none", None), ("SSH_AUTH_SOCK", "/agent"), ("$OTHER", "/other"), ("/sock", "/sock")],
)
def test_the_agent_that_the_file_names(tmp_path: Path, line: str, agent: str | None) -> None:
    assert route(tmp_path, f"IdentityAgent {line}\n").login.agent == agent


def test_a_chain_of_jump_hosts(tmp_path: Path) -> None:
    config = "Host gate\n  HostName gate.example\n  User g\n  ProxyJump far\nHost far\n  Port 99\n"
    hop = route(tmp_path, config, jump="gate,ssh://u@second:5,[::1]:6")
    chain = []
    via = hop.via
    while via is not None:
        chain.append(str(via))
        via = via.via
    assert chain == ["me@::1:6", "u@second:5", "g@gate.example:22", "me@far:99"]


def test_another_port_of_the_same_address_can_be_a_jump_host(tmp_path: Path) -> None:
    hop = route(tmp_path, jump="web", port=2222)
    assert str(hop.via) == "me@web:22"


def test_jumping_in_a_circle_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="circle"):
        route(tmp_path, "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n", jump="a")


def test_a_node_can_go_without_the_file_s_jump_host(tmp_path: Path) -> None:
    config = "ProxyJump gate\nProxyCommand nc %h %p\n"
    through = route(tmp_path, config)
    assert str(through.via) == "me@gate:22"
    assert through.via is not None
    assert through.via.via is None
    hop = route(tmp_path, config, jump="none")
    assert hop.via is None
    assert hop.proxy_command is None


def test_a_proxy_command_gets_its_tokens(tmp_path: Path) -> None:
    hop = route(tmp_path, "ProxyCommand nc -u %r %h %p 100%%\nPort 7\n")
    assert hop.proxy_command == "nc -u me web 7 100%"


def test_an_unknown_token_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="%Z"):
        route(tmp_path, "ProxyCommand nc %Z\n")


def test_nodes_with_the_same_login_share_it(tmp_path: Path) -> None:
    routes = Routes(SshSettings(), SshConfig(), home=tmp_path, environ=ENVIRON)
    nodes = [Node(NodeName(name), "p", name) for name in ("a", "b")]
    first, second = (routes.to(node) for node in nodes)
    assert first.login is second.login


def test_a_jump_host_may_be_a_node_of_the_fleet_by_its_name(tmp_path: Path) -> None:
    bastion = Node(NodeName("gate"), "p", "192.0.2.1", port=2200, user="ops", use_ssh_config=False)
    inner = Node(NodeName("web"), "p", "10.0.0.1", jump="gate", use_ssh_config=False)
    nodes = {node.name: node for node in (bastion, inner)}
    routes = Routes(SshSettings(), SshConfig(), home=tmp_path, environ=ENVIRON, nodes=nodes)
    hop = routes.to(inner)
    assert hop.via is not None
    assert (hop.via.host, hop.via.port, hop.via.login.user) == ("192.0.2.1", 2200, "ops")


def test_nodes_that_jump_over_each_other_are_refused(tmp_path: Path) -> None:
    nodes = {
        NodeName(name): Node(NodeName(name), "p", f"10.0.0.{name}", jump=other)
        for name, other in (("1", "2"), ("2", "1"))
    }
    routes = Routes(SshSettings(), SshConfig(), home=tmp_path, environ=ENVIRON, nodes=nodes)
    with pytest.raises(ConfigError):
        routes.to(nodes[NodeName("1")])


def test_recorded_host_keys_take_the_place_of_known_hosts_files_for_the_node_alone(
    tmp_path: Path,
) -> None:
    hop = route(tmp_path, CONFIG, host_keys=("ssh-ed25519 AAAA",), jump="gate")
    assert (hop.host_keys, hop.known_hosts) == (("ssh-ed25519 AAAA",), ())
    assert hop.via is not None
    assert hop.via.host_keys == ()
    assert hop.via.known_hosts
