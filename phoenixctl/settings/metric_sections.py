"""The section about metrics over time.

As in `sections`, the annotations are not strings.
"""

from typing import Annotated

from phoenixctl.model import measuring
from phoenixctl.settings.kinds import choice, text
from phoenixctl.settings.models import SecretSection
from phoenixctl.settings.sections import Section, items, key, required
from phoenixctl.settings.values import (
    EMPTY_LIST,
    ONE_OR_MORE,
    Arguments,
    Duration,
    Name,
    NodeNames,
    Path,
    Pattern,
    Port,
    Url,
    UrlPath,
)

StoreKind = Annotated[
    measuring.MetricStoreKind, choice("sqlite", "prometheus", make=measuring.MetricStoreKind)
]
CollectorKindName = Annotated[
    measuring.CollectorKind,
    choice(*(kind.value for kind in measuring.CollectorKind), make=measuring.CollectorKind),
]
# What a header can carry, and for a login what stands before the colon.
HeaderText = Annotated[str, text("letters, digits and signs of ASCII, no blank", r"[\x21-\x7e]+")]
LoginName = Annotated[
    str, text("a name of letters, digits and signs of ASCII, no colon", r"[\x21-\x39\x3b-\x7e]+")
]


class MetricStoreSection(Section):
    kind: StoreKind = required(
        "What it is: sqlite (a file in the fleet's state folder) or prometheus (a server with "
        "remote write and PromQL: Prometheus, VictoriaMetrics, Mimir)."
    )
    write_url: Url | None = key("Where samples are sent: https://…/api/v1/write.")
    query_url: Url | None = key("What stands before /api/v1/query where they are asked for.")
    token: SecretSection | None = key("Where the bearer token for both is kept; by default none.")
    user: LoginName | None = key("The name for a basic login, instead of a token.")
    password: SecretSection | None = key("Where the password of that login is kept.")
    tenant: HeaderText | None = key("Mimir's tenant (X-Scope-OrgID); by default none is named.")
    ca_file: Path | None = key(
        "Certificates that vouch for the server; by default those that this machine trusts."
    )
    timeout: Duration = key(
        "Longest wait for an answer.", like=(measuring.PrometheusStore, "timeout_seconds")
    )


class CollectorSection(Section):
    name: Name = required("Its name; its metrics carry it as the label job.")
    kind: CollectorKindName = required("What is asked, and how.")
    nodes: Annotated[list[NodeNames], ONE_OR_MORE] = items(
        "Only on these nodes, folded or as patterns; with pools, on either's; by default on all."
    )
    pools: Annotated[list[Name], ONE_OR_MORE] = items("Only on nodes of these pools.")
    agents: Annotated[list[Name], ONE_OR_MORE] = items("Only where agents of these specs run.")
    port: Port | None = key("Port on the node's loopback; by default the usual one of its kind.")
    path: UrlPath | None = key("Of the page (by default /metrics), or of HAProxy's socket.")
    command: Arguments | None = key("Program and arguments that print it, or that lead to it.")
    metrics: Annotated[list[Pattern], ONE_OR_MORE] = items(
        "Only metrics of these names, as patterns; by default all."
    )
    password: SecretSection | None = key("Where the password is kept that it is asked with.")
    timeout: Duration = key(
        "Longest wait for an answer.", like=(measuring.Collector, "timeout_seconds")
    )


class FleetMetricsSection(Section):
    store: MetricStoreSection | None = key("Where they are kept; by default in the state folder.")
    collectors: Annotated[list[CollectorSection], EMPTY_LIST] = items(
        "What is asked at each collection, beside the survey."
    )
