"""Webhooks, Slack's form and Alertmanager's, told to real servers on loopback."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from phoenixctl.model import alerting
from phoenixctl.model.errors import ConfigError, NotDelivered
from phoenixctl.model.fleet import SecretRef
from phoenixctl.notifiers.web import Alertmanager, Slack, Webhook
from tests.receivers import Told, certificate, web
from tests.unit.notifiers.telling import NOON, SECRET, alert, message, secret

URL = SecretRef("env", "URL")
TOKEN = SecretRef("file", "token")


@pytest.fixture
def told() -> Iterator[Told]:
    with web() as server:
        yield server


def webhook(url: str, *, token: SecretRef | None = None, timeout: float = 10.0) -> Webhook:
    return Webhook(alerting.Webhook(url, token), secret, timeout)


def slack(url: str, *, timeout: float = 10.0) -> Slack:
    return Slack(alerting.Slack(URL), lambda _ref: f"{url}\n", timeout)


def manager(url: str) -> Alertmanager:
    return Alertmanager(alerting.Alertmanager(url, expires_seconds=600), secret, 10.0)


async def test_a_webhook_gets_the_whole_message_with_its_version(told: Told) -> None:
    sent = message(alert("web-1", pool="x"), resolved=(alert("web-2"),))
    await webhook(f"{told.url}/hook?a=1", token=TOKEN).send(sent)
    assert told.paths == ["/hook?a=1"]
    assert told.headers[0]["Authorization"] == f"Bearer {SECRET}-token"
    assert told.headers[0]["Content-Type"] == "application/json"
    [body] = told.bodies
    assert {key: body[key] for key in ("schema", "fleet", "receiver", "status", "test")} == {
        "schema": "phoenixctl.alert-notice/1",
        "fleet": "shop",
        "receiver": "ops",
        "status": "firing",
        "test": False,
    }
    assert body["title"] == "[CRITICAL] shop: cpu, 1 alert, 1 over"
    assert re.fullmatch("[0-9a-f]{32}", body["id"])
    assert body["firing"] == [
        {
            "rule": "cpu",
            "subject": "web-1",
            "status": "critical",
            "since": "2027-01-15T07:59:00.000Z",
            "value": 0.97,
            "at": "2027-01-15T07:59:59.000Z",
            "summary": "cpu_utilization of web-1 is 97%, above 95%",
            "labels": {"rule": "cpu", "severity": "critical", "node": "web-1", "pool": "x"},
        }
    ]
    assert [one["subject"] for one in body["resolved"]] == ["web-2"]


async def test_a_message_that_comes_twice_can_be_told_from_one_that_is_repeated(told: Told) -> None:
    sent = message(alert("web-1"))
    later = replace(sent.notice, before=sent.notice.delivered(NOON))
    for one in (sent, replace(sent, at=NOON + 9), replace(sent, notice=later)):
        await webhook(told.url).send(one)
    first, again, repeated = (body["id"] for body in told.bodies)
    assert first == again != repeated


async def test_slack_gets_text_in_which_no_name_calls_anybody(told: Told) -> None:
    await slack(told.url).send(message(alert("web-1"), alert("<!channel>&\x1b[1m", "warning")))
    assert told.bodies == [
        {
            "text": "[CRITICAL] shop: cpu, 2 alerts\n"
            "critical: cpu_utilization of web-1 is 97%, above 95%, since 2027-01-15T07:59:00Z\n"
            "warning: cpu_utilization of &lt;!channel&gt;&amp;?[1m is 97%, above 95%, "
            "since 2027-01-15T07:59:00Z"
        }
    ]


async def test_a_long_list_is_cut_for_people(told: Told) -> None:
    await slack(told.url).send(message(*(alert(f"web-{number}") for number in range(120))))
    lines = told.bodies[0]["text"].splitlines()
    assert (len(lines), lines[-1]) == (52, "and 70 more")


async def test_an_alertmanager_gets_what_its_api_takes(told: Told) -> None:
    firing = alert("web-1", **{"group.x": "a", "7th": "b", "empty": ""})
    sent = message(firing, resolved=(alert("web-2"),), replaced=(alert("web-1", "warning"),))
    await manager(f"{told.url}/").send(sent)
    assert told.paths == ["/api/v2/alerts"]
    first, over, before = told.bodies[0]
    assert first["labels"] == {
        "alertname": "cpu", "rule": "cpu", "severity": "critical", "node": "web-1",
        "group_x": "a", "_7th": "b",
    }  # fmt: skip
    assert first["annotations"]["value"] == "0.97"
    for one in (first, over, before):  # its OpenAPI: postableAlert
        assert one.keys() == {"labels", "annotations", "startsAt", "endsAt"}
        assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", label) for label in one["labels"])
        starts, ends = (datetime.fromisoformat(one[key]).timestamp() for key in list(one)[2:])
        assert starts <= ends
        assert ends == (NOON + 600 if one is first else NOON)
    assert (over["labels"]["node"], before["labels"]["severity"]) == ("web-2", "warning")


async def test_what_says_nothing_to_people_is_sent_to_an_alertmanager_alone(told: Told) -> None:
    only_replaced = message(replaced=(alert("web-1", "warning"),))
    await webhook(told.url).send(only_replaced)
    await slack(told.url).send(only_replaced)
    assert told.bodies == []
    await manager(told.url).send(only_replaced)
    assert len(told.bodies) == 1


@pytest.mark.parametrize(
    ("status", "passing"), [(500, True), (503, True), (429, True), (400, False), (404, False)]
)
async def test_what_was_not_taken_says_so_and_whether_it_is_worth_another_try(
    told: Told, status: int, passing: bool
) -> None:
    told.statuses = [status]
    with pytest.raises(NotDelivered, match=f"answered {status}") as failed:
        await slack(f"{told.url}/services/{SECRET}").send(message(alert("a")))
    assert failed.value.passing is passing
    assert SECRET not in repr(failed.value) + failed.value.what


async def test_a_redirect_is_not_followed(told: Told) -> None:
    told.statuses = [307, 200]
    with pytest.raises(NotDelivered, match="answered 307"):
        await webhook(told.url, token=TOKEN).send(message(alert("a")))
    assert told.paths == ["/"]


async def test_a_server_that_never_answers_costs_the_time_that_was_given(told: Told) -> None:
    told.silent.set()
    with pytest.raises(NotDelivered, match="within 200ms") as failed:
        await webhook(told.url, timeout=0.2).send(message(alert("a")))
    assert failed.value.passing


async def test_where_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with pytest.raises(NotDelivered, match=f"127.0.0.1:{port} cannot be reached") as failed:
            await webhook(f"http://127.0.0.1:{port}/{SECRET}").send(message(alert("a")))
    assert failed.value.passing
    assert SECRET not in failed.value.what


@pytest.mark.parametrize("url", ["hook", "ftp://a/", "http:///", "http://a b/", "http://a:x/"])
async def test_what_is_no_address_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as failed:
        await slack(f"{url}{SECRET}").send(message(alert("a")))
    assert SECRET not in failed.value.what + failed.value.hint


async def test_a_token_of_two_lines_makes_no_second_header(told: Told) -> None:
    notifier = Webhook(alerting.Webhook(told.url, TOKEN), lambda _ref: "a\r\nX-Evil: 1", 10.0)
    with pytest.raises(ConfigError, match="one line"):
        await notifier.send(message(alert("a")))
    assert told.bodies == []


async def test_a_certificate_has_to_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, alone = certificate(tmp_path)
    with web(tls=both) as told:
        with pytest.raises(NotDelivered, match="TLS failed") as failed:
            await webhook(told.url).send(message(alert("a")))
        assert not failed.value.passing
        monkeypatch.setenv("SSL_CERT_FILE", str(alone))
        await webhook(told.url).send(message(alert("a")))
        assert len(told.bodies) == 1
