"""A plan that is kept in a file."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from phoenixctl.model.errors import PhoenixError, UsageError
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Basis, Plan, Step
from phoenixctl.store.plan_file import read_plan, write_plan

PLAN = Plan(
    "apply",
    (Step(Action.CORDON, NodeName("a"), None, "why not", relies_on={"node.a": "12"}),),
    basis=Basis("shop", "0f", 7, "ee"),
)


def test_a_plan_reads_back_as_it_was_and_is_for_the_operator_alone(tmp_path: Path) -> None:
    path = tmp_path / "due.plan"
    write_plan(path, PLAN)
    assert read_plan(path) == PLAN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["due.plan"]


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path) -> None:
    write_plan(tmp_path / "one", PLAN)
    write_plan(tmp_path / "two", PLAN)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[1]", "its schema is None"),
        (b'{"schema": "phoenixctl.saved-plan/9"}', "its schema is 'phoenixctl.saved-plan/9'"),
        (b'{"schema": "phoenixctl.saved-plan/1"}', "it was changed after it was written"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "due.plan"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=why) as refused:
        read_plan(path)
    assert refused.value.hint == f"write it anew: phoenixctl plan --out {path}"


def test_a_plan_that_was_edited_is_not_carried_out(tmp_path: Path) -> None:
    path = tmp_path / "due.plan"
    write_plan(path, PLAN)
    document = json.loads(path.read_bytes())
    document["plan"]["steps"][0]["node"] = "b"
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match="it was changed after it was written"):
        read_plan(path)


def test_files_that_are_not_there_or_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.plan cannot be read: No such file"):
        read_plan(tmp_path / "missing.plan")
    with pytest.raises(PhoenixError, match="cannot be written: No such file"):
        write_plan(tmp_path / "no" / "due.plan", PLAN)
