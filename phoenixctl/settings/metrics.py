"""The `metrics` section as MetricsSettings, and what must be true of it."""

from __future__ import annotations

from typing import Final

from phoenixctl.model.fleet import SecretRef
from phoenixctl.model.measuring import MetricsSettings, MetricStoreKind, PrometheusStore
from phoenixctl.settings.metric_sections import FleetMetricsSection, MetricStoreSection
from phoenixctl.settings.models import SecretSection
from phoenixctl.settings.nodes import Report
from phoenixctl.settings.places import KeyPath

_STORE: Final[KeyPath] = ("metrics", "store")


def read_metrics(section: FleetMetricsSection, report: Report) -> MetricsSettings:
    """What is wrong goes to `report`."""
    return MetricsSettings(store=_store(section.store, report))


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
        token=_secret(section.token, (*_STORE, "token"), report),
        user=section.user,
        password=_secret(section.password, (*_STORE, "password"), report),
        tenant=section.tenant,
        ca_file=section.ca_file,
        timeout_seconds=section.timeout,
    )


def _secret(section: SecretSection | None, path: KeyPath, report: Report) -> SecretRef | None:
    if section is None:
        return None
    if (section.env is None) == (section.file is None):
        report(path, "expected one of env, file")
        return None
    if section.env is not None:
        return SecretRef("env", section.env)
    return SecretRef("file", section.file or "")
