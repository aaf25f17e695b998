"""Rules about places: what may be written, in short too, and what is refused with its reason."""

from __future__ import annotations

import subprocess
import sys

import pytest

from phoenixctl.model.fleet import Resources
from phoenixctl.model.rules import (
    BY_DEFAULT,
    NODE,
    POOL,
    Affinity,
    AgentSelector,
    Cap,
    Redundancy,
    Rules,
    Spread,
    Strategy,
    Toleration,
)
from phoenixctl.settings.check import OWN_LABELS
from tests.unit.settings.loading import loaded, problems

HEAD = """\
fleet: {name: f}
pools:
  web: {labels: {zone: z1, disk: ssd}, capacity: {cpu: 4, other: {gpu: 1}}}
nodes: [{name: 'web[1-4]', labels: {rack: r1}}]
"""


def rules(tmp_path, written):
    text = f"{HEAD}agents: {{cache: {{command: [x]}}, a: {{command: [x], placement: {written}}}}}\n"
    return loaded(tmp_path, text).fleet.agents["a"].rules


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("{affinity: cache}", "{affinity: [{agents: {specs: [cache]}, within: node}]}"),
        ("{anti_affinity: [a, cache]}", "{anti_affinity: [{agents: a}, {agents: [cache]}]}"),
        ("{spread: zone}", "{spread: [{across: zone, max_skew: 1}]}"),
        ("{redundancy: [rack]}", "{redundancy: [{across: rack, at_least: 2}]}"),
        ("{caps: {cpu: 80%}}", "{caps: {cpu: {at: 0.8}}}"),
        ("{tolerations: gpu}", "{tolerations: [{key: gpu}]}"),
        ("{tolerations: [gpu=a100]}", "{tolerations: [{key: gpu, value: a100}]}"),
        (
            "{selector: [{label: disk, in: ssd}]}",
            "{selector: [{label: disk, in: [ssd], weight: null}]}",
        ),
        ("{selector: [{label: disk, equals: ssd}]}", "{selector: [{label: disk, in: [ssd]}]}"),
    ],
)
def test_a_short_form_says_the_same_as_the_long_one(tmp_path, short, long):
    found = rules(tmp_path, short)
    assert found is not None
    assert found == rules(tmp_path, long)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("gpu", "{key: gpu, value: '', effect: keep_off}"),
        ("gpu=a100", "{key: gpu, value: a100}"),
        ("gpu:avoid", "{key: gpu, effect: avoid}"),
        ("'gpu=1.10:avoid'", "{key: gpu, value: 1.10, effect: avoid}"),
    ],
)
def test_a_taint_in_short_says_the_same_as_the_long_one(tmp_path, short, long):
    def taints(written):
        return loaded(tmp_path, f"fleet: {{name: f}}\npools: {{p: {{taints: [{written}]}}}}").fleet

    assert taints(short).pools["p"].taints == taints(long).pools["p"].taints


def test_a_wrong_requirement_does_not_shift_the_numbers_of_others(tmp_path):
    selector = "[{label: disk}, {label: disk, in: ssd, equals: hdd}, {label: pool, in: wbe}]"
    agents = f"{{a: {{command: [x], placement: {{selector: {selector}}}}}}}"
    found = problems(tmp_path, f"{HEAD}agents: {agents}\n")
    assert [line.split(": ")[1] for line in found] == [
        f"agents.a.placement.selector[{index}]" for index in range(3)
    ]


def test_what_is_written_is_what_the_model_says(tmp_path):
    assert rules(
        tmp_path,
        "{affinity: [{agents: cache, within: zone, weight: 2}], spread: zone, redundancy: rack, "
        "caps: {gpu: {at: 90%, weight: 3}}, tolerations: ['gpu='], strategy: latency_aware}",
    ) == Rules(
        affinity=(Affinity(AgentSelector(specs=("cache",)), "zone", 2.0),),
        spread=(Spread("zone"),),
        redundancy=(Redundancy("rack"),),
        caps=(Cap("gpu", 0.9, 3.0),),
        tolerations=(Toleration("gpu", ""),),
        strategy=Strategy.LATENCY_AWARE,
    )


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("{selectr: []}", "placement.selectr: unknown key; did you mean `selector`?"),
        (
            "{selector: [{label: disk}]}",
            "selector[0]: expected one of equals, in, not_in, exists, greater, less, found none",
        ),
        (
            "{selector: [{label: disk, equals: ssd, exists: true}]}",
            "selector[0]: expected one of equals, in, not_in, exists, greater, less, found several",
        ),
        ("{selector: [{label: disk, in: []}]}", "selector[0].in: name one value at least"),
        ("{selector: [{label: disk, greater: x}]}", 'greater: expected a number, found "x"'),
        (
            "{selector: [{label: disc, in: ssd}]}",
            "no pool or node has a label `disc`; did you mean `disk`?",
        ),
        ("{selector: [{label: pool, equals: wbe}]}", "no pool `wbe`; did you mean `web`?"),
        ("{selector: [{label: node, in: [web1, web9]}]}", "no node `web9`; did you mean `web4`?"),
        ("{affinity: [cahce]}", "affinity[0].agents: no agent spec `cahce`; did you mean `cache`?"),
        ("{affinity: [{agents: {ids: cahce-0}}]}", "no agent spec `cahce`; did you mean `cache`?"),
        ("{affinity: [{agents: {ids: cache-1}}]}", "no agent `cache-1`; replicas of cache: 1"),
        (
            "{affinity: [{agents: {ids: cache}}]}",
            "ids[0]: expected an agent such as ingest-0, found",
        ),
        (
            "{affinity: [{agents: {}}]}",
            "agents: say which: the name of a spec, or ids, specs or labels",
        ),
        ("{affinity: [{within: zone}]}", "affinity[0].agents: missing: The other agents:"),
        (
            "{affinity: [{agents: {labels: {tire: x}}}]}",
            "no agent has a label `tire`; did you mean",
        ),
        (
            "{affinity: [{agents: {labels: {tier: ho}}}]}",
            "no agent has the label tier: ho; did you mean",
        ),
        (
            "{affinity: [{agents: cache, within: zoen}]}",
            "within: no pool or node has a label `zoen`",
        ),
        ("{spread: zoen}", "spread[0].across: no pool or node has a label `zoen`; did you mean"),
        ("{spread: [{across: zone, max_skew: 0}]}", "max_skew: expected a whole number from 1 to"),
        ("{spread: [{across: zone, weight: 0}]}", "weight: expected a number above nought, found"),
        ("{redundancy: [{across: zone, at_least: 1}]}", "at_least: expected a whole number from 2"),
        ("{caps: {mem: 80%}}", "caps.mem: no resource `mem`; did you mean `memory`?"),
        ("{caps: {cpu: 110%}}", "caps.cpu.at: expected a share above nought, at most one"),
        ("{caps: {cpu: {weight: 1}}}", "caps.cpu.at: missing: Share of it that is promised or"),
        ("{tolerations: [{value: x}]}", "tolerations[0].key: missing: The taint's name."),
        ("{priority: high}", "priority: expected a whole number from -1000000 to 1000000"),
        (
            "{strategy: packed}",
            "strategy: expected one of resource_aware, spread, pack",
        ),
        (
            "{affinity: [{agents: a, within: zone}], anti_affinity: [{agents: a, within: zone}]}",
            "affinity[0]: agents.a.placement.anti_affinity[0] keeps them apart; leave one of the",
        ),
        (
            "{affinity: [cache], anti_affinity: [{agents: [a, cache], within: zone}]}",
            "affinity[0]: agents.a.placement.anti_affinity[0] keeps them apart; leave one of the",
        ),
    ],
)
def test_what_is_wrong_with_rules_is_told(tmp_path, written, says):
    agents = (
        f"{{cache: {{command: [x], labels: {{tier: hot}}}},\n"
        f" a: {{command: [x], placement: {written}}}}}"
    )
    (line,) = problems(tmp_path, f"{HEAD}agents: {agents}\n")
    assert line.startswith("phoenixctl.yaml:6:")
    assert says in line


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{affinity: [b]}", "{anti_affinity: [a]}"),
        ("{affinity: [{agents: {labels: {tier: hot}}}]}", "{anti_affinity: [a]}"),
        ("{affinity: [{agents: {ids: [b-0]}}], anti_affinity: [{agents: {ids: b-0}}]}", "{}"),
        ("{affinity: [b], anti_affinity: [{agents: {labels: {tier: hot}}}]}", "{}"),
        ("{affinity: [b]}", "{anti_affinity: [{agents: {ids: [a-0, a-1]}, within: zone}]}"),
    ],
)
def test_agents_that_another_rule_keeps_apart_cannot_be_together(tmp_path, one, other):
    agents = (
        f"{{a: {{command: [x], replicas: 2, placement: {one}}},\n"
        f" b: {{command: [x], replicas: 2, labels: {{tier: hot}}, placement: {other}}}}}"
    )
    (line,) = problems(tmp_path, f"{HEAD}agents: {agents}\n")
    assert line.startswith("phoenixctl.yaml:5:")
    assert "agents.a.placement.affinity[0]: agents." in line
    assert "placement.anti_affinity[0] keeps them apart" in line


@pytest.mark.parametrize(
    "written",
    [
        "{affinity: [{agents: cache, within: zone}], anti_affinity: [cache]}",  # beside each other
        "{affinity: [cache], anti_affinity: [{agents: cache, weight: 1}]}",
        "{affinity: [{agents: [a, cache]}], anti_affinity: [cache]}",  # a is left
        "{affinity: [cache], anti_affinity: [{agents: {ids: cache-0}}]}",  # there are others
        "{selector: [{label: spot, exists: false}, {label: kind, not_in: [old]}]}",
        "{redundancy: [{across: zone, at_least: 9}]}",  # with fewer replicas, each in another
        "{spread: node, caps: {network: 50%}}",
    ],
)
def test_rules_that_can_hold_are_taken(tmp_path, written):
    agents = (
        f"{{cache: {{command: [x], replicas: 2, labels: {{tier: hot}}}}, "
        f"a: {{command: [x], placement: {written}}}}}"
    )
    assert loaded(tmp_path, f"{HEAD}agents: {agents}\n").fleet.agents["a"].rules


def test_labels_that_the_provider_gives_may_be_named(tmp_path):
    text = """\
        fleet: {name: f}
        pools:
          p:
            provider: aws
            size: 2
            aws: {region: eu-central-1, zones: eu-central-1a, types: m6i.large, image: ami-0}
        agents:
          a:
            command: [x]
            placement: {spread: zone, redundancy: region, selector: [{label: node, in: p-2}]}
        """
    assert loaded(tmp_path, text).fleet.agents["a"].rules


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "pools: {p: {taints: ['gpu:keepoff']}}",
            'pools.p.taints[0].effect: expected one of keep_off, avoid, found "keepoff"',
        ),
        ("pools: {p: {taints: ['two words']}}", "pools.p.taints[0].key: expected a label's name"),
        ("pools: {p: {taints: [{value: x}]}}", "pools.p.taints[0].key: missing: Its name."),
        (
            "pools: {p: {labels: {pool: x}}}",
            "pools.p.labels.pool: every node has its pool as a label",
        ),
        (
            "nodes: [{name: n, labels: {node: x}}]",
            "nodes[0].labels.node: every node has its node as a label",
        ),
        (
            "pools: {p: {capacity: {cpu: 2, memory: 1GiB}, reserved: {memory: 2GiB}}}",
            "pools.p.reserved.memory: more than the memory there is; lower it",
        ),
        (
            "nodes: [{name: n, resources: {other: {gpu: 1}}, reserved: {cpu: 1, other: {gpu: 2}}}]",
            "nodes[0].reserved.other.gpu: more than the gpu there is; lower it",
        ),
        (
            "nodes: [{name: n, resources: {other: {cpu: 1}}}]",
            "nodes[0].resources.other.cpu: expected a resource's name of",
        ),
        (
            "placement: {weights: {resources: 0, affinity: 0, balance: 0, performance: 0}}",
            "placement.weights: all of them are nought; give one of them more",
        ),
        (
            "placement: {objectives: {latency: 0, throughput: 0, balance: 0, cost: 0}}",
            "placement.objectives: all of them are nought",
        ),
        (
            "placement: {weights: {load: 1}}",
            "placement.weights.load: unknown key; known: resources",
        ),
        (
            "placement: {caps: {gpus: 50%}}",
            "placement.caps.gpus: no resource `gpus`; did you mean `gpu`?",
        ),
        ("placement: {rebalance: {move_cost: 2}}", "move_cost: expected a part, at most one"),
        ("placement: {rebalance: {goal: evn}}", "expected one of even, resources, latency"),
        ("placement: {throughput: 0}", "placement.throughput: expected a number above nought"),
    ],
)
def test_what_is_wrong_with_nodes_and_the_fleet_is_told(tmp_path, text, says):
    agents = "agents: {a: {command: [x], resources: {other: {gpu: 1}}}}"
    (line,) = problems(tmp_path, f"fleet: {{name: f}}\n{agents}\n{text}\n")
    assert line.startswith("phoenixctl.yaml:3:")
    assert says in line


def test_placement_can_be_set_by_flags_and_variables(tmp_path):
    fleet = loaded(
        tmp_path,
        f"{HEAD}agents: {{a: {{command: [x]}}}}\n",
        environ={"PHOENIXCTL_PLACEMENT__WEIGHTS__BALANCE": "1"},
        overrides={"placement.strategy": "pack", "agents.a.placement.spread": "[zone]"},
    ).fleet
    assert fleet.placement is not None
    assert fleet.placement.strategy is Strategy.PACK
    assert fleet.placement.weights.balance == 1
    assert fleet.agents["a"].rules == Rules(spread=(Spread("zone"),))


@pytest.mark.parametrize("written", ["", "placement:\n", "placement: {strategy: resource_aware}\n"])
def test_the_usual_settings_are_as_if_none_were_written(tmp_path, written):
    config = loaded(tmp_path, f"fleet: {{name: f}}\n{written}agents: {{a: {{command: [x]}}}}\n")
    assert config.fleet.placement is None
    assert config.fleet == loaded(tmp_path, "fleet: {name: f}\nagents: {a: {command: [x]}}\n").fleet
    assert BY_DEFAULT.strategy is Strategy.RESOURCE_AWARE


def test_rules_that_say_nothing_are_none(tmp_path):
    assert rules(tmp_path, "{}") is None
    assert rules(tmp_path, "{spread: [], priority: 0}") is None


def test_a_node_may_have_and_keep_other_things_than_its_pool(tmp_path):
    text = """\
        fleet: {name: f}
        pools: {p: {capacity: {cpu: 2}, reserved: {cpu: 1}, taints: [old]}}
        nodes: [{name: n, resources: {other: {gpu: 2}}, reserved: {cpu: 500m}, taints: [gpu]}]
        """
    fleet = loaded(tmp_path, text).fleet
    (node,) = fleet.nodes.values()
    assert node.resources == Resources(other={"gpu": 2})
    assert node.reserved == Resources(cpu=0.5)
    assert [taint.key for taint in (*fleet.pools["p"].taints, *node.taints)] == ["old", "gpu"]


def test_labels_that_every_node_has_are_those_of_the_model():
    assert {NODE, POOL} == OWN_LABELS


def test_a_configuration_without_rules_does_not_wait_for_them(tmp_path):
    path = tmp_path / "phoenixctl.yaml"
    path.write_text(f"{HEAD}agents: {{a: {{command: [x]}}}}\n")
    code = (
        "import sys; from pathlib import Path; from phoenixctl.settings.load import load;"
        f"load(Path({str(path)!r}), environ={{}});"
        "print(sorted(m for m in sys.modules if 'placement' in m or m.endswith('.rules')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
