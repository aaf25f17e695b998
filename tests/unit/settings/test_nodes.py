from __future__ import annotations

import pytest
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.settings.fold import unfold
from tests.unit.settings.loading import loaded, problems

HEAD = "fleet: {name: f}\n"


def test_folded_names_go_in_step_with_folded_addresses(tmp_path):
    config = loaded(tmp_path, f"{HEAD}nodes: [{{name: 'web[01-03]', address: '10.0.0.[7,5,9]'}}]\n")
    assert {name: node.address for name, node in config.fleet.nodes.items()} == {
        "web01": "10.0.0.7",
        "web02": "10.0.0.5",
        "web03": "10.0.0.9",
    }


def test_an_address_may_be_made_from_the_name_and_is_the_name_otherwise(tmp_path):
    text = HEAD + 'nodes: [{name: a, address: "{name}.example.org"}, {name: b}]\n'
    nodes = loaded(tmp_path, text).fleet.nodes
    assert [node.address for node in nodes.values()] == ["a.example.org", "b"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[{name: 'a[1-3]', address: b}]", "nodes[0].address: 3 names, but 1 addresses"),
        ("[{name: 'a[1-3'}]", "`a[1-3`: a bracket [ without its partner"),
        ("[{name: 'a[x]'}]", "`[x]` is not a range"),
        ("[{name: 'a[3-1]'}]", "write the lower number first"),
        ("[{name: 'a[0-99999999]'}]", "more than 100000 names"),
        ("[{name: 'a[1-999][1-999]'}]", "more than 100000 names"),
        ("[{name: 'a,,b'}]", "a name is missing beside a comma"),
        ("[{name: 'a b'}]", "nodes[0].name: 'a b' is not a node name"),
        ("[{name: a, address: '{host}'}]", "only {name} may stand in braces"),
        ("[{name: a}, {name: 'a'}]", "nodes[1]: node a is already in nodes[0]"),
        ("[{name: 'a,a'}]", "nodes[0].name: node a is named twice"),
        ("[{address: a}]", "nodes[0]: missing: name (or from)"),
        ("[{name: a, from: {ssh_config: {hosts: x}}}]", "name and from exclude each other"),
        ("[{from: {}}]", "expected one of ssh_config, ansible"),
        ("[{name: a, pool: wbe}]\npools: {web: {}}", "no pool `wbe`; did you mean `web`?"),
        ("[{name: a}]\npools: {web: {}, db: {}}", "nodes[0].pool: missing: the pool it belongs"),
        ("[{name: a, pool: l}]\npools: {l: {provider: local, size: 1}}", "provider local creates"),
    ],
)
def test_what_is_wrong_with_nodes_is_told(tmp_path, text, line):
    found = problems(tmp_path, f"{HEAD}nodes: {text}\n")
    assert len(found) == 1
    assert line in found[0]


def test_the_only_pool_need_not_be_named_and_its_labels_are_inherited(tmp_path):
    text = """\
        fleet: {name: f}
        pools: {web: {labels: {tier: front, zone: a}}}
        nodes: [{name: a, labels: {zone: b}}]
        """
    (node,) = loaded(tmp_path, text).fleet.nodes.values()
    assert node.pool == "web"
    assert node.labels == {"tier": "front", "zone": "b"}


def test_without_pools_nodes_are_in_the_default_pool(tmp_path):
    fleet = loaded(tmp_path, f"{HEAD}nodes: [{{name: a}}]\n").fleet
    assert fleet.nodes["a"].pool == "default"  # type: ignore[index]
    assert fleet.pools["default"].provider == "static"


def test_sudo_and_the_agent_are_as_the_fleet_has_them_unless_a_node_says_otherwise(tmp_path):
    text = """\
        fleet: {name: f}
        ssh: {sudo: true, use_agent: false}
        nodes: [{name: a}, {name: b, sudo: false, use_agent: true}]
        """
    a, b = loaded(tmp_path, text).fleet.nodes.values()
    assert (a.sudo, a.use_agent) == (True, False)
    assert (b.sudo, b.use_agent) == (False, True)


def test_files_are_relative_to_the_configuration_and_home_stays(tmp_path):
    text = """\
        fleet: {name: f}
        ssh: {identity_files: [keys/id, ~/.ssh/id, /etc/key], known_hosts_files: hosts}
        nodes: [{name: a, identity_files: own}]
        """
    fleet = loaded(tmp_path, text).fleet
    assert fleet.ssh.identity_files == (f"{tmp_path}/keys/id", "~/.ssh/id", "/etc/key")
    assert fleet.ssh.known_hosts_files == (f"{tmp_path}/hosts",)
    assert next(iter(fleet.nodes.values())).identity_files == (f"{tmp_path}/own",)


def test_a_listed_node_may_not_have_the_name_of_one_that_a_provider_creates(tmp_path):
    text = (
        f"{HEAD}pools: {{p: {{provider: local, size: 2}}, s: }}\nnodes: [{{name: p-2, pool: s}}]\n"
    )
    (line,) = problems(tmp_path, text)
    assert "pools.p: its node p-2 is also listed under nodes" in line


def test_a_stepped_range_and_commas_unfold_in_the_order_written():
    assert unfold("n[08-10],m[3,1],k[0-4/2]x") == (
        "n08", "n09", "n10", "m3", "m1", "k0x", "k2x", "k4x",
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=4),
    st.booleans(),
)
def test_unfolding_gives_the_names_that_clustershell_gives(ranges, padded):
    width = 3 if padded else 1
    parts = ",".join(f"{first:0{width}d}-{first + more:0{width}d}" for first, more in ranges)
    text = f"rack-[1-2]n[{parts}].example.org"
    theirs = set(NodeSet(text, resolver=RESOLVER_NOGROUP))
    assert set(unfold(text)) == theirs
