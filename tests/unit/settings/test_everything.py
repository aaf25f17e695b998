"""Every field of the model has its key."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from phoenixctl.model import fleet as domain
from phoenixctl.model import rules
from phoenixctl.model.hooks import Drain, ExecHook, HttpHook, Readiness, SignalHook, TcpHook
from tests.unit.settings.everything import EVERYTHING
from tests.unit.settings.loading import loaded

POOL_OF_DEFAULTS = {field.name for field in dataclasses.fields(domain.Pool)}


def test_every_field_of_the_model_can_be_set(tmp_path: Path) -> None:
    fleet = loaded(tmp_path, EVERYTHING).fleet
    node, spec = fleet.nodes["a"], fleet.agents["ingest"]  # type: ignore[index]
    pool, tiny, cloud = fleet.pools["web"], fleet.pools["tiny"], fleet.pools["cloud"]
    assert pool.bootstrap
    assert cloud.aws
    assert spec.ready
    assert spec.metrics
    assert spec.drain
    assert spec.rules
    assert fleet.placement
    assert fleet.metrics
    assert fleet.alerts
    for value, left in (
        (fleet, set()),
        (node, {"host_keys"}),  # only a provider knows them
        (pool, {"provider", "size", "aws"}),
        (pool.rollout, {"order"}),  # the default of pools is another
        (pool.bootstrap, set()),
        (pool.bootstrap.files[0], set()),
        (pool.bootstrap.commands[0], set()),
        (pool.bootstrap.ready, set()),
        (pool.capacity, set()),
        (pool.reserved, set()),
        (pool.taints[0], set()),
        (cloud.aws, set()),
        (cloud.aws.zones[1], set()),
        (tiny, POOL_OF_DEFAULTS - {"name", "provider", "size"}),
        (spec, set()),
        (spec.rollout, set()),
        (node.resources, set()),
        (node.reserved, set()),
        (node.taints[0], {"effect"}),
        (spec.resources, set()),
        (spec.rules, set()),
        (spec.rules.affinity[0], set()),
        (spec.rules.affinity[0].agents, set()),
        (spec.rules.anti_affinity[1], {"weight"}),
        (spec.rules.spread[0], set()),
        (spec.rules.redundancy[0], set()),
        (spec.rules.caps[1], set()),
        (spec.rules.tolerations[1], set()),
        (spec.ready, set()),
        (spec.ready.check, set()),
        (spec.metrics, set()),
        (spec.drain, set()),
        (spec.drain.until, set()),
        (spec.checkpoint, set()),
        (fleet.ssh, set()),
        (fleet.targets, set()),
        (fleet.guards, set()),
        (fleet.placement, set()),
        (fleet.placement.weights, set()),
        (fleet.placement.objectives, set()),
        (fleet.placement.rebalance, set()),
        (fleet.store, set()),
        (fleet.routers["edge"], set()),
        (fleet.alerts, set()),
        (fleet.alerts.rules["queue"], set()),
        (fleet.alerts.rules["budget"], set()),
        (fleet.alerts.rules["budget"].windows[0], set()),  # type: ignore[union-attr]
        (fleet.alerts.receivers["am"], set()),
        (fleet.alerts.receivers["am"].way, set()),
        (fleet.alerts.receivers["hook"].way, set()),
        (fleet.alerts.receivers["mail"].way, set()),
        (fleet.metrics, set()),
        (fleet.metrics.store, {"user", "password"}),  # a login is a token or these
        (fleet.metrics.collectors[0], {"command", "password"}),  # of other kinds
    ):
        assert dataclasses.is_dataclass(value)
        still_default = {
            field.name
            for field in dataclasses.fields(value)
            if getattr(value, field.name) == _default(field)
        }
        assert still_default == left, type(value)


def _default(field: dataclasses.Field[object]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def test_the_values_set_arrive_in_the_models_units(tmp_path: Path) -> None:
    fleet = loaded(tmp_path, EVERYTHING).fleet
    spec = fleet.agents["ingest"]
    assert spec.command == ("run", "1.10", "true")
    assert spec.resources == domain.Resources(0.5, domain.Bytes(256 * 1024**2), {"gpu": 0.5})
    assert spec.ready == Readiness(HttpHook("/r", "HEAD", 81, 1.0), 2.0, 3.0)
    assert spec.drain == Drain(SignalHook("USR1"), TcpHook(83, 4.0), 0.0)
    assert spec.checkpoint == ExecHook(("c",), 5.0)
    assert spec.restore == HttpHook("/restore", "POST", None, 10.0)
    assert spec.rules
    assert [(r.operator.value, r.values, r.number) for r in spec.rules.selector] == [
        ("in", ("1",), None),
        ("in", ("front", "7"), None),
        ("not_in", ("back",), None),
        ("exists", (), None),
        ("absent", (), None),
        ("greater", (), -1.5),
        ("less", (), 4.0),
    ]
    assert spec.rules.anti_affinity == (
        rules.Affinity(rules.AgentSelector(specs=("ingest",))),
        rules.Affinity(rules.AgentSelector(specs=("ingest",)), within="x"),
    )
    assert spec.rules.caps == (rules.Cap("cpu", 0.7), rules.Cap("gpu", 0.5, 3.0))
    assert spec.rules.tolerations == (
        rules.Toleration("gpu"), rules.Toleration("gpu", "a100"), rules.Toleration("spare", "1"),
    )  # fmt: skip
    assert fleet.pools["web"].taints == (
        rules.Taint("gpu", "a100", rules.Effect.AVOID), rules.Taint("spare"),
    )  # fmt: skip
    assert spec.secrets["T"] == domain.SecretRef("env", "TT")
    assert spec.secrets["F"] == domain.SecretRef("file", "f")
    assert spec.grace_seconds == 90.0
    assert fleet.ssh.connect_timeout_seconds == 1.5
    assert fleet.ssh.config_file is None
    assert fleet.targets.resource_utilization == 0.5
    assert next(iter(fleet.nodes.values())).network_bits_per_second == 1.5e9
