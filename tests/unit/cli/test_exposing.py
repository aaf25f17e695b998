"""The server of `metrics serve`: where it listens, and what it says when it cannot read."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from phoenixctl.cli.exposing import Address, Server, address_of
from phoenixctl.model.errors import PhoenixError, StateDamaged, UsageError


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("127.0.0.1:9464", Address("127.0.0.1", 9464), "http://127.0.0.1:9464/metrics"),
        ("[::1]:80", Address("::1", 80), "http://[::1]:80/metrics"),
        (":9464", Address("0.0.0.0", 9464), "http://0.0.0.0:9464/metrics"),
        ("localhost:0", Address("localhost", 0), "http://localhost:0/metrics"),
    ],
)
def test_an_address_is_host_and_port(text: str, address: Address, url: str) -> None:
    assert address_of(text) == address
    assert address_of(text).url == url


@pytest.mark.parametrize("text", ["9464", "host", "host:", "host:x", "h:70000", "::1:80", "h:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        address_of(text)


class Breaking(Collector):
    broken = True

    def collect(self) -> Iterator[Family]:
        if self.broken:
            raise StateDamaged("metrics.sqlite cannot be read")
        found = Family("phoenix_up", "Whether.", "gauge")
        found.add_sample(found.name, {}, 1.0)
        yield found


@contextmanager
def serving(collector: Collector, said: list[str]) -> Iterator[Address]:
    with Server(Address("127.0.0.1", 0), collector, said.append) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.address
        finally:
            server.shutdown()
            thread.join()


def get(address: Address) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def test_what_cannot_be_read_fails_the_scrape_and_is_said_once() -> None:
    collector, said = Breaking(), list[str]()
    with serving(collector, said) as address:
        assert get(address) == (503, "state damaged: metrics.sqlite cannot be read\n")
        assert get(address)[0] == 503
        collector.broken = False
        assert get(address)[0] == 200
        collector.broken = True
        assert get(address)[0] == 503
    assert said == ["state damaged: metrics.sqlite cannot be read"] * 2


def test_a_port_that_is_taken_is_told_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PhoenixError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            Server(Address("127.0.0.1", port), Breaking(), print)
    assert "--listen" in caught.value.hint
