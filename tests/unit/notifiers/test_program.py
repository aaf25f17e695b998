"""Programs of the operator's machine, told on their standard input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phoenixctl.cli.here import run_here
from phoenixctl.model import alerting
from phoenixctl.model.errors import NotDelivered
from phoenixctl.notifiers.program import Program
from tests.unit.notifiers.telling import alert, message


def program(*command: str, timeout: float = 10.0) -> Program:
    return Program(alerting.Program(command), run_here, timeout)


async def test_a_program_reads_the_message_and_its_arguments_are_no_shell_line(
    tmp_path: Path,
) -> None:
    kept = tmp_path / "kept; true"
    await program("tee", str(kept)).send(message(alert("web-1")))
    assert json.loads(kept.read_bytes())["firing"][0]["subject"] == "web-1"


async def test_a_program_that_does_not_read_is_told_all_the_same() -> None:
    many = tuple(alert(f"web-{number}") for number in range(2000))
    await program("true").send(message(*many))


@pytest.mark.parametrize(
    ("command", "what", "passing"),
    [
        (("false",), "false ended with 1", True),
        (("sh", "-c", "kill -9 $$"), "sh ended by KILL", True),
        (("/no/such/program",), "/no/such/program", False),
    ],
)
async def test_what_a_program_can_do_wrong(
    command: tuple[str, ...], what: str, passing: bool
) -> None:
    with pytest.raises(NotDelivered, match=what) as failed:
        await program(*command).send(message(alert("web-1")))
    assert failed.value.passing is passing


async def test_a_program_that_does_not_end_is_ended_with_all_that_it_started() -> None:
    with pytest.raises(NotDelivered, match="within 200ms") as failed:
        await program("sh", "-c", "sleep 60 & wait", timeout=0.2).send(message(alert("web-1")))
    assert failed.value.passing
