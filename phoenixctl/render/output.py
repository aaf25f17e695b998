"""How results leave: data on stdout in the format asked for, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1
PIPE_WIDTH = 1_000_000  # programs want each row whole and on one line


class Output(StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"

    @property
    def for_programs(self) -> bool:
        return self in (Output.JSON, Output.YAML)


def emit(
    output: Output,
    kind: str,
    document: Callable[[], Mapping[str, Any]],
    human: Callable[[Console], None],
    *,
    color: bool | None = None,
) -> None:
    """Write one result: `document` for programs, stamped with its kind and version, or `human`."""
    if not output.for_programs:
        human(console(color=color))
        return
    stamped = {"schema": f"phoenixctl.{kind}/{SCHEMA_VERSION}", **document()}
    if output is Output.JSON:
        sys.stdout.write(json.dumps(stamped, indent=2, ensure_ascii=True) + "\n")
    else:
        sys.stdout.write(_yaml(stamped))


def _yaml(document: Mapping[str, Any]) -> str:
    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        """Also takes enums, and names that are not UTF-8."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_str(value.encode("utf-8", "backslashreplace").decode())

    Dumper.add_representer(str, text)
    Dumper.add_multi_representer(str, text)
    dumped: str = yaml.dump(
        document, Dumper=Dumper, sort_keys=False, allow_unicode=False, width=100
    )
    return dumped


def console(*, stderr: bool = False, color: bool | None = None) -> Console:
    """A console that honours NO_COLOR, a dumb terminal and a pipe, where lines are never cut."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    wanted = color if color is not None else terminal and not os.environ.get("NO_COLOR")
    return Console(
        file=stream,
        width=None if terminal else PIPE_WIDTH,
        no_color=not wanted,
        force_terminal=bool(wanted) or None,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )
