"""Where a fleet's metrics are kept, as configured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phoenixctl.model.fleet import SecretRef


class MetricStoreKind(StrEnum):
    SQLITE = "sqlite"  # a file in the fleet's state folder
    PROMETHEUS = "prometheus"  # a server that speaks Prometheus' remote write and PromQL


@dataclass(frozen=True, slots=True)
class PrometheusStore:
    """A Prometheus, VictoriaMetrics or Mimir.

    Samples are sent to `write_url`; `query_url` is what stands before `/api/v1/query`. Without a
    `token` or `password` no login is sent; a `tenant` goes along in the header of Mimir.
    """

    write_url: str
    query_url: str
    token: SecretRef | None = None
    user: str | None = None
    password: SecretRef | None = None
    tenant: str | None = None
    ca_file: str | None = None  # of its certificate; None: those that the machine trusts
    timeout_seconds: float = 10.0  # of one request


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """How a fleet is measured."""

    store: PrometheusStore | None = None  # None: SQLite in the state folder
