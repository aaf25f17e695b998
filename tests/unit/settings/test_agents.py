from __future__ import annotations

import pytest

from tests.unit.settings.loading import loaded, problems

HEAD = "fleet: {name: f}\nnodes: [{name: 'web[1-4]'}, {name: db1}]\n"


def test_nodes_of_a_spec_may_be_folded_a_pattern_or_created_by_a_provider(tmp_path):
    text = """\
        fleet: {name: f}
        pools: {s: , l: {provider: local, size: 2}}
        nodes: [{name: "web[1-4]", pool: s}]
        agents:
          a: {command: [x], nodes: ["web[3-4]", l-2, "web*"]}
        """
    spec = loaded(tmp_path, text).fleet.agents["a"]
    assert spec.nodes == ("web3", "web4", "l-2", "web1", "web2")


@pytest.mark.parametrize(
    ("agents", "says"),
    [
        ("{a: {command: [x], nodes: wbe1}}", "agents.a.nodes[0]: no node `wbe1`; did you mean"),
        ("{a: {command: [x], nodes: 'zz*'}}", "agents.a.nodes[0]: no node `zz*`"),
        ("{a: {command: [x], pools: [dfault]}}", "no pool `dfault`; did you mean `default`?"),
        ("{a: {command: [x], ready: {tcp: {}}}}", "agents.a.ready.tcp: needs a port"),
        ("{a: {command: [x], drain: {http: {path: /d}}}}", "agents.a.drain.http: needs a port"),
        (
            "{a: {command: [x], drain: {signal: HUP, until: {tcp: {}}}}}",
            "agents.a.drain.until.tcp: needs a port",
        ),
        ("{a: {command: [x], metrics: {}}}", "agents.a.metrics: needs a port"),
        ("{a: {command: [x], reload: {http: {path: /}}}}", "agents.a.reload.http: needs a port"),
        ("{a: {command: [x], ready: {}}}", "agents.a.ready: expected one of http, tcp, exec"),
        (
            "{a: {command: [x], drain: {signal: HUP, exec: {command: [y]}}}}",
            "agents.a.drain: expected one of http, exec, signal",
        ),
        ("{a: {command: [x], secrets: {T: {}}}}", "agents.a.secrets.T: expected one of env, file"),
        (
            "{a: {command: [x], secrets: {T: {env: T}}, env: {T: 1}}}",
            "agents.a.secrets.T: T is also in env",
        ),
        (
            "{a: {command: [x], port: 65530, replicas: 9}}",
            "agents.a.port: instance 8 would have port 65538",
        ),
        (
            "{a: {command: [x], port: 80, port_step: 0, replicas: 6}}",
            "agents.a.port_step: 6 replicas share port 80 and only 5 nodes can take one each",
        ),
        (
            "{a: {command: [x], rollout: {max_unavailable: 0}}}",
            "agents.a.rollout.max_unavailable: in place none could ever be changed; allow one",
        ),
        (
            "{a: {command: [x], replicas: 4, rollout: {max_unavailable: 2, min_healthy: 100%}}}",
            "agents.a.rollout.min_healthy: 4 of 4 stay healthy, so in place none could ever be",
        ),
        (
            "{a: {command: [x], replicas: 2, rollout: {order: surge, min_healthy: 3}}}",
            "agents.a.rollout.min_healthy: 3 can never be healthy, there are 2",
        ),
        (
            "{a: {command: [x], port: 80, replicas: 3}, b: {command: [x], port: 82, nodes: web2}}",
            "agents.b.port: port 82 is also one of agent a's, and both may run on web2",
        ),
    ],
)
def test_what_is_wrong_with_agents_is_told(tmp_path, agents, says):
    (line,) = problems(tmp_path, f"{HEAD}agents: {agents}\n")
    assert line.startswith("phoenixctl.yaml:3:")
    assert says in line


def test_two_specs_may_share_a_port_where_they_can_never_meet(tmp_path):
    agents = "{a: {command: [x], port: 80, nodes: web1}, b: {command: [x], port: 80, nodes: web2}}"
    assert len(loaded(tmp_path, f"{HEAD}agents: {agents}\n").fleet.agents) == 2


def test_a_spec_whose_nodes_are_not_in_its_pools_is_refused(tmp_path):
    text = """\
        fleet: {name: f}
        pools: {one: , two: }
        nodes: [{name: a, pool: one}, {name: b, pool: two}]
        agents: {x: {command: [x], pools: one, nodes: b}}
        """
    (line,) = problems(tmp_path, text)
    assert "agents.x.nodes: none of these nodes is in the spec's pools" in line


def test_a_hook_with_a_port_of_its_own_needs_none_of_the_agent(tmp_path):
    agents = "{a: {command: [x], ready: {tcp: {port: 9}}, metrics: {port: 9}}}"
    assert loaded(tmp_path, f"{HEAD}agents: {agents}\n").fleet.agents["a"].port is None


@pytest.mark.parametrize(
    "spec",
    [
        "replicas: 4, rollout: {max_unavailable: 25%, min_healthy: 75%}",
        "replicas: 4, rollout: {order: surge, max_unavailable: 0, min_healthy: 100%}",
        "replicas: 0, rollout: {max_unavailable: 0}",
    ],
)
def test_a_rollout_that_leaves_room_for_one_is_taken(tmp_path, spec):
    assert loaded(tmp_path, f"{HEAD}agents: {{a: {{command: [x], {spec}}}}}\n").fleet.agents
