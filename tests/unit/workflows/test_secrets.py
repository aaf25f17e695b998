"""No secret is in what is kept of a run: journal, record, history, report."""

from __future__ import annotations

import json
from pathlib import Path

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.codec import encode
from phoenixctl.model.fleet import SecretRef
from phoenixctl.model.hooks import Drain, ExecHook
from phoenixctl.model.plan import Action, Plan
from phoenixctl.remote.agents import spec_digest
from phoenixctl.store.local import LocalRecords
from phoenixctl.workflows.apply import apply
from phoenixctl.workflows.recover import recover
from tests.builders import fleet, node, spec
from tests.unit.workflows.fakes import completed
from tests.unit.workflows.machine import Machine
from tests.unit.workflows.running import Site, step

CANARY = "canary-51c0-do-not-leak"
NEEDY = spec(
    "web", secrets={"TOKEN": SecretRef("env", "WEB_TOKEN")}, drain=Drain(ExecHook(("finish",)))
)
TOLD = b"phoenixctl start\nerror web-1: it did not stay up\nlog TOKEN=" + CANARY.encode() + b"\n"


async def test_a_secret_reaches_the_node_and_no_file_of_ours(tmp_path: Path) -> None:
    machine = Machine("a").with_agent("web-2", NEEDY)

    def odd(what: str) -> object:
        if what == "start web-1":
            return completed(TOLD, 1)
        if "finish" in what:
            return completed(b"", 3, f"no: {CANARY}".encode())
        return None

    machine.odd = odd
    s = Site(fleet(node("a"), agents=[NEEDY]), {"a": machine}, secret=lambda _ref: CANARY)
    s.records = LocalRecords(tmp_path, SystemClock(), "test")
    plan = Plan("apply", (
        step(Action.START, "web-0", spec_digest=spec_digest(NEEDY)),
        step(Action.START, "web-1"),
        step(Action.DRAIN, "web-2"),
    ))  # fmt: skip
    report = await apply(plan, s.means)
    assert [r.outcome.value for r in report.results] == ["ok", "failed", "ok"]
    assert "could not be drained (the hook of web-2 ended with 3: no: ***)" in (
        report.results[2].detail
    )
    assert await recover(s.means) == ()
    assert any(CANARY.encode() in payload for payload in machine.payloads)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"web-1" in path.read_bytes() for path in kept)
    assert [path for path in kept if CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in json.dumps(encode(plan))
    assert CANARY not in repr(report)
