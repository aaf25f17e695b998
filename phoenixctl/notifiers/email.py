"""Receivers that are told by e-mail."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any

from phoenixctl.metrics.alert_words import Message, text, title
from phoenixctl.model import alerting
from phoenixctl.model.alerting import Tls
from phoenixctl.model.errors import NotDelivered
from phoenixctl.model.units import format_duration
from phoenixctl.notifiers.web import ReadSecret


@dataclass(frozen=True, slots=True)
class Email:
    """Implements ports.notifier.Notifier by SMTP."""

    way: alerting.Email
    secret: ReadSecret
    timeout_seconds: float

    async def send(self, message: Message) -> None:
        if not message.says_something:
            return
        mail = self._mail(message)
        password = None if self.way.password is None else self.secret(self.way.password)
        talk = _Talk(self.way, self.timeout_seconds, password)
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await asyncio.to_thread(talk.send, mail)
        except TimeoutError:
            talk.hang_up()  # a server that says a byte now and then would keep the thread for ever
            raise NotDelivered(
                f"{talk.shown} did not take the mail within "
                f"{format_duration(self.timeout_seconds)}",
                passing=True,
            ) from None

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = title(message)
        mail["From"] = self.way.sender
        mail["To"] = ", ".join(self.way.to)
        mail["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
        mail["Message-ID"] = make_msgid(domain="phoenixctl.invalid")
        mail["Auto-Submitted"] = "auto-generated"  # no vacation shall answer
        mail.set_content(text(message))
        return mail


@dataclass(slots=True)
class _Talk:
    """One talk to a server, in a thread of its own."""

    way: alerting.Email
    timeout_seconds: float
    password: str | None = field(repr=False)
    server: smtplib.SMTP | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        return f"{self.way.server}:{self.way.port}"

    def send(self, mail: EmailMessage) -> None:
        with self._explained(), self._connected() as server:
            if self.way.tls is Tls.STARTTLS:
                server.starttls(context=ssl.create_default_context())
            if self.way.user is not None and self.password is not None:
                server.login(self.way.user, self.password)
            server.send_message(mail)

    def hang_up(self) -> None:
        connection = None if self.server is None else self.server.sock
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _connected(self) -> smtplib.SMTP:
        host, port, limit = self.way.server, self.way.port, self.timeout_seconds
        if self.way.tls is Tls.IMPLICIT:
            context = ssl.create_default_context()
            return _TlsConnection(self, host, port, timeout=limit, context=context)
        return _Connection(self, host, port, timeout=limit)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Without what the server said: it may repeat what it was told."""
        try:
            yield
        except smtplib.SMTPAuthenticationError:
            raise NotDelivered(f"{self.shown} refused the log-in of {self.way.user}") from None
        except smtplib.SMTPNotSupportedError as error:
            raise NotDelivered(
                f"{self.shown} cannot do what the settings ask for: {error}",
                hint="see `tls` and `user` of the receiver",
            ) from None
        except smtplib.SMTPRecipientsRefused as error:
            passing = all(code < 500 for code, _ in error.recipients.values())
            what = f"{self.shown} takes no mail for these addresses"
            raise NotDelivered(what, passing=passing) from None
        except smtplib.SMTPResponseException as error:
            passing = 400 <= error.smtp_code < 500
            raise NotDelivered(
                f"{self.shown} answered {error.smtp_code}", passing=passing
            ) from None
        except (smtplib.SMTPException, ValueError):
            raise NotDelivered(f"{self.shown} does not speak SMTP", passing=True) from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise NotDelivered(f"{self.shown} cannot be reached: {why}", passing=True) from None


class _Connection(smtplib.SMTP):
    """Known to its talk before the server says its first word: it may never come."""

    def __init__(self, talk: _Talk, *arguments: Any, **options: Any) -> None:
        self._talk = talk
        super().__init__(*arguments, **options)

    def connect(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        self._talk.server = self
        return super().connect(*arguments, **options)


class _TlsConnection(_Connection, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte on."""
