"""Mails to a real SMTP server on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_string, policy

import pytest

from phoenixctl.model import alerting
from phoenixctl.model.alerting import Tls
from phoenixctl.model.errors import NotDelivered
from phoenixctl.model.fleet import SecretRef
from phoenixctl.notifiers.email import Email
from tests.receivers import Mails, smtp
from tests.unit.notifiers.telling import SECRET, alert, message, secret

WAY = alerting.Email(
    "127.0.0.1", "phoenix@example.org", ("ada@example.org", "bob@example.org"), tls=Tls.NONE
)


@pytest.fixture
def mails() -> Iterator[Mails]:
    with smtp() as server:
        yield server


def email(mails: Mails, *, timeout: float = 10.0, **more: object) -> Email:
    way = replace(WAY, port=mails.port, **more)  # type: ignore[arg-type]
    return Email(way, secret, timeout)


async def test_a_mail_goes_to_everybody_and_says_what_is_wrong(mails: Mails) -> None:
    await email(mails).send(message(alert("web-1"), resolved=(alert("web-2"),)))
    assert len(mails.to) == 2
    mail = message_from_string(mails.mails[0], policy=policy.default)
    assert mail["Subject"] == "[CRITICAL] shop: cpu, 1 alert, 1 over"
    assert mail["To"] == "ada@example.org, bob@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "cpu_utilization of web-1 is 97%, above 95%" in mail.get_content()
    assert "over: cpu of web-2" in mail.get_content()


async def test_a_name_makes_no_header(mails: Mails) -> None:
    sent = message(alert("web-1"))
    await email(mails).send(replace(sent, fleet="x\r\nBcc: eve@example.org"))
    assert len(mails.to) == 2
    mail = message_from_string(mails.mails[0], policy=policy.default)
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("[CRITICAL] x??Bcc: eve@example.org: cpu")


@pytest.mark.parametrize(("answer", "passing"), [("451 busy", True), ("550 never heard of", False)])
async def test_what_a_server_does_not_take(mails: Mails, answer: str, passing: bool) -> None:
    mails.answers = [answer]
    with pytest.raises(NotDelivered) as failed:
        await email(mails).send(message(alert("web-1")))
    assert failed.value.passing is passing


async def test_without_tls_no_password_is_sent(mails: Mails) -> None:
    password = SecretRef("env", "PASSWORD")
    with pytest.raises(NotDelivered, match="cannot do what the settings ask for") as failed:
        await email(mails, tls=Tls.STARTTLS, user="ada", password=password).send(
            message(alert("web-1"))
        )
    assert SECRET not in str(failed.value)
    assert mails.mails == []


async def test_a_server_that_speaks_byte_by_byte_costs_the_time_that_was_given(
    mails: Mails,
) -> None:
    mails.drip = True
    with pytest.raises(NotDelivered, match="did not take the mail within 300ms"):
        await email(mails, timeout=0.3).send(message(alert("web-1")))


async def test_where_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        nobody = Mails(port=held.getsockname()[1])
        with pytest.raises(NotDelivered, match="cannot be reached") as failed:
            await email(nobody).send(message(alert("web-1")))
    assert failed.value.passing
