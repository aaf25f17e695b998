"""The `metrics` section as MetricsSettings, and what must be true of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from phoenixctl.model.measuring import MetricsSettings, MetricStoreKind, PrometheusStore
from phoenixctl.settings.collectors import read_collectors, read_secret_ref
from phoenixctl.settings.metric_sections import FleetMetricsSection, MetricStoreSection
from phoenixctl.settings.nodes import Report
from phoenixctl.settings.places import KeyPath

_STORE: Final[KeyPath] = ("metrics", "store")


def read_metrics(
    section: FleetMetricsSection,
    nodes: Collection[str],
    pools: Collection[str],
    specs: Collection[str],
    report: Report,
) -> MetricsSettings:
    """What is wrong goes to `report`."""
    return MetricsSettings(
        store=_store(section.store, report),
        collectors=read_collectors(section.collectors, nodes, pools, specs, report),
    )


def _store(section: MetricStoreSection | None, report: Report) -> PrometheusStore | None:
    if section is None or section.kind is MetricStoreKind.SQLITE:
        for name in section.model_fields_set - {"kind"} if section else ():
            if getattr(section, name) is not None:
                report((*_STORE, name), "sqlite has none; write kind: prometheus")
        return None
    for name in ("write_url", "query_url"):
        if getattr(section, name) is None:
            report(_STORE, f"missing: {name}, which prometheus is spoken to by")
    if section.token is not None and section.user is not None:
        report((*_STORE, "token"), "expected either token or user and password")
    if (section.user is None) != (section.password is None):
        report(_STORE, "user and password are needed both")
    return PrometheusStore(
        write_url=section.write_url or "",
        query_url=(section.query_url or "").rstrip("/"),
        token=read_secret_ref(section.token, (*_STORE, "token"), report),
        user=section.user,
        password=read_secret_ref(section.password, (*_STORE, "password"), report),
        tenant=section.tenant,
        ca_file=section.ca_file,
        timeout_seconds=section.timeout,
    )
