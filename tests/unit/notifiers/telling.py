"""Small builders: a message about alerts."""

from __future__ import annotations

import json

from phoenixctl.metrics.alert_notices import Notice
from phoenixctl.metrics.alert_words import Message
from phoenixctl.model.alerting import Alert, Status
from phoenixctl.model.fleet import SecretRef

NOON = 1_800_000_000.0
SECRET = "canary-9f31-do-not-leak"


def alert(subject: str, status: str = "critical", **labels: str) -> Alert:
    return Alert(
        rule="cpu",
        subject=subject,
        status=Status(status),
        since=NOON - 60,
        summary=f"cpu_utilization of {subject} is 97%, above 95%",
        value=0.97,
        at=NOON - 1,
        labels={"rule": "cpu", "severity": status, "node": subject, **labels},
    )


def message(
    *firing: Alert,
    resolved: tuple[Alert, ...] = (),
    replaced: tuple[Alert, ...] = (),
    test: bool = False,
) -> Message:
    group = json.dumps({"rule": "cpu"})
    notice = Notice("ops", group, firing, resolved, replaced, known_after=firing)
    return Message("shop", NOON, notice, test)


def secret(ref: SecretRef) -> str:
    return f"{SECRET}-{ref.name}"
