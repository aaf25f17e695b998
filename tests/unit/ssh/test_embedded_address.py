"""Embedded nodes of one machine never share the address of their agents."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from phoenixctl.ssh.embedded_address import own_address


def test_an_address_follows_from_the_folder_and_is_held_while_it_is_used(tmp_path: Path):
    with own_address(tmp_path, None) as first, own_address(tmp_path, None) as second:
        assert first is not None
        assert second is not None
        assert first.startswith("127.")
        assert first != second
        with socket.create_server((first, 0)) as server:
            port = server.getsockname()[1]
            socket.create_server((second, port)).close()
    with own_address(tmp_path, None) as again:
        assert again == first


def test_the_address_of_before_is_taken_again_unless_it_is_anothers_now(tmp_path: Path):
    with own_address(tmp_path / "old", None) as before:
        pass
    with own_address(tmp_path / "new", before) as kept:
        assert kept == before
        with own_address(tmp_path / "new", before) as other:
            assert other not in (None, before)


def test_many_nodes_have_as_many_addresses(tmp_path: Path):
    with ExitStack() as held:
        found = [held.enter_context(own_address(tmp_path / f"node-{n}", None)) for n in range(200)]
    assert len(set(found)) == 200


def test_where_there_is_one_loopback_address_a_node_has_none_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class OneAddress(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr("phoenixctl.ssh.embedded_address.socket.socket", OneAddress)
    with own_address(tmp_path, "127.9.9.9") as address:
        assert address is None
