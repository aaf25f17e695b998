"""Receivers on loopback that a test starts: an HTTP server and an SMTP server, which remember."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class Told:
    """What arrived over HTTP, and what is answered: a status for each, the last one for ever."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    bodies: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    silent: threading.Event = field(default_factory=threading.Event)  # set: it never answers


@contextmanager
def web(*, tls: Path | None = None) -> Iterator[Told]:
    """A server on loopback; `tls`: a file with its key and certificate."""
    told = Told()
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.bodies.append(json.loads(body))
            told.paths.append(self.path)
            told.headers.append(dict(self.headers.items()))
            if told.silent.is_set():
                over.wait(30)
                return
            status = told.statuses.pop(0) if len(told.statuses) > 1 else told.statuses[0]
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{told.url}/elsewhere")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            """Tests say nothing on their own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    told.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    with _served(server):
        yield told
        over.set()


@dataclass
class Mails:
    """What arrived by SMTP: envelopes and whole mails, and what is answered to RCPT."""

    port: int = 0
    senders: list[str] = field(default_factory=list)
    to: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=lambda: ["250 ok"])
    drip: bool = False  # it says a byte now and then, and never a whole line


@contextmanager
def smtp() -> Iterator[Mails]:
    """A server that takes every mail, without TLS and log-in."""
    mails = Mails()
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while mails.drip and not over.wait(0.05):
                self.wfile.write(b"2")
            self._say("220 sink")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self._take()
                elif word == b"RCPT":
                    mails.to.append(line.decode().strip())
                    several = len(mails.answers) > 1
                    self._say(mails.answers.pop(0) if several else mails.answers[0])
                elif word == b"QUIT":
                    self._say("221 bye")
                    return
                else:
                    if word == b"MAIL":
                        mails.senders.append(line.decode().strip())
                    self._say("250 ok")

        def _take(self) -> None:
            self._say("354 go on")
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.decode())
            mails.mails.append("".join(lines))
            self._say("250 ok")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that hang up are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    mails.port = server.server_address[1]
    with _served(server):
        yield mails
        over.set()


@contextmanager
def _served(server: socketserver.TCPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A file with a key and a certificate for 127.0.0.1 signed by itself, and the latter alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    both, alone = folder / "both.pem", folder / "certificate.pem"
    both.write_bytes(private + public)
    alone.write_bytes(public)
    return both, alone
