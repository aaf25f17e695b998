"""What became of permissions to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from phoenixctl.remote.renew import Renewal, Renewed

_WORDS: Final = {
    Renewed.RENEWED: "renewed",
    Renewed.STARTED: "waited for permission and starts now",
    Renewed.DOWN: "may run there, and does not; start it: phoenixctl agents start {agent}",
    Renewed.STOPPED: "is stopped there; start it: phoenixctl agents start {agent}",
    Renewed.ABSENT: "is not there; see: phoenixctl plan",
    Renewed.OTHER: "not renewed: it has epoch {detail} there, and {epoch} is recorded; see:"
    " phoenixctl plan",
    Renewed.FENCED: "not renewed: it is fenced at epoch {detail} there; see: phoenixctl plan",
    Renewed.BUSY: "left to the change to it that is under way",
    Renewed.REBOOTED: "not renewed: its node was restarted just now; once more",
    Renewed.PLANNED: "would be renewed",
    Renewed.FAILED: "not renewed: {detail}",
}


def renewal_words(one: Renewal) -> str:
    """One sentence about one agent."""
    return f"{one.agent} on {one.node}: {_what(one)}"


def renewal_rows(found: Sequence[Renewal]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a table."""
    return ["AGENT", "NODE", "EPOCH", "PERMISSION"], [
        [one.agent, one.node, str(one.epoch), _what(one)] for one in found
    ]


def renewal_document(one: Renewal) -> dict[str, Any]:
    return {
        "agent": one.agent,
        "node": one.node,
        "epoch": one.epoch,
        "outcome": "skipped" if one.how is None else one.how.value,
        "detail": one.detail,
        "error": one.error
        and {"kind": one.error.kind, "what": one.error.what, "hint": one.error.hint},
    }


def _what(one: Renewal) -> str:
    if one.error is not None:
        return f"not renewed: {one.error}"
    if one.how is None:
        return "left to the run that starts it"
    return _WORDS[one.how].format(agent=one.agent, detail=one.detail, epoch=one.epoch)
