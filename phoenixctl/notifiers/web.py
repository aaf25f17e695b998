"""Receivers that are told over HTTP: any webhook, what takes Slack's form, and an Alertmanager."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from phoenixctl.metrics.alert_words import Message, document, text, utc
from phoenixctl.model import alerting
from phoenixctl.model.alerting import Alert
from phoenixctl.model.errors import ConfigError
from phoenixctl.model.fleet import SecretRef
from phoenixctl.notifiers.http import post

ReadSecret = Callable[[SecretRef], str]
_NO_LABEL: Final = re.compile(r"[^A-Za-z0-9_]")
_LONGEST: Final = 30_000  # characters of a text; Slack takes 40,000


@dataclass(frozen=True, slots=True)
class Webhook:
    """Implements ports.notifier.Notifier: the document of the message as it is."""

    way: alerting.Webhook
    secret: ReadSecret
    timeout_seconds: float

    async def send(self, message: Message) -> None:
        if not message.says_something:
            return
        await _post(self, self.way.url, self.way.token, document(message))


@dataclass(frozen=True, slots=True)
class Slack:
    """Implements ports.notifier.Notifier: `{"text": …}` to an incoming webhook."""

    way: alerting.Slack
    secret: ReadSecret
    timeout_seconds: float

    async def send(self, message: Message) -> None:
        if not message.says_something:
            return
        # Else a name could call everybody of a channel: `<!channel>`.
        words = text(message).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        await _post(self, self.way.url, None, {"text": words[:_LONGEST]})


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Implements ports.notifier.Notifier: `POST /api/v2/alerts`.

    An alert of another severity is another alert there, so what was `replaced` ends.
    """

    way: alerting.Alertmanager
    secret: ReadSecret
    timeout_seconds: float

    async def send(self, message: Message) -> None:
        alerts = [*self._alerts(message)]
        url = _read(self.way.url, self.secret).rstrip("/")
        await _post(self, f"{url}/api/v2/alerts", self.way.token, alerts)

    def _alerts(self, message: Message) -> Iterator[Mapping[str, Any]]:
        notice = message.notice
        for alert in notice.firing:
            yield _as_alert(alert, message, ends=message.at + self.way.expires_seconds)
        for alert in (*notice.resolved, *notice.replaced):
            yield _as_alert(alert, message, ends=message.at)


def _as_alert(alert: Alert, message: Message, *, ends: float) -> Mapping[str, Any]:
    labels = {_NO_LABEL.sub("_", label): value for label, value in alert.labels.items() if value}
    labels = {f"_{label}" if label[0].isdigit() else label: v for label, v in labels.items()}
    if message.test:
        labels["test"] = "true"
    value = {} if alert.value is None else {"value": f"{alert.value:g}"}
    return {
        "labels": {**labels, "alertname": alert.rule},
        "annotations": {"summary": alert.summary, **value},
        "startsAt": utc(min(alert.since, ends)),
        "endsAt": utc(ends),
    }


async def _post(
    self: Webhook | Slack | Alertmanager,
    url: str | SecretRef,
    token: SecretRef | None,
    content: object,
) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {_token(token, self.secret)}"}
    await post(
        _read(url, self.secret),
        json.dumps(content).encode(),
        headers=headers,
        timeout_seconds=self.timeout_seconds,
    )


def _read(url: str | SecretRef, secret: ReadSecret) -> str:
    return url if isinstance(url, str) else secret(url).strip()


def _token(token: SecretRef, secret: ReadSecret) -> str:
    value = secret(token).strip()
    if not value.isascii() or not value.isprintable():
        raise ConfigError(f"the token of {token.source} {token.name} is not one line of ASCII text")
    return value
