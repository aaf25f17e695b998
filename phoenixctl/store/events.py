"""What a journal holds: one JSON line for each thing that happened to an operation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.errors import StateDamaged
from phoenixctl.model.plan import Plan, Step
from phoenixctl.model.state import NO_CHANGE, Patch

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Opened:
    """An operation has this plan now. `operation` is its id: its serial as text."""

    operation: str
    at: str  # RFC 3339
    title: str
    by: str
    lineage: str
    plan: Plan
    patch: Patch = NO_CHANGE
    format: int = 0  # given as FORMAT, so that it is written: a default is left out


@dataclass(frozen=True, slots=True)
class Begun:
    operation: str
    at: str
    step: Step


@dataclass(frozen=True, slots=True)
class Noted:
    """Facts about a step. `of` is the operation that began it, empty for this one."""

    operation: str
    at: str
    key: str
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    of: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    operation: str
    at: str
    key: str
    outcome: str
    detail: str
    patch: Patch = NO_CHANGE


@dataclass(frozen=True, slots=True)
class Settled:
    """This operation gave a step of the operation `of` its end."""

    operation: str
    at: str
    of: str
    key: str
    outcome: str
    detail: str
    patch: Patch = NO_CHANGE


@dataclass(frozen=True, slots=True)
class Closed:
    """All that the operation has changed is in the state file, and its audit line is written.

    The lineage is for the day when this line is all that is left of a record.
    """

    operation: str
    at: str
    outcome: str
    lineage: str = ""


Event: TypeAlias = Opened | Begun | Noted | Ended | Settled | Closed

_KINDS: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {
        "open": Opened,
        "begin": Begun,
        "note": Noted,
        "end": Ended,
        "settle": Settled,
        "close": Closed,
    }
)
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def write_event(event: Event) -> bytes:
    """One line, without its end."""
    return json.dumps(event_content(event)).encode()


@dataclass(frozen=True, slots=True)
class Line:
    """A readable line of a journal. `event` is decoded only of the operations that count."""

    serial: int
    kind: str
    content: Mapping[str, Any]

    def event(self) -> Event:
        """StateDamaged when it is whole and still not ours: a newer version has written it."""
        fields = {name: value for name, value in self.content.items() if name != "event"}
        try:
            if fields.get("format", FORMAT) > FORMAT:
                raise ValueError(f"format {fields['format']} is newer than ours, {FORMAT}")
            kind: type[Any] = _KINDS[self.kind]
            event: Event = decode(kind, fields)
        except (ValueError, TypeError, KeyError) as error:
            raise StateDamaged(
                f"the journal's line `{self.kind}` of operation {self.serial} cannot be read: "
                f"{error}",
                hint="use the version of phoenixctl that wrote it, or: phoenixctl refresh --adopt",
            ) from None
        return event


def read_lines(raw: Iterable[bytes]) -> tuple[list[Line], int]:
    """The lines that can be read, and how many cannot: torn ones, and rubbish. Each costs only
    itself."""
    lines: list[Line] = []
    lost = 0
    for text in raw:
        line = _read_line(text) if text.strip() else None
        if line is not None:
            lines.append(line)
        elif text.strip():
            lost += 1
    return lines, lost


def _read_line(text: bytes) -> Line | None:
    try:
        return line_of(json.loads(text))
    except (ValueError, RecursionError):
        return None


def line_of(content: Any) -> Line | None:
    """A line from its JSON; None when it is none."""
    try:
        return Line(int(content["operation"]), str(content["event"]), content)
    except (ValueError, TypeError, KeyError):
        return None


def event_content(event: Event) -> dict[str, Any]:
    """An event as JSON has it."""
    return {"event": _NAMES[type(event)], **encode(event)}
