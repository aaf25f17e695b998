"""A plan kept in a file, to be read by people and carried out later, once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from phoenixctl import __version__
from phoenixctl.model.codec import decode, encode
from phoenixctl.model.errors import PhoenixError, UsageError
from phoenixctl.model.plan import Plan
from phoenixctl.store.local import replace_file

SCHEMA: Final = "phoenixctl.saved-plan/1"


def write_plan(path: Path, plan: Plan) -> None:
    """Write it whole or not at all, for the operator alone: it tells what runs where."""
    content = encode(plan)
    document = {
        "schema": SCHEMA,
        "written_by": __version__,
        "checksum": _checksum(content),
        "plan": content,
    }
    text = json.dumps(document, ensure_ascii=True, indent=1) + "\n"
    try:
        replace_file(path.absolute(), text.encode())
    except OSError as error:
        raise PhoenixError(f"{path} cannot be written: {error.strerror}") from None


def read_plan(path: Path) -> Plan:
    """The plan that was written. UsageError when the file is no such plan, or was changed."""
    try:
        document: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _no_plan(path, "it is not JSON") from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise _no_plan(path, f"its schema is {schema!r}, not {SCHEMA}")
    content = document.get("plan")
    if document.get("checksum") != _checksum(content):
        raise _no_plan(path, "it was changed after it was written")
    try:
        return decode(Plan, content)
    except ValueError as error:
        raise _no_plan(path, str(error)) from None


def _no_plan(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} is not a plan that can be carried out: {why}",
        hint=f"write it anew: phoenixctl plan --out {path}",
    )


def _checksum(content: object) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
