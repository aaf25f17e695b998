"""The `metrics` section."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.fleet import Fleet, SecretRef
from phoenixctl.model.measuring import MetricsSettings, PrometheusStore
from phoenixctl.planning.config_digest import config_digest
from tests.unit.settings.loading import loaded, problems

URLS = "write_url: http://p/api/v1/write, query_url: http://p/"


def metrics(folder: Path, written: str) -> Fleet:
    return loaded(folder, f"fleet: {{name: f}}\nmetrics: {written}\n").fleet


def test_without_a_server_metrics_are_kept_in_the_state_folder(tmp_path: Path) -> None:
    assert loaded(tmp_path, "fleet: {name: f}").fleet.metrics is None
    assert metrics(tmp_path, "{}").metrics == MetricsSettings()
    assert metrics(tmp_path, "{store: {kind: sqlite}}").metrics == MetricsSettings()


def test_a_server_has_two_addresses_and_its_secrets_elsewhere(tmp_path: Path) -> None:
    written = f"{{store: {{kind: prometheus, {URLS}, token: {{env: T}}, ca_file: ca.pem}}}}"
    assert metrics(tmp_path, written).metrics == MetricsSettings(
        PrometheusStore(
            "http://p/api/v1/write", "http://p", SecretRef("env", "T"),
            ca_file=str(tmp_path / "ca.pem"),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("store", "what"),
    [
        ("kind: sqlite, tenant: t", "metrics.store.tenant: sqlite has none"),
        ("kind: prometheus, write_url: http://p", "missing: query_url"),
        (f"kind: prometheus, {URLS}, user: u", "user and password are needed both"),
        (f"kind: prometheus, {URLS}, token: {{}}", "token: expected one of env, file"),
        (
            f"kind: prometheus, {URLS}, token: {{env: A}}, user: u, password: {{env: B}}",
            "either token or user and password",
        ),
        (f"kind: prometheus, {URLS}, user: 'a:b', password: {{env: B}}", "no colon"),
        (f'kind: prometheus, {URLS}, tenant: "a\\r\\nX: b"', "no blank"),
        ("kind: prometheus, write_url: http://u:p@h, query_url: http://h", "without a login"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(tmp_path: Path, store: str, what: str) -> None:
    (line,) = problems(tmp_path, f"fleet: {{name: f}}\nmetrics: {{store: {{{store}}}}}\n")
    assert line.startswith("phoenixctl.yaml:2:")
    assert what in line


@pytest.mark.parametrize("written", ["token: hunter2", "user: u, password: hunter2"])
def test_a_secret_that_was_written_here_by_mistake_is_not_repeated(
    tmp_path: Path, written: str
) -> None:
    text = f"fleet: {{name: f}}\nmetrics: {{store: {{kind: prometheus, {URLS}, {written}}}}}\n"
    assert "hunter2" not in "".join(problems(tmp_path, text))


def test_a_fleet_with_metrics_has_a_json_form(tmp_path: Path) -> None:
    fleet = metrics(tmp_path, f"{{store: {{kind: prometheus, {URLS}, token: {{env: T}}}}}}")
    assert decode(Fleet, encode(fleet)) == fleet


def test_how_a_fleet_is_measured_makes_no_plan_stale(tmp_path: Path) -> None:
    server = metrics(tmp_path, f"{{store: {{kind: prometheus, {URLS}}}}}")
    assert config_digest(server) == config_digest(metrics(tmp_path, "{}"))


FLEET = """
fleet: {name: f}
pools: {web: {}, db: {}}
nodes: [{name: "web[1-2]", pool: web}, {name: db1, pool: db}]
agents: {kv: {command: [etcd]}}
metrics: {collectors: [%s]}
"""


def test_collectors_choose_nodes_by_name_pattern_and_pool(tmp_path: Path) -> None:
    written = "{name: a, kind: redis, nodes: [web2], pools: [db]}, {name: b, kind: etcd}"
    found = loaded(tmp_path, FLEET % written).fleet.metrics
    assert found is not None
    first, second = found.collectors
    pools = {"web1": "web", "web2": "web", "db1": "db"}
    assert [n for n, pool in pools.items() if first.asks(n, pool)] == ["web2", "db1"]
    assert all(second.asks(n, pool) for n, pool in pools.items())


def test_collectors_follow_agents_wherever_they_run(tmp_path: Path) -> None:
    found = loaded(tmp_path, FLEET % "{name: a, kind: etcd, agents: [kv], pools: [db]}").fleet
    assert found.metrics is not None
    (collector,) = found.metrics.collectors
    running = {"web1": ["kv", "api"], "web2": ["api"]}
    asked = [n for n in ("web1", "web2") if collector.asks(n, "web", running[n])]
    assert asked == ["web1"]
    assert collector.asks("db1", "db")


@pytest.mark.parametrize(
    ("collector", "what"),
    [
        ("{name: a, kind: prometheus}", "missing: port, which kind prometheus needs"),
        ("{name: a, kind: statsd}", "missing: command, which kind statsd needs"),
        ("{name: a, kind: redis, path: /x}", "a collector of kind redis has none"),
        ("{name: a, kind: redis, nodes: [wbe1]}", "no node `wbe1`; did you mean `web1`?"),
        ("{name: a, kind: redis, pools: [wbe]}", "no pool `wbe`; did you mean `web`?"),
        ("{name: a, kind: redis, agents: [vk]}", "no agent `vk`; known: kv"),
        ("{name: a, kind: redis}, {name: a, kind: etcd}", "there is a collector a before it"),
        ("{name: a, kind: redis, password: {}}", "expected one of env, file"),
    ],
)
def test_what_is_wrong_with_a_collector_is_said(tmp_path: Path, collector: str, what: str) -> None:
    assert what in "\n".join(problems(tmp_path, FLEET % collector))
