"""How a server of metrics is spoken to, also when it is busy, broken or says no."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cramjam
import numpy as np
import pytest

from phoenixctl.metrics.series import Batch
from phoenixctl.model.errors import (
    AuthenticationFailed,
    ConfigError,
    PhoenixError,
    Refused,
    Unreachable,
)
from phoenixctl.model.fleet import SecretRef
from phoenixctl.model.measuring import PrometheusStore
from phoenixctl.store.prometheus.metrics import PrometheusMetrics
from tests.prometheus import RealClock

SECRET = "hunter2"
ONE = Batch(1.5, ("a",), {"cpu": np.array([0.5], np.float32)})


@dataclass
class Stub:
    """Answers requests in turn with these; the last one is for all that follow."""

    answers: list[tuple[int, dict[str, str], bytes]]
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def settings(self) -> PrometheusStore:
        url = f"http://127.0.0.1:{self.port}"
        return PrometheusStore(f"{url}/write", url, timeout_seconds=5)

    def store(self, settings: PrometheusStore | None = None) -> PrometheusMetrics:
        return store_of(settings or self.settings, SECRET)


def store_of(settings: PrometheusStore, secret: str = "") -> PrometheusMetrics:
    return PrometheusMetrics(settings, "f", lambda _: secret, RealClock(), pause_seconds=0.001)


@contextmanager
def stub(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[Stub]:
    made = Stub(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.seen.append((self.path, dict(self.headers), body))
            answers = made.answers
            status, headers, said = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(said))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            """Tests say nothing on their own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    made.port = server.server_address[1]
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


DONE = (204, {}, b"")


def test_a_sample_is_sent_as_remote_write_1_0_has_it() -> None:
    with stub(DONE) as server, closing(server.store()) as store:
        store.write(ONE)
    ((path, headers, body),) = server.seen
    assert path == "/write"
    assert headers["Content-Encoding"] == "snappy"
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert headers["User-Agent"].startswith("phoenixctl/")
    assert "Authorization" not in headers
    assert bytes(cramjam.snappy.decompress_raw(body)) == (
        b"\x0a\x3e"
        b"\x0a\x17\x0a\x08__name__\x12\x0bphoenix_cpu"
        b"\x0a\x0a\x0a\x05fleet\x12\x01f"
        b"\x0a\x09\x0a\x04node\x12\x01a"
        b"\x12\x0c\x09\x00\x00\x00\x00\x00\x00\xe0\x3f\x10\xdc\x0b"
    )


def test_what_is_unknown_is_not_sent() -> None:
    with stub(DONE) as server, closing(server.store()) as store:
        store.write(Batch(1.5, ("a", "b"), {"cpu": np.array([np.nan, np.nan], np.float32)}))
        assert server.seen == []
        store.write(Batch(1.5, ("a", "b"), {"cpu": np.array([np.nan, 1], np.float32)}))
    ((_, _, body),) = server.seen
    sent = bytes(cramjam.snappy.decompress_raw(body))
    assert (b"\x12\x01a" in sent, b"\x12\x01b" in sent) == (False, True)


def test_a_large_tick_goes_in_several_requests() -> None:
    subjects = tuple(f"n{number}" for number in range(6_000))
    with stub(DONE) as server, closing(server.store()) as store:
        store.write(Batch(1.5, subjects, {"cpu": np.zeros(6_000, np.float32)}))
    sent = [bytes(cramjam.snappy.decompress_raw(body)) for _, _, body in server.seen]
    assert [one.count(b"phoenix_cpu") for one in sent] == [5_000, 1_000]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status: int) -> None:
    with stub((status, {}, b"busy"), DONE) as server, closing(server.store()) as store:
        store.write(ONE)
    assert len(server.seen) == 2
    assert server.seen[0][2] == server.seen[1][2]


def test_a_server_says_when_it_wants_to_be_asked_again() -> None:
    with stub((429, {"Retry-After": "1"}, b""), DONE) as server, closing(server.store()) as store:
        begun = time.monotonic()
        store.write(ONE)
        assert time.monotonic() - begun >= 1


def test_a_server_that_stays_broken_is_unreachable() -> None:
    with (
        stub((503, {"Retry-After": "0"}, b"no disk")) as server,
        closing(server.store()) as store,
        pytest.raises(Unreachable, match=r"503: no disk, also after 4 more tries"),
    ):
        store.write(ONE)
    assert len(server.seen) == 5


@pytest.mark.parametrize(
    ("status", "error", "what"),
    [
        (400, Refused, "400: out of order"),
        (413, Refused, "413"),
        (401, AuthenticationFailed, "401"),
        (403, AuthenticationFailed, "403"),
        (404, Refused, "404"),
    ],
)
def test_what_a_server_refuses_is_not_sent_again(
    status: int, error: type[PhoenixError], what: str
) -> None:
    with (
        stub((status, {}, b"out of\norder")) as server,
        closing(server.store()) as store,
        pytest.raises(error, match=what) as caught,
    ):
        store.write(ONE)
    assert len(server.seen) == 1
    assert ("receiver" in caught.value.hint) == (status == 404)


def test_a_redirect_is_not_followed() -> None:
    with stub(DONE) as other, stub((307, {"Location": other.settings.write_url}, b"")) as server:
        with closing(server.store()) as store, pytest.raises(Refused, match="307"):
            store.write(ONE)
        assert other.seen == []


def test_login_and_tenant_go_along() -> None:
    ref = SecretRef("env", "T")
    with stub(DONE) as server:
        with closing(server.store(replace(server.settings, token=ref, tenant="team"))) as store:
            store.write(ONE)
        with closing(server.store(replace(server.settings, user="u", password=ref))) as store:
            store.write(ONE)
    token, basic = (headers for _, headers, _ in server.seen)
    assert (token["Authorization"], token["X-Scope-OrgID"]) == (f"Bearer {SECRET}", "team")
    assert basic["Authorization"] == "Basic dTpodW50ZXIy"


@pytest.mark.parametrize("status", [400, 401, 503])
def test_no_error_holds_the_secret(status: int) -> None:
    with stub((status, {"Retry-After": "0"}, b"no")) as server:
        settings = replace(server.settings, token=SecretRef("env", "T"))
        with closing(server.store(settings)) as store, pytest.raises(PhoenixError) as caught:
            store.write(ONE)
    assert SECRET not in f"{caught.getrepr(showlocals=False)} {caught.value.hint}"


def test_a_token_that_is_no_word_is_refused_without_being_told() -> None:
    settings = PrometheusStore("http://h", "http://h", token=SecretRef("env", "T"))
    with pytest.raises(ConfigError, match="one word") as caught:
        store_of(settings, f"{SECRET}\r\nX: y")
    assert SECRET not in str(caught.value)


def test_nobody_there_is_unreachable() -> None:
    with stub(DONE) as server:
        settings = server.settings
    with (
        closing(store_of(settings)) as store,
        pytest.raises(Unreachable, match=r"/write does not answer: Failed to .*refused"),
    ):
        store.write(ONE)


def test_certificates_that_are_not_there_are_told_before_anything_is_sent(tmp_path: Path) -> None:
    settings = PrometheusStore("https://h", "https://h", ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match="certificates"):
        store_of(settings)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", b"[]", b'{"status": "error", "error": "no"}', b'{"status": "success"}',
        b'{"status": "success", "data": {"result": [{"metric": 7, "values": [[1, "1"]]}]}}',
        b'{"status": "success", "data": {"result": 7}}',
    ],
)  # fmt: skip
def test_an_answer_that_is_not_from_a_prometheus_is_an_error(body: bytes) -> None:
    with (
        stub((200, {}, body)) as server,
        closing(server.store()) as store,
        pytest.raises(PhoenixError),
    ):
        store.read("cpu", start=0, until=10)


def test_nothing_is_asked_of_the_server_where_it_keeps_its_own_house() -> None:
    with stub(DONE) as server, closing(server.store()) as store:
        assert store.forget(now=1e9) == 0
    assert server.seen == []
