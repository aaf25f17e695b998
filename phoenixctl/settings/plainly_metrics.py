"""How a fleet is measured, in the words of the configuration."""

from __future__ import annotations

from typing import Any

from phoenixctl.model.fleet import SecretRef
from phoenixctl.model.measuring import MetricsSettings, MetricStoreKind, PrometheusStore
from phoenixctl.settings.plainly import duration


def metrics_as_written(metrics: MetricsSettings) -> dict[str, Any]:
    return {"store": None if metrics.store is None else _prometheus(metrics.store)}


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
