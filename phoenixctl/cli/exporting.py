"""Metrics that leave for other programs."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

from phoenixctl.model.errors import PhoenixError, UsageError
from phoenixctl.render.metric_export import rows_of, write_csv, write_json, write_parquet
from phoenixctl.render.metrics import Shown
from phoenixctl.store.disk import replace_file


def export(found: Sequence[Shown], form: str, out: Path | None) -> None:
    """Write all values as csv, json or parquet; a file appears whole, for the operator alone."""
    if form == "parquet" and out is None and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal", hint="give a file: --out FILE")
    content = _content(found, form)
    if out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    _replace(out, content)


def draw(found: Sequence[Shown], out: Path) -> None:
    """Draw all values into a picture, whose name says of which form it is."""
    from phoenixctl.render.image import FORMS, image

    form = out.suffix.removeprefix(".").lower()
    if form not in FORMS:
        raise UsageError(f"--image {out} is neither .png nor .svg", hint="--image cpu.svg")
    _replace(out, image(found, form))


def _replace(out: Path, content: bytes) -> None:
    try:
        replace_file(out.absolute(), content)
    except OSError as error:
        raise PhoenixError(f"{out} cannot be written: {error.strerror}") from None


def _content(found: Sequence[Shown], form: str) -> bytes:
    rows = (row for one in found for row in rows_of(one.metric, one.history))
    if form == "parquet":
        table = io.BytesIO()
        write_parquet(rows, table)
        return table.getvalue()
    text = io.StringIO()
    write = write_csv if form == "csv" else write_json
    write(rows, text)
    return text.getvalue().encode()
