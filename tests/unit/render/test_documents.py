"""What programs read: stable, versioned, plain."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from phoenixctl.model.checks import Grade
from phoenixctl.model.errors import Unreachable
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Plan, Risk, Step
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.performance.compliance import assess
from phoenixctl.performance.verdict import current_readings, judge, worst_first
from phoenixctl.render.output import Output, emit
from phoenixctl.render.plans import plan_document, print_plan
from phoenixctl.render.status import StatusView, print_status, status_document
from tests.builders import agent, fleet, node, seen, silent, snapshot, spec
from tests.unit.render.writing import written

HOSTILE = "\x1b]52;c;x\x07\u202e\udcff"
FLEET = fleet(node("a"), node("b"), agents=[spec("web", replicas=2)])
LOOK = snapshot(
    seen("a", agent("web-0", ready=True, metrics={AgentMetric.RSS: 1024.0 * 1024})),
    silent("b", Unreachable(f"b said {HOSTILE}\nsecond line", hint="phoenixctl doctor")),
    at=1002.5,
)


def view(f: Fleet, s: Snapshot) -> StatusView:
    verdict = judge(f, s)
    targets = assess(f.targets, current_readings(s, {}))
    return StatusView(f, s, verdict, targets, worst_first(s, verdict))


def emitted(output: Output, capsys: pytest.CaptureFixture[str]) -> str:
    emit(output, "status", lambda: status_document(view(FLEET, LOOK)), lambda _console: None)
    return capsys.readouterr().out


def test_json_and_yaml_are_the_same_document_and_say_its_version(capsys) -> None:
    as_json = json.loads(emitted(Output.JSON, capsys))
    as_yaml = yaml.safe_load(emitted(Output.YAML, capsys))
    assert as_json["schema"] == "phoenixctl.status/1"
    # What is not Unicode cannot be written in YAML; there it is spelled out.
    assert as_yaml == json.loads(json.dumps(as_json).replace(r"\udcff", r"\\udcff"))


@pytest.mark.parametrize("output", [Output.JSON, Output.YAML])
def test_an_enum_in_a_document_is_its_value(output: Output, capsys) -> None:
    emit(output, "doctor", lambda: {"grade": Grade.OK}, lambda _console: None)
    assert yaml.safe_load(capsys.readouterr().out)["grade"] == "ok"


@pytest.mark.parametrize("output", [Output.JSON, Output.YAML])
def test_documents_are_plain_ascii_whatever_a_node_said(output: Output, capsys) -> None:
    assert not re.search(r"[^\n -~]", emitted(output, capsys))


def keys(document: Any, path: str = "") -> set[str]:
    """Every path of keys; the elements of lists under one name."""
    match document:
        case dict():
            return {
                p for k, v in document.items() for p in {f"{path}/{k}", *keys(v, f"{path}/{k}")}
            }
        case list():
            return {p for v in document for p in keys(v, f"{path}[]")}
        case _:
            return set()


def test_the_paths_of_a_status_document_do_not_change_within_a_version() -> None:
    found = keys(status_document(view(FLEET, LOOK)))
    assert {p for p in found if "/metrics/" not in p} == {
        "/fleet", "/taken_at", "/compliance", "/verdict", "/verdict/level", "/verdict/findings",
        "/verdict/findings[]/severity", "/verdict/findings[]/about", "/verdict/findings[]/what",
        "/verdict/findings[]/node", "/targets", "/targets[]/name", "/targets[]/unit",
        "/targets[]/target", "/targets[]/current", "/targets[]/compliance",
        "/targets[]/deviation", "/targets[]/age_seconds", "/targets[]/unknown", "/nodes",
        *(f"/nodes[]/{key}" for key in (
            "name", "pool", "address", "labels", "age_seconds", "seconds", "reachable", "error",
            "error/kind", "error/what", "error/hint", "boot_id", "hostname", "kernel",
            "supervisor", "base_dir", "cordon", "warnings", "metrics", "agents",
        )),
        *(f"/nodes[]/agents[]/{key}" for key in (
            "id", "node", "spec", "ordinal", "state", "ready", "detail", "supervisor",
            "spec_digest", "epoch", "role", "held", "port", "pid", "started_at", "limits",
            "metrics",
        )),
    }  # fmt: skip
    assert {p.split("/")[3] for p in found if p.startswith("/nodes[]/metrics/")} == set(Metric)


def test_what_is_unknown_is_null_with_its_reason_and_never_nought() -> None:
    document = status_document(view(FLEET, LOOK))
    reading = document["nodes"][1]["metrics"]["network_utilization"]
    assert reading == {
        "value": None, "unit": "ratio", "age_seconds": 2.5, "unknown": "not measured",
    }  # fmt: skip
    p95 = document["targets"][0]
    assert (p95["current"], p95["compliance"], p95["deviation"]) == (None, None, None)


def test_the_table_shows_the_verdict_first_the_worst_node_next_and_ages(monkeypatch) -> None:
    text = written(lambda c: print_status(view(FLEET, LOOK), c, wide=False), monkeypatch)
    lines = text.splitlines()
    assert lines[0] == "test is degraded: 1 of 2 nodes answer, 1 of 2 agents run"
    rows = [line.split() for line in lines]
    at = {row[0]: number for number, row in enumerate(rows) if row and row[0] in "ab"}
    assert lines[1].startswith("  b  ")
    assert rows[at["b"]][1] == "unreachable"
    assert at["b"] < at["a"]
    assert rows[at["a"]].count("?") == 7  # what nobody measured, and no 0 among it
    assert "2.5s" in rows[at["a"]]
    assert not re.search(r"[^\n -~]", text)


PLAN = Plan(
    "drain a",
    (
        Step(Action.CORDON, NodeName("a"), None, "so that it takes no new agents"),
        Step(Action.DRAIN, NodeName("a"), AgentId("web-0"), HOSTILE, Risk.DISRUPTIVE,
             ("cordon node a",)),
    ),
    ("web-1 is stopped",),
    (f"b does not answer {HOSTILE}",),
)  # fmt: skip


def test_a_plan_reads_as_steps_with_reasons_and_ends_with_a_count(monkeypatch) -> None:
    assert written(lambda c: print_plan(PLAN, c), monkeypatch).splitlines() == [
        "~ cordon node a: so that it takes no new agents",
        r"- drain agent web-0 on a: \x1b]52;c;x\x07\u202e\udcff (disruptive)",
        "  web-1 is stopped",
        r"! b does not answer \x1b]52;c;x\x07\u202e\udcff",
        "cordon 1 node, drain 1 agent",
    ]


def test_a_plan_for_programs_has_the_keys_its_order_is_given_by() -> None:
    steps = plan_document(PLAN)["steps"]
    assert [(s["key"], s["after"]) for s in steps] == [
        ("cordon node a", []), ("drain agent web-0@a", ["cordon node a"]),
    ]  # fmt: skip


def test_a_plan_without_steps_says_so(monkeypatch) -> None:
    empty = Plan("start agents", (), ("web-0 runs on a",))
    assert written(lambda c: print_plan(empty, c), monkeypatch).splitlines() == [
        "  web-0 runs on a", "nothing to do",
    ]  # fmt: skip
