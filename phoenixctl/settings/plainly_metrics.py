"""How a fleet is measured, in the words of the configuration."""

from __future__ import annotations

from typing import Any

from phoenixctl.model.fleet import SecretRef
from phoenixctl.model.measuring import (
    Collector,
    MetricsSettings,
    MetricStoreKind,
    PrometheusStore,
)
from phoenixctl.settings.plainly import duration


def metrics_as_written(metrics: MetricsSettings) -> dict[str, Any]:
    return {
        "store": None if metrics.store is None else _prometheus(metrics.store),
        "collectors": [_collector(collector) for collector in metrics.collectors],
    }


def _collector(collector: Collector) -> dict[str, Any]:
    return {
        "name": collector.name,
        "kind": collector.kind.value,
        "nodes": list(collector.nodes),
        "pools": list(collector.pools),
        "agents": list(collector.agents),
        "port": collector.port,
        "path": collector.path,
        "command": list(collector.command) or None,
        "metrics": list(collector.metrics),
        "password": _secret(collector.password),
        "timeout": duration(collector.timeout_seconds),
    }


def _prometheus(store: PrometheusStore) -> dict[str, Any]:
    return {
        "kind": MetricStoreKind.PROMETHEUS.value,
        "write_url": store.write_url,
        "query_url": store.query_url,
        "token": _secret(store.token),
        "user": store.user,
        "password": _secret(store.password),
        "tenant": store.tenant,
        "ca_file": store.ca_file,
        "timeout": duration(store.timeout_seconds),
    }


def _secret(ref: SecretRef | None) -> dict[str, str] | None:
    return None if ref is None else {ref.source: ref.name}
