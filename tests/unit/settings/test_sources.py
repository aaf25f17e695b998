"""Nodes from ~/.ssh/config and from Ansible inventories."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenixctl.model.fleet import Node
from tests.unit.settings.loading import loaded, problems

SSH = "fleet: {name: f}\nnodes: [{from: {ssh_config: {hosts: HOSTS}}}]\n"
ANSIBLE = "fleet: {name: f}\nnodes: [{from: {ansible: {path: FILE}}}]\n"


def home(folder: Path, config: str, **included: str) -> dict[str, str]:
    ssh = folder / "home" / ".ssh"
    ssh.mkdir(parents=True)
    (ssh / "config").write_text(config)
    for name, text in included.items():
        (ssh / name).write_text(text)
    return {"HOME": str(folder / "home")}


def inventory(folder: Path, text: str, name: str = "hosts.ini") -> dict[str, Node]:
    (folder / name).write_text(text)
    return dict(loaded(folder, ANSIBLE.replace("FILE", name)).fleet.nodes)


def inventory_problems(folder: Path, text: str, name: str = "hosts.ini") -> list[str]:
    (folder / name).write_text(text)
    return problems(folder, ANSIBLE.replace("FILE", name))


def test_hosts_of_the_ssh_configuration_are_nodes_reached_by_their_alias(tmp_path):
    environ = home(
        tmp_path,
        'Host web1 "web2" *.example.org web? !web9\n  User a\nhost=web3 # web8\n'
        "Include extra\nMatch host web7\nHost db1\n",
        extra="Host web4\nHost web1\n",
    )
    nodes = loaded(tmp_path, SSH.replace("HOSTS", "web*"), environ=environ).fleet.nodes
    assert list(nodes) == ["web1", "web2", "web3", "web4"]
    assert all(node.address == name and node.use_ssh_config for name, node in nodes.items())


def test_a_pattern_that_matches_no_host_names_the_nearest(tmp_path):
    environ = home(tmp_path, "Host web1\n")
    (line,) = problems(tmp_path, SSH.replace("HOSTS", "[web*, wbe1]"), environ=environ)
    assert "from.ssh_config.hosts[1]: `wbe1` is no host of that file; did you mean `web1`?" in line


def test_a_missing_ssh_configuration_is_told(tmp_path):
    (line,) = problems(tmp_path, SSH.replace("HOSTS", "a"), environ={"HOME": str(tmp_path)})
    assert "from.ssh_config: there is no file" in line


def test_an_include_that_leads_back_to_itself_ends(tmp_path):
    environ = home(tmp_path, "Include config\nHost a\n")
    (line,) = problems(tmp_path, SSH.replace("HOSTS", "a"), environ=environ)
    assert "through more than 16 files" in line


def test_hosts_of_another_ssh_configuration_than_the_one_used_are_refused(tmp_path):
    text = SSH.replace("hosts: HOSTS", "hosts: a, path: other")
    (line,) = problems(tmp_path, text, environ=home(tmp_path, "Host a\n"))
    assert "can only be reached with the same file as ssh.config_file" in line


def test_an_ini_inventory_gives_logins_groups_and_the_groups_around_them(tmp_path):
    nodes = inventory(
        tmp_path,
        """\
; a comment
solo.example.org:2200
[web]
web[01:02] ansible_host=192.0.2.1 ansible_user=own  # comment
[db]
db-[a:c:2] ansible_port=23
[site:children]
web
db
[site:vars]
ansible_user = "site"
ansible_become=yes
[all:vars]
ansible_ssh_private_key_file = keys/id
ansible_ssh_common_args = '-o StrictHostKeyChecking=no -o ProxyJump=ops@bastion:22'
""",
    )
    assert list(nodes) == ["solo.example.org", "web01", "web02", "db-a", "db-c"]
    web, db, solo = nodes["web01"], nodes["db-c"], nodes["solo.example.org"]
    assert (web.address, web.user, web.port, web.sudo) == ("192.0.2.1", "own", None, True)
    assert (db.address, db.user, db.port, db.sudo) == ("db-c", "site", 23, True)
    assert (solo.user, solo.port, solo.sudo) == (None, 2200, False)
    assert web.labels == {"group.site": "true", "group.web": "true"}
    assert solo.labels == {}
    assert {node.jump for node in nodes.values()} == {"ops@bastion:22"}
    assert web.identity_files == (str(tmp_path / "keys/id"),)


YAML = """\
all:
  vars: &defaults {ansible_user: everyone}
  hosts:
    lone:
  children:
    web:
      vars: {<<: *defaults, ansible_port: 2222}
      hosts:
        web[1:2]: {ansible_host: 192.0.2.5, packages: [a, b]}
    prod:
      children:
        web:
      vars: {ansible_user: prod, ansible_become: on}
"""


@pytest.mark.parametrize("name", ["hosts.yaml", "hosts.yml"])
def test_a_yaml_inventory_is_read_with_the_scalars_of_yaml_1_1(tmp_path, name):
    nodes = inventory(tmp_path, YAML, name)
    assert list(nodes) == ["lone", "web1", "web2"]
    web = nodes["web1"]
    assert (web.address, web.port, web.sudo) == ("192.0.2.5", 2222, True)
    assert web.user == "everyone"  # set again in web, which is nearer than prod
    assert web.labels == {"group.prod": "true", "group.web": "true"}


def test_a_host_in_several_groups_has_the_labels_of_all_and_the_pool_of_the_first_that_fits(
    tmp_path,
):
    (tmp_path / "i").write_text("[a]\nx\ny\n[b]\nx\nz\n")
    text = """\
        fleet: {name: f}
        pools: {one: , two: , rest: }
        nodes:
          - from: {ansible: {path: i, pool_of_group: {b: two, a: one}}}
            pool: rest
            labels: {group.a: mine}
        """
    nodes = loaded(tmp_path, text).fleet.nodes
    assert {name: node.pool for name, node in nodes.items()} == {"x": "two", "y": "one", "z": "two"}
    x = next(iter(nodes.values()))
    assert x.labels == {"group.a": "mine", "group.b": "true"}


def test_variables_in_folders_beside_the_inventory_count_as_in_ansible(tmp_path):
    (tmp_path / "group_vars" / "web").mkdir(parents=True)
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("ansible_user: all\nansible_port: 1\n")
    (tmp_path / "group_vars" / "web" / "login.yml").write_text("ansible_port: 2\n")
    (tmp_path / "group_vars" / "web" / "vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n61\n")
    (tmp_path / "host_vars" / "b.yml").write_text("ansible_port: 3\n")
    nodes = inventory(tmp_path, "[web]\na\nb\n[web:vars]\nansible_user=web\nansible_port=9\n")
    assert [(n.user, n.port) for n in nodes.values()] == [("all", 2), ("all", 3)]


def test_only_hosts_of_the_groups_and_patterns_asked_for_are_taken(tmp_path):
    (tmp_path / "i").write_text("[a]\na1\na2\nb9\n[b]\nb1\n")
    text = ANSIBLE.replace("path: FILE", "path: i, groups: a, hosts: 'a*'")
    assert list(loaded(tmp_path, text).fleet.nodes) == ["a1", "a2"]


def test_hosts_that_ansible_does_not_reach_over_ssh_are_left_out(tmp_path):
    nodes = inventory(tmp_path, "localhost ansible_connection=local\nweb1\n")
    assert list(nodes) == ["web1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a ansible_host='{{ ip }}'", "host a: ansible_host is a template"),
        ("a ansible_port=99999", "host a: ansible_port is no port number: '99999'"),
        ("a ansible_host=-oProxyCommand=x", "host a: ansible_host is not usable"),
        ("a ansible_ssh_common_args='-o \"x'", "has an unclosed quote"),
        ("[a]\nx 'y", "hosts.ini:2: No closing quotation"),
        ("[a:child]\nx", "hosts.ini:1: section [a:child] is not known to Ansible"),
        ("[a:vars]\nx", "hosts.ini:2: expected name=value"),
        ("[a:children]\nb\n[b:children]\na\n", "these groups contain each other: a, b"),
        ("[a]\nweb[9:1]", "hosts.ini:2: [9:1] is not a range of hosts"),
        ("[a]\nweb[0:999999]", "more than 100000 hosts"),
        ("_gateway", "'_gateway' is not a node name"),
        ("#!/bin/sh\necho", "is a program"),
    ],
)
def test_what_is_wrong_with_an_inventory_is_told(tmp_path, text, says):
    (line,) = inventory_problems(tmp_path, text)
    assert line.startswith("phoenixctl.yaml:2:")
    assert says in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("all: [a]", "hosts.yaml:1:6: expected a group's hosts, children or vars"),
        ("- a", "hosts.yaml:1:1: expected a mapping of groups"),
        ("all: {hosts: [a]}", "expected a mapping under hosts"),
        ("all: {hosts: {a: 1", "hosts.yaml:2:1: did not find"),
        ("a: &a\n  children: {b: *a}", "contains itself"),
    ],
)
def test_what_is_wrong_with_a_yaml_inventory_is_told_with_its_place(tmp_path, text, says):
    (line,) = inventory_problems(tmp_path, text, "hosts.yaml")
    assert says in line


def test_groups_that_are_not_there_are_told_with_the_nearest(tmp_path):
    (tmp_path / "i").write_text("[web]\na\n")
    text = ANSIBLE.replace("path: FILE", "path: i, groups: wbe, pool_of_group: {wed: default}")
    found = problems(tmp_path, text)
    assert len(found) == 2
    assert "groups[0]: no group `wbe`; did you mean `web`?" in found[0]
    assert "pool_of_group.wed: no group `wed`; did you mean `web`?" in found[1]
