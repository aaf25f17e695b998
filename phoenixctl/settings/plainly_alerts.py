"""Rules and receivers of alerts, in the words of the configuration."""

from __future__ import annotations

from typing import Any

from phoenixctl.model.alerting import (
    Alertmanager,
    AlertSettings,
    Burn,
    BurnRule,
    Email,
    Level,
    Program,
    Receiver,
    Rule,
    Slack,
    Way,
    Webhook,
)
from phoenixctl.model.fleet import SecretRef
from phoenixctl.settings.plainly import duration


def alerts_as_written(alerts: AlertSettings) -> dict[str, Any]:
    return {
        "defaults": alerts.defaults,
        "rules": {name: _rule(rule) for name, rule in alerts.rules.items()},
        "receivers": {name: _receiver(one) for name, one in alerts.receivers.items()},
        "group_by": list(alerts.group_by),
        "repeat": duration(alerts.repeat_seconds),
    }


def _rule(rule: Rule) -> dict[str, Any]:
    limit = rule.no_data_seconds
    if isinstance(rule, BurnRule):
        levels: dict[str, Any] = {"budget": _budget(rule)}
    else:
        levels = {
            "direction": rule.direction.value,
            "warning": _level(rule.warning),
            "critical": _level(rule.critical),
        }
    return {
        "metric": rule.metric,
        "of": rule.of.value,
        "pools": list(rule.pools),
        **levels,
        "for": duration(rule.for_seconds),
        "keep_firing_for": duration(rule.keep_firing_seconds),
        "no_data": None if limit is None else duration(limit),
        "on_no_data": rule.on_no_data.value,
        "labels": dict(rule.labels),
    }


def _level(level: Level | None) -> dict[str, Any] | None:
    return None if level is None else {"at": level.at, "clear": level.clear}


def _budget(rule: BurnRule) -> dict[str, Any]:
    return {
        "objective": rule.objective,
        "good": rule.good,
        "weight": rule.weight,
        "windows": [_burn(burn) for burn in rule.windows],
    }


def _burn(burn: Burn) -> dict[str, Any]:
    return {
        "factor": burn.factor,
        "long": duration(burn.long_seconds),
        "short": duration(burn.short_seconds),
        "severity": burn.severity.value,
    }


def _receiver(receiver: Receiver) -> dict[str, Any]:
    repeat = receiver.repeat_seconds
    return {
        **_way(receiver.way),
        "severity": receiver.severity.value,
        "match": [str(matcher) for matcher in receiver.match],
        "group_by": None if receiver.group_by is None else list(receiver.group_by),
        "repeat": None if repeat is None else duration(repeat),
        "resolved": receiver.resolved,
        "timeout": duration(receiver.timeout_seconds),
        "attempts": receiver.attempts,
    }


def _way(way: Way) -> dict[str, Any]:
    match way:
        case Alertmanager():
            own = {**_web(way), "expires": duration(way.expires_seconds)}
            return {"alertmanager": own}
        case Webhook():
            return {"webhook": _web(way)}
        case Slack():
            return {"slack": {"url_from": _secret(way.url)}}
        case Program():
            return {"command": list(way.command)}
        case Email():
            return {"email": _email(way)}


def _web(way: Alertmanager | Webhook) -> dict[str, Any]:
    plain = isinstance(way.url, str)
    return {
        "url": way.url if plain else None,
        "url_from": None if isinstance(way.url, str) else _secret(way.url),
        "token": _secret(way.token),
    }


def _email(way: Email) -> dict[str, Any]:
    return {
        "server": way.server,
        "port": way.port,
        "tls": way.tls.value,
        "user": way.user,
        "password": _secret(way.password),
        "from": way.sender,
        "to": list(way.to),
    }


def _secret(ref: SecretRef | None) -> dict[str, str] | None:
    return None if ref is None else {ref.source: ref.name}
