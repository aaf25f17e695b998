"""A metric of a subject as a Prometheus names it, and back.

`http_requests_total{code="200"}` of `web-1/ingest-0` in the fleet `shop` is
`phoenix_http_requests_total{agent="ingest-0",code="200",fleet="shop",node="web-1"}`. What is the
fleet's has no node, what is a node's has no agent. It is the same whether we send samples there
or are asked for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from phoenixctl.metrics.kinds import Kind, build, parse
from phoenixctl.metrics.subjects import FLEET, agent_of, agent_subject, node_of
from phoenixctl.model.reading import AgentMetric, Metric

PREFIX: Final = "phoenix_"
NAME: Final = "__name__"

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_:]")
_TYPED: Final = ("_total", "_count", "_sum", "_bucket", "_created", "_info", "_gcount", "_gsum")
# As those of nodes, agents and collectors are named, which are all that is read from there.
_COUNTERS: Final = ("_total", "_count", "_sum", "_bucket")
_GAUGES: Final = frozenset({*Metric, *AgentMetric} - {Metric.SCHEDULINGS})
_MOVED: Final = "exported_"
_OURS: Final = re.compile(rf"(?:{_MOVED})*(?:fleet|node|agent|__.*)")


def labels_of(fleet: str, metric: str, subject: str) -> dict[str, str]:
    """All labels of the series, its name among them, in the order of names.

    A label of the metric that is called as one of ours gets `exported_` before it, as Prometheus
    does it too.
    """
    name, labels = _split(metric)
    found = {_moved(label): value for label, value in labels.items()}
    found |= {NAME: f"{PREFIX}{name}", "fleet": fleet, **place_of(subject)}
    return dict(sorted(found.items()))


def place_of(subject: str) -> dict[str, str]:
    """The labels of a subject; the fleet has none."""
    node, agent = node_of(subject), agent_of(subject)
    if node is None:
        return {}
    return {"node": node} if agent is None else {"node": node, "agent": agent}


def metric_of(labels: Mapping[str, str]) -> tuple[str, str] | None:
    """The metric and the subject that have these labels; None when they are not of ours."""
    rest = dict(labels)
    name = rest.pop(NAME, "")
    fleet, node, agent = rest.pop("fleet", ""), rest.pop("node", ""), rest.pop("agent", "")
    if not name.startswith(PREFIX) or not fleet or (agent and not node):
        return None
    subject = agent_subject(node, agent) if agent else node or FLEET
    try:
        metric = build(
            name.removeprefix(PREFIX), {_back(label): value for label, value in rest.items()}
        )
    except ValueError:
        return None
    return metric, subject


def kind_of(metric: str) -> Kind:
    """Counter or gauge, by the metric's name: a Prometheus keeps nothing else of it."""
    name = _split(metric)[0]
    counts = name.endswith(_COUNTERS) and name not in _GAUGES
    return Kind.COUNTER if counts else Kind.GAUGE


def type_of(metric: str, kind: Kind) -> str:
    """What a Prometheus is told that its values are: counter, gauge, or unknown.

    Some ends of names are for one type alone; one that has such an end and is not of that type, or
    lacks the end that its type needs, is told without.
    """
    name = _split(metric)[0]
    if kind is Kind.COUNTER:
        return "counter" if name.endswith("_total") else "unknown"
    return "unknown" if name.endswith(_TYPED) else "gauge"


def served_name(metric: str) -> str:
    """The name alone."""
    return f"{PREFIX}{_split(metric)[0]}"


def read_as(metric: str) -> str:
    """The metric as it comes back: signs that a Prometheus has in no name have become `_`."""
    return build(*_split(metric))


def _split(metric: str) -> tuple[str, dict[str, str]]:
    try:
        return parse(metric)
    except ValueError:  # never made by us, but nothing keeps a store from having it
        name = _NO_NAME.sub("_", metric)
        return (f"_{name}" if name[:1].isdigit() or not name else name), {}


def _moved(label: str) -> str:
    return f"{_MOVED}{label}" if _OURS.fullmatch(label) else label


def _back(label: str) -> str:
    return label.removeprefix(_MOVED) if _OURS.fullmatch(label) else label
