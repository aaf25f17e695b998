"""A real Prometheus on loopback with a storage folder of its own: it is sent samples, and scrapes.

Skipped with the reason where prometheus is missing, except under CI.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phoenixctl.model.fleet import SecretRef
from phoenixctl.model.measuring import PrometheusStore
from phoenixctl.store.prometheus.metrics import PrometheusMetrics
from tests.needs import program
from tests.sshd import free_port

USER, PASSWORD = "phoenix", "open sesame"
_HASH = "$2b$04$dgIwDWSWCpQeyK6NXS/zfe.UMZD3BFCsozWKTxwo2Fw9BzhaDmro."  # of the password
_LOGIN = f"basic_auth_users: {{{USER}: {_HASH}}}\n"
_CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
storage: {{tsdb: {{out_of_order_time_window: {late}}}}}
scrape_configs:
  - job_name: phoenix
    honor_labels: true
    static_configs: [{{targets: [{targets}]}}]
"""


class RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> str:
        return "2026-01-01T00:00:00.000Z"

    def epoch(self) -> float:
        return time.time()


@dataclass(frozen=True)
class RunningPrometheus:
    url: str
    login: bool

    @property
    def settings(self) -> PrometheusStore:
        return PrometheusStore(
            f"{self.url}/api/v1/write",
            self.url,
            user=USER if self.login else None,
            password=SecretRef("env", "P") if self.login else None,
        )

    def store(self, fleet: str) -> PrometheusMetrics:
        return PrometheusMetrics(self.settings, fleet, lambda _: PASSWORD, RealClock())

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector, as JSON has it."""
        words = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{words}", timeout=10) as reply:
            found: list[dict[str, Any]] = json.load(reply)["data"]["result"]
            return found

    def values(self, expression: str, *by: str) -> Mapping[tuple[str, ...], float]:
        return {
            tuple(one["metric"].get(label, "") for label in by): float(one["value"][1])
            for one in self.query(expression)
        }


@contextmanager
def running_prometheus(
    folder: Path, *, targets: Sequence[str] = (), login: bool = False, late: str = "1h"
) -> Iterator[RunningPrometheus]:
    """Ready when it is given; ended at the end. `late`: how old samples may come."""
    binary = program("prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config, web = folder / "prometheus.yml", folder / "web.yml"
    config.write_text(_CONFIG.format(late=late, targets=", ".join(f"'{t}'" for t in targets)))
    web.write_text(_LOGIN if login else "")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={config}",
                f"--web.config.file={web}",
                f"--web.listen-address=127.0.0.1:{port}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.enable-remote-write-receiver",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _until_ready(url, process, folder / "log")
        yield RunningPrometheus(url, login)
    finally:
        process.kill()
        process.wait()


def _until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=1):
                return
        except urllib.error.HTTPError as error:
            if error.code == 401:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"prometheus is not ready: {log.read_text()[-2000:]}")
