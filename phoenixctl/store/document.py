"""The state file: one JSON document with its format, a checksum, the record and what is unfinished.

{"checksum": …, "at": …, "format": 1, "nonce": …, "state": {…}, "unfinished": […]}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.state import State
from phoenixctl.ports.records import Unfinished
from phoenixctl.store.folding import Kept

FORMAT: Final = 1

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]

UPGRADES: Final[Mapping[int, Upgrade]] = MappingProxyType({})
"""How a document of each earlier format becomes one of the next: `{1: from_1_to_2}`.

Each gets and returns `state` and `unfinished`; the rest of the document has the same form in every
format, so that a checksum can be told before anything is known of the content.
"""


class Unreadable(Exception):
    """Why a document is not the record of this fleet. `newer`: only another version can read it."""

    def __init__(self, why: str, *, newer: bool = False) -> None:
        super().__init__(why)
        self.newer = newer


@dataclass(frozen=True, slots=True)
class Written:
    """What a document holds. `at` is when it was written, RFC 3339."""

    kept: Kept
    at: str


def write_document(kept: Kept, *, at: str, nonce: str = "") -> bytes:
    """The same content gives the same bytes; a nonce makes each writing one of its own."""
    content = {
        "at": at,
        "format": FORMAT,
        "nonce": nonce,
        "state": encode(kept.state),
        "unfinished": encode(kept.unfinished),
    }
    canonical = _canonical(content)
    return b'{"checksum":"' + _checksum(canonical).encode() + b'",' + canonical[1:] + b"\n"


def read_document(
    raw: bytes,
    fleet: str,
    *,
    upgrades: Mapping[int, Upgrade] = UPGRADES,
    newest: int = FORMAT,
) -> Written:
    """Unreadable when it is cut off, changed, of another fleet or of a later format."""
    content = _whole(raw)
    form = content["format"]
    if form > newest:
        raise Unreadable(
            f"its format {form} is newer than this version of phoenixctl knows ({newest})",
            newer=True,
        )
    body = {"state": content.get("state"), "unfinished": content.get("unfinished", [])}
    for older in range(form, newest):
        if older not in upgrades:
            raise Unreadable(f"its format {older} is not known")
        body = upgrades[older](body)
    try:
        state = decode(State, body["state"])
        unfinished = decode(tuple[Unfinished, ...], body["unfinished"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unreadable(f"it does not hold a record: {error}") from None
    if state.fleet != fleet:
        raise Unreadable(f"it is the record of the fleet {state.fleet!r}, not of {fleet!r}")
    return Written(Kept(state, unfinished), str(content["at"]))


def _whole(raw: bytes) -> dict[str, Any]:
    """The document's keys, when it is as it was written."""
    if not raw.strip():
        raise Unreadable("it is empty")
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is cut off or no JSON: {error}") from None
    if not isinstance(content, dict):
        raise Unreadable("it is no JSON object")
    written = content.pop("checksum", None)
    if type(content.get("format")) is not int or not isinstance(written, str):
        raise Unreadable("it has no format and checksum")
    if _checksum(_canonical(content)) != written:
        raise Unreadable("its checksum is wrong: it was changed or damaged after it was written")
    return {"at": "", **content}


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _checksum(canonical: bytes) -> str:
    return f"sha256:{hashlib.sha256(canonical).hexdigest()}"
