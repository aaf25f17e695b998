"""A real Alertmanager on loopback takes what is sent to it, and shows it as it is meant."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from phoenixctl.metrics.alert_notices import Notice
from phoenixctl.metrics.alert_words import Message
from phoenixctl.model import alerting
from phoenixctl.model.alerting import Alert, Status
from phoenixctl.model.errors import NotDelivered
from phoenixctl.notifiers.web import Alertmanager
from tests.needs import program
from tests.receivers import Told, web
from tests.sshd import free_port

CONFIG = """\
route: {{receiver: hook, group_by: [fleet], group_wait: 0s, group_interval: 1s}}
receivers: [{{name: hook, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""


@dataclass(frozen=True)
class Running:
    url: str
    told: Told  # what it passes on

    def alerts(self) -> dict[tuple[str, str], Any]:
        """Those that are active there, by node and severity."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            found = json.load(answer)
        return {(a["labels"]["node"], a["labels"]["severity"]): a for a in found}


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    binary = program("prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("alertmanager")
    port = free_port()
    with web() as told, (folder / "log").open("wb") as log:
        (folder / "config.yml").write_text(CONFIG.format(url=told.url))
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={folder}/config.yml",
                f"--storage.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            running = Running(f"http://127.0.0.1:{port}", told)
            _answers(running, process, folder / "log")
            yield running
        finally:
            process.kill()
            process.wait()


def _answers(running: Running, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            running.alerts()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def alert(node: str, severity: str = "critical") -> Alert:
    labels = {"rule": "cpu", "severity": severity, "node": node, "fleet": "shop", "group.x": "1"}
    now = time.time()
    return Alert("cpu", node, Status(severity), now - 60, f"{node} is hot", 0.97, now, labels)


def message(*firing: Alert, **more: tuple[Alert, ...]) -> Message:
    return Message("shop", time.time(), Notice("am", "{}", firing, **more))


def notifier(manager: Running) -> Alertmanager:
    return Alertmanager(alerting.Alertmanager(manager.url), lambda _ref: "", 20.0)


async def test_alerts_begin_change_and_end_there_as_here(manager: Running) -> None:
    send = notifier(manager).send
    first = alert("web-1", "warning")
    await send(message(first, alert("web-2")))
    found = manager.alerts()
    assert found.keys() == {("web-1", "warning"), ("web-2", "critical")}
    shown = found["web-1", "warning"]
    assert shown["labels"]["alertname"] == "cpu"
    assert shown["labels"]["group_x"] == "1"
    assert shown["annotations"] == {"summary": "web-1 is hot", "value": "0.97"}
    assert shown["status"]["state"] in ("active", "unprocessed")

    await send(message(alert("web-1"), alert("web-2"), replaced=(first,)))
    assert manager.alerts().keys() == {("web-1", "critical"), ("web-2", "critical")}

    await send(message(resolved=(alert("web-1"), alert("web-2"))))
    assert manager.alerts() == {}


async def test_it_passes_on_what_it_was_told(manager: Running) -> None:
    await notifier(manager).send(message(alert("db-1")))
    deadline = time.monotonic() + 30
    while not any("db-1" in json.dumps(body) for body in manager.told.bodies):
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_what_it_does_not_take_is_an_error(manager: Running) -> None:
    nameless = replace(alert("web-1"), rule="", labels={})
    with pytest.raises(NotDelivered, match="answered 400") as failed:
        await notifier(manager).send(message(nameless))
    assert not failed.value.passing
