"""The `alerts` section as AlertSettings, and what must be true of it."""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType

from phoenixctl.metrics.alert_rules import usual_clear
from phoenixctl.model.alerting import (
    SRE_BURNS,
    Alertmanager,
    AlertSettings,
    Burn,
    BurnRule,
    Direction,
    Email,
    Level,
    Program,
    Receiver,
    Rule,
    Slack,
    ThresholdRule,
    Tls,
    Way,
    Webhook,
)
from phoenixctl.model.fleet import SecretRef
from phoenixctl.settings.alert_sections import (
    AlertsSection,
    BudgetSection,
    EmailSection,
    LevelSection,
    ReceiverSection,
    RuleSection,
    WebhookSection,
)
from phoenixctl.settings.collectors import read_secret_ref
from phoenixctl.settings.nodes import Report
from phoenixctl.settings.places import KeyPath, nearest


def read_alerts(
    section: AlertsSection, pools: Collection[str], availability: float, report: Report
) -> AlertSettings:
    """What is wrong goes to `report`. `availability` is the objective of a budget without one."""
    rules = {
        name: _rule(name, rule, pools, availability, report) for name, rule in section.rules.items()
    }
    receivers = {
        name: _receiver(name, receiver, report) for name, receiver in section.receivers.items()
    }
    return AlertSettings(
        defaults=section.defaults,
        rules=MappingProxyType(rules),
        receivers=MappingProxyType(receivers),
        group_by=tuple(section.group_by),
        repeat_seconds=section.repeat,
    )


def _rule(
    name: str, section: RuleSection, pools: Collection[str], availability: float, report: Report
) -> Rule:
    path: KeyPath = ("alerts", "rules", name)
    for index, pool in enumerate(section.pools):
        if pool not in pools:
            report((*path, "pools", index), f"no pool `{pool}`{nearest(pool, pools)}")
    if section.budget is not None:
        return _burn_rule(name, section, section.budget, availability, report)
    rule = ThresholdRule(
        name=name,
        metric=section.metric,
        warning=_level(section.warning, section.direction, (*path, "warning"), report),
        critical=_level(section.critical, section.direction, (*path, "critical"), report),
        direction=section.direction,
        of=section.of,
        pools=tuple(section.pools),
        for_seconds=section.for_,
        keep_firing_seconds=section.keep_firing_for,
        no_data_seconds=section.no_data,
        on_no_data=section.on_no_data,
        labels=MappingProxyType(section.labels),
    )
    if rule.warning is None and rule.critical is None:
        report(path, "expected one of warning, critical, budget")
    elif rule.warning is not None and rule.critical is not None:
        sign = 1 if section.direction is Direction.ABOVE else -1
        if sign * rule.critical.at < sign * rule.warning.at:
            report((*path, "critical"), "is reached before the warning; change the two")
    return rule


def _level(
    section: LevelSection | None, direction: Direction, path: KeyPath, report: Report
) -> Level | None:
    if section is None:
        return None
    clear = usual_clear(section.at, direction) if section.clear is None else section.clear
    wrong = clear > section.at if direction is Direction.ABOVE else clear < section.at
    if wrong:
        side = "above" if direction is Direction.ABOVE else "below"
        report((*path, "clear"), f"lies {side} the level itself, so nothing would ever be over")
    return Level(section.at, clear)


def _burn_rule(
    name: str, section: RuleSection, budget: BudgetSection, availability: float, report: Report
) -> BurnRule:
    path: KeyPath = ("alerts", "rules", name)
    for level in ("warning", "critical"):
        if getattr(section, level) is not None:
            report((*path, level), "has no place beside a budget, whose windows say it")
    if section.direction is Direction.BELOW:
        report((*path, "direction"), "is for levels; of a budget write `good: true`")
    windows = tuple(Burn(one.factor, one.long, one.short, one.severity) for one in budget.windows)
    for index, one in enumerate(windows):
        here: KeyPath = (*path, "budget", "windows", index)
        if one.short_seconds > one.long_seconds:
            report((*here, "short"), "is longer than the long window")
        same = [w for w in windows[:index] if w.long_seconds == one.long_seconds]
        if one.severity in [w.severity for w in same]:
            report(here, "is there already, with the same long window and severity")
    objective = availability if budget.objective is None else budget.objective
    if objective >= 1.0:
        report((*path, "budget"), "an objective of 100% leaves no budget; write a lower one")
        objective = 0.999
    return BurnRule(
        name=name,
        metric=section.metric,
        objective=objective,
        good=budget.good,
        weight=budget.weight,
        windows=windows or SRE_BURNS,
        of=section.of,
        pools=tuple(section.pools),
        for_seconds=section.for_,
        keep_firing_seconds=section.keep_firing_for,
        no_data_seconds=section.no_data,
        on_no_data=section.on_no_data,
        labels=MappingProxyType(section.labels),
    )


def _receiver(name: str, section: ReceiverSection, report: Report) -> Receiver:
    path: KeyPath = ("alerts", "receivers", name)
    found = _ways(section, path, report)
    if len(found) != 1:
        report(path, "expected one of alertmanager, webhook, slack, email, command")
    return Receiver(
        name=name,
        way=found[0] if found else Program(("true",)),
        severity=section.severity,
        match=tuple(section.match),
        group_by=None if section.group_by is None else tuple(section.group_by),
        repeat_seconds=section.repeat,
        resolved=section.resolved,
        timeout_seconds=section.timeout,
        attempts=section.attempts,
    )


def _ways(section: ReceiverSection, path: KeyPath, report: Report) -> list[Way]:
    found: list[Way] = []
    if section.alertmanager is not None:
        here: KeyPath = (*path, "alertmanager")
        url = _url(section.alertmanager, here, report)
        token = read_secret_ref(section.alertmanager.token, (*here, "token"), report)
        found.append(Alertmanager(url, token, section.alertmanager.expires))
    if section.webhook is not None:
        here = (*path, "webhook")
        url = _url(section.webhook, here, report)
        token = read_secret_ref(section.webhook.token, (*here, "token"), report)
        found.append(Webhook(url, token))
    if section.slack is not None:
        secret = read_secret_ref(section.slack.url_from, (*path, "slack", "url_from"), report)
        found.append(Slack(secret or SecretRef("env", "")))
    if section.email is not None:
        found.append(_email(section.email, (*path, "email"), report))
    if section.command is not None:
        found.append(Program(tuple(section.command)))
    return found


def _url(section: WebhookSection, path: KeyPath, report: Report) -> str | SecretRef:
    if (section.url is None) == (section.url_from is None):
        report(path, "expected one of url, url_from")
    if section.url_from is None:
        return section.url or ""
    return read_secret_ref(section.url_from, (*path, "url_from"), report) or ""


def _email(section: EmailSection, path: KeyPath, report: Report) -> Email:
    if (section.user is None) != (section.password is None):
        report(path, "user and password are needed both")
    if section.password is not None and section.tls is Tls.NONE:
        report((*path, "tls"), "would send the password in the clear; write starttls or implicit")
    if not section.to:
        report((*path, "to"), "expected at least one address")
    return Email(
        server=section.server,
        sender=section.from_,
        to=tuple(section.to),
        port=section.port,
        tls=section.tls,
        user=section.user,
        password=read_secret_ref(section.password, (*path, "password"), report),
    )
