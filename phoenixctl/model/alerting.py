"""What is watched and who is told of it: rules, receivers, silences, and the alerts themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from phoenixctl.model.fleet import NOTHING, SecretRef

_MATCHER: Final = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_./-]*)(=~|!~|!=|=)(.*)", re.DOTALL)


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class Status(StrEnum):
    """What a rule finds of one subject; the last three are alerts."""

    OK = "ok"
    PENDING = "pending"  # beyond a level, and not yet for long enough
    NO_DATA = "no_data"  # it had values, and they have stopped
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def alerts(self) -> bool:
        return self not in (Status.OK, Status.PENDING)


class Direction(StrEnum):
    """On which side of a level it is bad."""

    ABOVE = "above"
    BELOW = "below"


class Of(StrEnum):
    """Whose values a rule looks at."""

    NODES = "nodes"
    AGENTS = "agents"
    FLEET = "fleet"  # what is of no node, also what a script recorded
    ALL = "all"


class OnNoData(StrEnum):
    """What it is when a subject has had no value for a while."""

    ALERT = "alert"  # a state of its own, told like the others
    END = "end"  # what fires is over: there is nothing left that it could be about


@dataclass(frozen=True, slots=True)
class Level:
    """It fires beyond `at`, and is over when the value is back at `clear` or better.

    The two lie apart, so that a value that trembles around one of them gives one alert.
    """

    at: float
    clear: float


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """An alert when a metric stays beyond a level. Levels are in the metric's unit.

    Beyond for `for_seconds` it fires; back at the clear level for `keep_firing_seconds` it is
    over. A subject without a value for `no_data_seconds` is what `on_no_data` says; None: nothing
    changes until it has values again. The level of a counter is its growth per second.
    """

    name: str
    metric: str
    warning: Level | None = None
    critical: Level | None = None
    direction: Direction = Direction.ABOVE
    of: Of = Of.ALL
    pools: tuple[str, ...] = ()  # only of nodes of these; empty: any
    for_seconds: float = 0.0
    keep_firing_seconds: float = 0.0
    no_data_seconds: float | None = 300.0
    on_no_data: OnNoData = OnNoData.ALERT
    labels: Mapping[str, str] = field(
        default_factory=lambda: NOTHING
    )  # added to those of its alerts


@dataclass(frozen=True, slots=True)
class Burn:
    """So many times faster than the budget allows, over a long window and still over a short."""

    factor: float
    long_seconds: float
    short_seconds: float
    severity: Severity = Severity.CRITICAL


# Of a budget for 30 days: 2 % gone in an hour, 5 % in six hours, 10 % in three days. Google, The
# Site Reliability Workbook, chapter 5 "Alerting on SLOs", table 5-8.
SRE_BURNS: Final = (
    Burn(14.4, 3600.0, 300.0),
    Burn(6.0, 6 * 3600.0, 1800.0),
    Burn(1.0, 3 * 86_400.0, 6 * 3600.0, Severity.WARNING),
)


@dataclass(frozen=True, slots=True)
class BurnRule:
    """An alert when the error budget of an objective is used up too fast.

    `metric` is the share that went wrong, 0 to 1, or with `good` the share that went well; the
    budget is 1 - `objective`. With `weight`, a metric such as throughput, busy times count more.
    """

    name: str
    metric: str
    objective: float
    good: bool = False
    weight: str | None = None
    windows: tuple[Burn, ...] = SRE_BURNS
    of: Of = Of.ALL
    pools: tuple[str, ...] = ()
    for_seconds: float = 0.0
    keep_firing_seconds: float = 0.0
    no_data_seconds: float | None = 300.0
    on_no_data: OnNoData = OnNoData.ALERT
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)


Rule: TypeAlias = ThresholdRule | BurnRule


@dataclass(frozen=True, slots=True)
class Matcher:
    """`pool=web`, `rule!=cpu`, `node=~web-.*`, `node!~db.*`; a label that is not there is empty."""

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.label}{self.operator}{self.value}"

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.label, "")
        same = (
            re.fullmatch(self.value, found) is not None
            if "~" in self.operator
            else found == self.value
        )
        return same is not self.operator.startswith("!")


def parse_matcher(text: str) -> Matcher:
    """ValueError says what was expected."""
    match = _MATCHER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} matches no label; write it like pool=web or node=~web-.*")
    if "~" in match[2]:
        try:
            re.compile(match[3])
        except re.error as error:
            raise ValueError(f"{text!r} has no regular expression: {error}") from None
    return Matcher(match[1], match[2], match[3])


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels) for matcher in matchers)


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that match all of `matchers` are not told of meanwhile. Times since 1970."""

    id: str
    matchers: tuple[Matcher, ...]
    start: float
    until: float
    by: str
    reason: str

    def mutes(self, labels: Mapping[str, str], *, now: float) -> bool:
        return self.start <= now < self.until and all_match(self.matchers, labels)


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule's finding about one subject; `status` is WARNING, CRITICAL or NO_DATA.

    `since` and `at`, the time of `value`, are seconds since 1970. `labels` has all that it can be
    grouped and silenced by, the status as `severity` too.
    """

    rule: str
    subject: str
    status: Status
    since: float
    summary: str
    value: float | None = None
    at: float | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)

    @property
    def key(self) -> tuple[str, str]:
        return self.rule, self.subject


# Who is told.


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Its v2 API. It forgets what is not told again within `expires_seconds`."""

    url: str | SecretRef
    token: SecretRef | None = None
    expires_seconds: float = 900.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """JSON by POST, with `token` as the bearer's."""

    url: str | SecretRef
    token: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class Slack:
    """An incoming webhook of Slack, or of what takes the same. The address is the secret."""

    url: SecretRef


class Tls(StrEnum):
    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Email:
    server: str
    sender: str
    to: tuple[str, ...]
    port: int = 587
    tls: Tls = Tls.STARTTLS
    user: str | None = None
    password: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the operator's machine, with JSON on its standard input."""

    command: tuple[str, ...]


Way: TypeAlias = Alertmanager | Webhook | Slack | Email | Program


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told, of what, and how. None: as the section says for all."""

    name: str
    way: Way
    severity: Severity = Severity.WARNING  # the least that is told
    match: tuple[Matcher, ...] = ()
    group_by: tuple[str, ...] | None = None
    repeat_seconds: float | None = None
    resolved: bool = True  # is told too when an alert is over
    timeout_seconds: float = 10.0
    attempts: int = 3


def secrets_of(way: Way) -> Mapping[str, SecretRef]:
    """What it has to be given, by its name in the configuration."""
    match way:
        case Alertmanager() | Webhook():
            found = {"url": way.url, "token": way.token}
        case Slack():
            found = {"url": way.url}
        case Email():
            found = {"password": way.password}
        case Program():
            found = {}
    return {name: ref for name, ref in found.items() if isinstance(ref, SecretRef)}


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """`defaults`: the rules of `metrics.alert_rules` hold too, but for those of the same name."""

    defaults: bool = True
    rules: Mapping[str, Rule] = field(default_factory=lambda: MappingProxyType({}))
    receivers: Mapping[str, Receiver] = field(default_factory=lambda: MappingProxyType({}))
    group_by: tuple[str, ...] = ("rule",)
    repeat_seconds: float = 4 * 3600.0
