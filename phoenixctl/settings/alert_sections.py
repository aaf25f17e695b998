"""The section about alerts: rules, and who is told.

As in `sections`, the annotations are not strings.
"""

import math
import re
from typing import Annotated, Any, Final

from phoenixctl.model import alerting, units
from phoenixctl.settings.kinds import Expected, Lenient, Written, choice, quantity, text
from phoenixctl.settings.models import SecretSection
from phoenixctl.settings.sections import Section, items, key, mapping, required
from phoenixctl.settings.values import (
    EMPTY_LIST,
    EMPTY_MAPPING,
    ONE_OR_MORE,
    Address,
    Arguments,
    AsWritten,
    AtLeastOne,
    Duration,
    DurationOrNought,
    Flag,
    LabelKey,
    Name,
    Port,
    Rate,
    Text,
    Url,
)

_MEASURE: Final = "a number, or one with a unit such as 80%, 250ms or 2GiB"
_WITH_UNIT: Final = r"\d+(\.\d+)?(%|ms|s|m|h|d|w|[KMGT]iB)"


def _read_measure(value: object) -> object:
    """A level in the metric's own unit: shares are 0 to 1, times seconds, sizes bytes."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if isinstance(value, str) and re.fullmatch(_WITH_UNIT, value):
        if value.endswith("%"):
            return units.parse_ratio(value)
        return float((units.parse_bytes if value[-1] == "B" else units.parse_duration)(value))
    raise Expected(_MEASURE)


def _level_alone(value: object) -> object:
    return {"at": value} if isinstance(value, str | int | float) else value


def _read_matcher(value: object) -> object:
    if isinstance(value, str):
        return alerting.parse_matcher(value)
    raise Expected("a condition such as pool=web or node=~web-.*")


_MEASURE_JSON: Final = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{_WITH_UNIT}$"}],
    "description": _MEASURE,
}
Measure = Annotated[float, Written(_read_measure, _MEASURE_JSON)]
LEVEL_ALONE: Final = Lenient(_level_alone, {"type": ["number", "string"], "examples": ["80%"]})
Objective = Annotated[
    float,
    quantity(
        "a share below one such as 99.9%",
        units.parse_ratio,
        r"^\s*\d+(\.\d+)?%?\s*$",
        most=1 - 1e-9,
    ),
]
MatcherText = Annotated[
    alerting.Matcher, Written(_read_matcher, {"type": "string", "examples": ["pool=web"]})
]
_MAILBOX: Final = r"[A-Za-z0-9.!#$%&'*+/=?^_~-]+@[A-Za-z0-9.-]+"
Mailbox = Annotated[str, text("an address such as ops@example.org", _MAILBOX)]
DirectionName = Annotated[
    alerting.Direction, choice(*(d.value for d in alerting.Direction), make=alerting.Direction)
]
OfName = Annotated[alerting.Of, choice(*(of.value for of in alerting.Of), make=alerting.Of)]
OnNoDataName = Annotated[
    alerting.OnNoData, choice(*(what.value for what in alerting.OnNoData), make=alerting.OnNoData)
]
SeverityName = Annotated[
    alerting.Severity, choice(*(s.value for s in alerting.Severity), make=alerting.Severity)
]
TlsName = Annotated[alerting.Tls, choice(*(tls.value for tls in alerting.Tls), make=alerting.Tls)]


def _rule(description: str, name: str) -> Any:
    return key(description, like=(alerting.ThresholdRule, name))


class LevelSection(Section):
    at: Measure = required("It fires beyond this.")
    clear: Measure | None = key("It is over when the value is back here; by default a tenth back.")


class BurnSection(Section):
    factor: Rate = required("So many times faster than the budget allows.")
    long: Duration = required("The window over which it has to be that fast.")
    short: Duration = required("The window over which it still has to be.")
    severity: SeverityName = key("What it is then.", like=(alerting.Burn, "severity"))


class BudgetSection(Section):
    objective: Objective | None = key(
        "The share that has to go well; by default targets.cluster_availability."
    )
    good: Flag = key(
        "The metric is the share that went well, not the one that went wrong.",
        like=(alerting.BurnRule, "good"),
    )
    weight: Text | None = key("A metric by which busy times count more, such as throughput.")
    windows: Annotated[list[BurnSection], EMPTY_LIST] = items(
        "How fast over which windows; by default those of Google's SRE workbook."
    )


class RuleSection(Section):
    metric: Text = required("The metric, with its labels if it has any.")
    of: OfName = _rule("Whose values: nodes, agents, fleet (of no node) or all.", "of")
    pools: Annotated[list[Name], ONE_OR_MORE] = items("Only of nodes of these pools; empty: any.")
    direction: DirectionName = _rule("On which side of its levels it is bad.", "direction")
    warning: Annotated[LevelSection, LEVEL_ALONE] | None = key("The level of a warning.")
    critical: Annotated[LevelSection, LEVEL_ALONE] | None = key("The level of what is critical.")
    budget: BudgetSection | None = key(
        "Instead of levels: how fast the error budget of an objective may be used up."
    )
    for_: DurationOrNought = key(
        "It fires after it was beyond the level for so long.",
        like=(alerting.ThresholdRule, "for_seconds"),
        name="for",
    )
    keep_firing_for: DurationOrNought = _rule(
        "It is over after it was clear for so long.", "keep_firing_seconds"
    )
    no_data: Duration | None = _rule(
        "A subject without a value for so long is what on_no_data says; null: nothing changes.",
        "no_data_seconds",
    )
    on_no_data: OnNoDataName = _rule(
        "What that is: alert, or end: then what fires is over.", "on_no_data"
    )
    labels: Annotated[dict[LabelKey, AsWritten], EMPTY_MAPPING] = mapping(
        "Labels of its alerts, beside those of the node."
    )


class WebhookSection(Section):
    url: Url | None = key("The address, when it is no secret.")
    url_from: SecretSection | None = key("Where the address is kept, when it is one.")
    token: SecretSection | None = key("Where the bearer token is kept; by default none is sent.")


class AlertmanagerSection(WebhookSection):
    expires: Duration = key(
        "It forgets an alert that is not sent again for so long.",
        like=(alerting.Alertmanager, "expires_seconds"),
    )


class SlackSection(Section):
    url_from: SecretSection = required("Where the address of the incoming webhook is kept.")


class EmailSection(Section):
    server: Address = required("The mail server.")
    port: Port = key("Its port.", like=(alerting.Email, "port"))
    tls: TlsName = key(
        "Encryption: starttls, implicit (from the first byte on) or none.",
        like=(alerting.Email, "tls"),
    )
    user: Text | None = key("Who logs in; by default nobody.")
    password: SecretSection | None = key("Where the password is kept.")
    from_: Mailbox = required("Whom the mails are from.", name="from")
    to: Annotated[list[Mailbox], ONE_OR_MORE] = required("Who gets them.")


class ReceiverSection(Section):
    alertmanager: AlertmanagerSection | None = key("A Prometheus Alertmanager, by its v2 API.")
    webhook: WebhookSection | None = key("An address that takes JSON.")
    slack: SlackSection | None = key("Slack, or what takes the same.")
    email: EmailSection | None = key("People, by e-mail.")
    command: Arguments | None = key(
        "A program of this machine and its arguments; it reads JSON on its standard input."
    )
    severity: SeverityName = key(
        "The least that it is told: warning or critical.", like=(alerting.Receiver, "severity")
    )
    match: Annotated[list[MatcherText], ONE_OR_MORE] = items(
        "Only alerts whose labels match all of these: pool=web, node=~web-.*, rule!=cpu."
    )
    group_by: list[LabelKey] | None = key(
        "Labels that make one message; by default alerts.group_by."
    )
    repeat: DurationOrNought | None = key(
        "What goes on is told again after this; by default alerts.repeat, and to an Alertmanager "
        "at every evaluation."
    )
    resolved: Flag = key("It is told when an alert is over.", like=(alerting.Receiver, "resolved"))
    timeout: Duration = key(
        "Longest wait for it at each attempt.", like=(alerting.Receiver, "timeout_seconds")
    )
    attempts: AtLeastOne = key(
        "How often one evaluation tries; the next one tries again.",
        like=(alerting.Receiver, "attempts"),
    )


class AlertsSection(Section):
    defaults: Flag = key(
        "The rules cpu, memory, response-time and error-rate hold, but for those written here.",
        like=(alerting.AlertSettings, "defaults"),
    )
    rules: Annotated[dict[Name, RuleSection], EMPTY_MAPPING] = mapping("Further rules, by name.")
    receivers: Annotated[dict[Name, ReceiverSection], EMPTY_MAPPING] = mapping(
        "Who is told, by name."
    )
    group_by: Annotated[list[LabelKey], EMPTY_LIST] = key(
        "Alerts that are equal in these labels make one message.",
        like=(alerting.AlertSettings, "group_by"),
    )
    repeat: DurationOrNought = key(
        "What goes on is told again after this.", like=(alerting.AlertSettings, "repeat_seconds")
    )
