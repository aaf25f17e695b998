"""The state file's form, older and newer ones, and damage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.fleet import Node
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.state import AgentRecord, NodeRecord, PoolRecord, State
from phoenixctl.ports.records import Unfinished
from phoenixctl.store.document import (
    Unreadable,
    _canonical,
    _checksum,
    read_document,
    write_document,
)
from phoenixctl.store.folding import Kept
from tests.builders import node, spec
from tests.conformance.record_story import DIGEST, ONE

FLEET = "shop"


def kept() -> Kept:
    web: Node = node("web-1", user="root", host_keys=("ssh-ed25519 AAAA",))
    agent = AgentRecord(AgentId("web-0"), NodeName("web-1"), DIGEST, 3)
    return Kept(
        State(
            FLEET,
            "79c87cf3-d5b4-469a-b5f5-61b5c9020f17",
            7,
            nodes={web.name: NodeRecord(web, "aws", "i-1", zone="a", protected=True)},
            agents={agent.id: agent},
            pools={"main": PoolRecord(3, None, "op@here", "2026-01-01T00:00:00Z")},
            specs={DIGEST: spec("web", cpu=1.5, env={"NAME": "caf\udce9"})},
        ),
        (Unfinished("6", "apply", ONE, ({"token": "x"},)),),
    )


def sealed(content: dict[str, Any]) -> bytes:
    """A document of any content whose checksum is right."""
    return json.dumps({"checksum": _checksum(_canonical(content)), **content}).encode()


def test_what_is_written_is_read_again() -> None:
    written = read_document(write_document(kept(), at="2026-01-01T00:00:00Z", nonce="n"), FLEET)
    assert written.kept == kept()
    assert written.at == "2026-01-01T00:00:00Z"


def test_the_same_record_gives_the_same_bytes_and_a_nonce_others() -> None:
    assert write_document(kept(), at="now") == write_document(kept(), at="now")
    assert write_document(kept(), at="now", nonce="1") != write_document(
        kept(), at="now", nonce="2"
    )


def test_white_space_is_no_damage() -> None:
    content = json.loads(write_document(kept(), at="now"))
    assert read_document(json.dumps(content, indent=2).encode(), FLEET).kept == kept()


DOCUMENT = write_document(kept(), at="now")


@given(st.integers(0, len(DOCUMENT) - 2))
def test_a_document_cut_off_anywhere_is_found(length: int) -> None:
    with pytest.raises(Unreadable):
        read_document(DOCUMENT[:length], FLEET)


@given(st.integers(0, len(DOCUMENT) - 2), st.integers(0, 255))
def test_a_byte_changed_anywhere_is_found_or_changes_nothing(place: int, byte: int) -> None:
    changed = DOCUMENT[:place] + bytes([byte]) + DOCUMENT[place + 1 :]
    try:
        found = read_document(changed, FLEET).kept
    except Unreadable:
        return
    assert found == kept()


@given(st.binary(max_size=200))
def test_rubbish_is_no_document(content: bytes) -> None:
    with pytest.raises(Unreadable):
        read_document(content, FLEET)


def _to_2(body: dict[str, Any]) -> dict[str, Any]:
    state = dict(body["state"])
    return {**body, "state": {"lineage": state.pop("line"), **state}}


def _to_3(body: dict[str, Any]) -> dict[str, Any]:
    return {"state": {**body["state"], "serial": int(body["state"]["serial"])}, "unfinished": []}


def test_an_older_format_is_brought_forward_step_by_step() -> None:
    old = {"format": 1, "at": "now", "state": {"fleet": FLEET, "line": "x", "serial": "4"}}
    found = read_document(sealed(old), FLEET, upgrades={1: _to_2, 2: _to_3}, newest=3)
    assert found.kept == Kept(State(FLEET, "x", 4))


def test_an_older_format_that_nobody_knows_any_more_is_refused() -> None:
    old = {"format": 1, "at": "now", "state": {}}
    with pytest.raises(Unreadable, match="format 1 is not known"):
        read_document(sealed(old), FLEET, upgrades={2: _to_3}, newest=3)


def test_a_newer_format_is_refused_as_newer_not_as_damaged() -> None:
    content = {**json.loads(DOCUMENT), "format": 99}
    del content["checksum"]
    with pytest.raises(Unreadable, match="format 99 is newer") as refused:
        read_document(sealed(content), FLEET)
    assert refused.value.newer


@pytest.mark.parametrize(
    "state",
    [None, [], {}, {"fleet": FLEET}, {"fleet": FLEET, "lineage": "x", "serial": "1"},
     {"fleet": FLEET, "lineage": "x", "serial": 1, "colour": "red"}],
)  # fmt: skip
def test_a_document_without_a_record_is_refused(state: object) -> None:
    with pytest.raises(Unreadable, match="does not hold a record"):
        read_document(sealed({"format": 1, "at": "now", "state": state}), FLEET)
