"""`alerts`, on metrics that the test has kept: shown, told, silenced, remembered."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phoenixctl.cli.app import run
from phoenixctl.metrics.series import Batch
from phoenixctl.store.metrics import SqliteMetrics
from tests.cli.demo_fleet import DemoFleet, Done, finish, until
from tests.receivers import Told, web

CANARY = "canary-c4d1-do-not-leak"
CONFIG = """\
fleet: {{name: phoenix-demo}}
pools: {{web: {{}}, db: {{}}}}
ssh: {{connect_timeout: 1s, config_file: null, use_agent: false, known_hosts_files: []}}
nodes:
  - {{name: web-1, pool: web, address: 127.0.0.1, port: 1}}
  - {{name: web-2, pool: web, address: 127.0.0.1, port: 1}}
  - {{name: db-1, pool: db, address: 127.0.0.1, port: 1}}
alerts:
  rules:
    load: {{metric: load_1m, warning: 10, critical: 20}}
  receivers: {receivers}
"""
RISEN = "load of web-1: load_1m of web-1 is 25, above 20"


@dataclass(frozen=True)
class Here(DemoFleet):
    """Command lines run in this process, for there are many; `start` makes a process of its own."""

    capsys: pytest.CaptureFixture[str] | None = None

    def run(self, *words: str, **options: Any) -> Done:
        assert self.capsys is not None
        self.capsys.readouterr()
        with pytest.MonkeyPatch.context() as patched:
            for name, value in self.environment(**options.get("environ", {})).items():
                patched.setenv(name, value)
            code = run(words)
        out, err = self.capsys.readouterr()
        return Done(code, out, err)


@pytest.fixture
def fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[DemoFleet]:
    found = Here(tmp_path, capsys=capsys)
    (tmp_path / "operator").mkdir()
    found.config.parent.mkdir()
    configure(found, "{}")
    yield found
    found.end_what_was_started()


@pytest.fixture
def told() -> Iterator[Told]:
    with web() as server:
        yield server


def configure(fleet: DemoFleet, receivers: str) -> None:
    fleet.config.write_text(CONFIG.format(receivers=receivers))


def measured(fleet: DemoFleet, **loads: float) -> None:
    """The load of these nodes right now."""
    names = tuple(name.replace("_", "-") for name in loads)
    with SqliteMetrics(fleet.state) as store:
        values = np.array(list(loads.values()), np.float32)
        store.write(Batch(time.time(), names, {"load_1m": values}))


def told_of(told: Told) -> list[tuple[list[str], list[str]]]:
    """Whom each message named as firing, and as over."""
    return [
        tuple([alert["subject"] for alert in body[key]] for key in ("firing", "resolved"))  # type: ignore[misc]
        for body in told.bodies
    ]


def test_an_alert_is_shown_told_once_and_told_when_it_is_over(fleet: DemoFleet, told: Told) -> None:
    configure(fleet, f"{{hook: {{webhook: {{url: '{told.url}'}}}}}}")
    measured(fleet, web_1=25, web_2=1)
    shown = fleet.ok("alerts")
    assert shown.out.splitlines()[1].split()[:4] == ["critical", "web-1", "load", "25"]
    assert "load_1m of web-1 is 25, above 20" in shown.out
    assert not list(fleet.state.glob("alerts*"))  # to look leaves no trace

    done = fleet.ok("alerts", "evaluate", "-o", "json").json
    assert done["schema"] == "phoenixctl.alerts-evaluated/1"
    assert [(c["subject"], c["after"]) for c in done["changes"]] == [("web-1", "critical")]
    assert [(n["receiver"], n["sent"]) for n in done["notices"]] == [("hook", True)]
    assert fleet.ok("alerts", "evaluate").out == "1 alert\n"
    assert told_of(told) == [(["web-1"], [])]

    measured(fleet, web_1=2, web_2=1)
    over = fleet.ok("alerts", "evaluate")
    assert "critical -> ok  load of web-1" in over.out
    assert "told hook (rule=load): 0 firing, 1 over" in over.out
    assert told_of(told)[1:] == [([], ["web-1"])]
    assert "nothing is wrong" in fleet.ok("alerts", "ls").out

    changes = fleet.ok("alerts", "history", "-o", "json").json["changes"]
    assert [(c["before"], c["after"]) for c in changes] == [("critical", "ok"), ("ok", "critical")]
    assert fleet.ok("alerts", "history", "--limit", "1").out.count("web-1") == 2
    assert {path.stat().st_mode & 0o777 for path in fleet.state.glob("alerts*")} == {0o600}


def test_a_receiver_that_fails_is_told_later_and_costs_the_others_nothing(
    fleet: DemoFleet, told: Told
) -> None:
    with web() as broken:
        broken.statuses = [500, 500, 200]
        configure(
            fleet,
            f"{{good: {{webhook: {{url: '{told.url}'}}}}, bad: {{attempts: 2, slack: "
            f"{{url_from: {{env: SLACK}}}}}}}}",
        )
        environ = {"SLACK": f"{broken.url}/{CANARY}"}
        measured(fleet, web_1=25)
        words = ("alerts", "evaluate", "--quiet", "-vvv")
        failed = finish(fleet.start(*words, environ=environ))
        assert failed.code == 3
        assert "bad: not delivered: 127.0.0.1:" in failed.err
        assert "answered 500" in failed.err
        assert failed.out == ""
        assert told_of(told) == [(["web-1"], [])]
        done = fleet.ok(*words, environ=environ)
        assert (done.out, done.err) == ("", "")
        assert len(broken.bodies) == 3
        assert broken.paths == [f"/{CANARY}"] * 3
        assert len(told.bodies) == 1
    assert "alerts.bad.url: the environment variable SLACK" in fleet.run("doctor").out
    unset = fleet.run("alerts", "test", "bad")
    assert unset.code == 3
    assert "SLACK, named as a secret, is not set" in unset.err
    kept = b"".join(path.read_bytes() for path in fleet.root.rglob("*") if path.is_file())
    assert CANARY.encode() not in kept
    assert CANARY not in failed.err


def test_what_is_silenced_is_not_told(fleet: DemoFleet, told: Told) -> None:
    configure(fleet, f"{{hook: {{webhook: {{url: '{told.url}'}}}}}}")
    measured(fleet, web_1=25, db_1=25)
    silence = ("alerts", "silence", "pool=web", "--for", "2h", "--reason", "new disks")
    dry = fleet.ok(*silence, "--dry-run")
    assert "would match 1 of the alerts that fire now" in dry.err
    assert "nothing is silenced" in fleet.ok("alerts", "silence").out
    made = fleet.ok(*silence, "-o", "json").json["silences"][0]
    assert (made["state"], made["matchers"], made["reason"]) == (
        "active",
        ["pool=web"],
        "new disks",
    )
    fleet.ok("alerts", "evaluate")
    assert told_of(told) == [(["db-1"], [])]
    alerts = fleet.ok("alerts", "ls", "-o", "json", "--match", "pool=web").json["alerts"]
    assert [alert["silenced_by"] for alert in alerts] == [[made["id"]]]

    ended = fleet.ok("alerts", "silence", "--expire", made["id"])
    assert ended.rows("ID")[made["id"]][0] == "over"
    fleet.ok("alerts", "evaluate")
    assert told_of(told)[1:] == [(["db-1", "web-1"], [])]


def test_killed_while_it_tells_it_tells_again(fleet: DemoFleet) -> None:
    heard = fleet.root / "heard"
    killing = f"cat >> {heard}; kill -9 $PPID"
    configure(fleet, f"{{pager: {{command: [sh, -c, '{killing}']}}}}")
    measured(fleet, web_1=25)
    assert finish(fleet.start("alerts", "evaluate")).code == -signal.SIGKILL
    assert heard.read_text().count('"firing"') == 2  # its status, and its list
    measured(fleet, web_1=1)  # and by now it is over
    configure(fleet, f"{{pager: {{command: [sh, -c, 'cat >> {heard}'], resolved: false}}}}")
    fleet.ok("alerts", "evaluate")
    assert heard.read_text().count('"status": "resolved"') == 1
    size = heard.stat().st_size
    fleet.ok("alerts", "evaluate")
    assert heard.stat().st_size == size


def test_one_evaluates_at_a_time(fleet: DemoFleet) -> None:
    begun, gate = fleet.root / "begun", fleet.root / "gate"
    telling = f"touch {begun}; until test -e {gate}; do sleep 0.05; done"
    configure(fleet, f"{{pager: {{command: [sh, -c, '{telling}'], timeout: 60s}}}}")
    measured(fleet, web_1=25)
    first = fleet.start("alerts", "evaluate")
    until(lambda: begun.exists() or first.poll() is not None, seconds=60)
    second = fleet.run("alerts", "evaluate")
    assert second.code == 6
    assert "alerts evaluate" in second.err
    gate.touch()
    assert finish(first).code == 0


def test_a_dry_run_keeps_nothing_and_tells_nobody(fleet: DemoFleet, told: Told) -> None:
    configure(fleet, f"{{hook: {{webhook: {{url: '{told.url}'}}}}}}")
    measured(fleet, web_1=25)
    dry = fleet.ok("alerts", "evaluate", "--dry-run")
    assert f"ok -> critical  {RISEN}" in dry.out
    assert "would tell hook (rule=load): 1 firing, 0 over" in dry.out
    shown = fleet.ok("alerts", "test", "--dry-run")
    assert "[TEST] [WARNING] phoenix-demo: test, 1 alert" in shown.out
    assert told.bodies == []
    assert not list(fleet.state.glob("alerts*"))


def test_a_test_says_that_it_is_one(fleet: DemoFleet, told: Told) -> None:
    configure(fleet, f"{{hook: {{webhook: {{url: '{told.url}'}}}}}}")
    assert fleet.ok("alerts", "test").out == "told hook\n"
    [body] = told.bodies
    assert body["test"] is True
    assert body["title"].startswith("[TEST]")
    unknown = fleet.run("alerts", "test", "hok")
    assert (unknown.code, "did you mean hook?" in unknown.err) == (2, True)


def test_without_metrics_it_says_what_to_do(fleet: DemoFleet) -> None:
    done = fleet.ok("alerts")
    assert "nothing is wrong" in done.out
    assert "phoenixctl metrics collect" in done.err
    nobody = fleet.run("alerts", "test")
    assert nobody.code == 2
    assert "no receiver is configured" in nobody.err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("silence", "pool", "--for", "1h"), "write it like pool=web"),
        (("silence", "pool=web"), "how long it lasts"),
        (("silence", "--for", "2h"), "what is to be silent"),
        (("silence", "pool=web", "--for", "soon"), "is not a duration"),
        (("silence", "a=b", "--for", "1h", "--from", "2020-01-01T00:00Z"), "over already"),
        (("silence", "--expire", "nope"), "no silence matches"),
        (("ls", "--match", "x"), "write it like pool=web"),
        (("history", "--from", "soon"), "is no moment"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    fleet: DemoFleet, words: tuple[str, ...], what: str
) -> None:
    done = fleet.run("alerts", *words)
    assert (done.code, what in done.err) == (2, True), done
