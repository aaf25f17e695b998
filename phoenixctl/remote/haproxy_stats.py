"""HAProxy's own figures, by `show info` and `show stat` of its runtime socket."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Final

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.measuring import Sample
from phoenixctl.remote.haproxy import checked, lines

_UP: Final = {"UP": 1.0, "OPEN": 1.0, "DOWN": 0.0, "MAINT": 0.0, "STOP": 0.0}
_COUNTERS: Final = {
    "stot": "sessions_total", "req_tot": "requests_total", "bin": "received_bytes_total",
    "bout": "sent_bytes_total", "ereq": "request_errors_total", "econ": "connect_errors_total",
    "eresp": "response_errors_total", "wretr": "retries_total", "wredis": "redispatches_total",
    "hrsp_1xx": "1xx", "hrsp_2xx": "2xx", "hrsp_3xx": "3xx", "hrsp_4xx": "4xx", "hrsp_5xx": "5xx",
}  # fmt: skip
_GAUGES: Final = {
    "scur": "sessions", "slim": "sessions_limit", "qcur": "queue", "rate": "sessions_per_second",
    "weight": "weight", "act": "servers_active", "bck": "servers_backup",
}  # fmt: skip
_TIMES: Final = {
    "qtime": "queue_mean_seconds", "ctime": "connect_mean_seconds",
    "rtime": "response_mean_seconds", "ttime": "session_mean_seconds",
}  # fmt: skip
_INFO: Final = {
    "Uptime_sec": "uptime_seconds",
    "CurrConns": "connections",
    "Maxconn": "connections_limit",
    "Idle_pct": "idle_percent",
}
QUESTION: Final = b"".join(lines(("show info", "show stat")))


def parse_statistics(answer: bytes, where: str) -> tuple[Sample, ...]:
    """Figures of the process, and of each frontend, backend and server. CommandFailed for what is
    no answer of HAProxy.
    """
    text = checked(answer, where)
    found = (*_of_process(text), *_of_proxies(text))
    if not found:
        raise CommandFailed(
            f"{where}: what answers there is not HAProxy's runtime socket",
            hint="give the path of a `stats socket` of its configuration",
        )
    return found


def _of_process(text: str) -> Iterator[Sample]:
    for line in text.splitlines():
        key, _, value = line.partition(": ")
        if key in _INFO and value.strip().isdigit():
            yield Sample(f"haproxy_{_INFO[key]}", float(value))


def _of_proxies(text: str) -> Iterator[Sample]:
    found = text.splitlines()
    start = next((i for i, line in enumerate(found) if line.startswith("# pxname,")), len(found))
    table = [line for line in found[start:] if line]
    if table:
        table[0] = table[0][2:]
    for row in csv.DictReader(table):
        yield from _of_row(row)


def _of_row(row: Mapping[str, str | None]) -> Iterator[Sample]:
    proxy, name = row.get("pxname") or "", row.get("svname") or ""
    kind = name.lower() if name in ("FRONTEND", "BACKEND") else "server"
    labels = (("proxy", proxy), *((("server", name),) if kind == "server" else ()))
    head = f"haproxy_{kind}_"
    status = (row.get("status") or "").split(" ")[0]
    if status in _UP:
        yield Sample(f"{head}up", _UP[status], labels)
    for columns, counts in ((_COUNTERS, "counter"), (_GAUGES, "gauge")):
        for column, meaning in columns.items():
            value = row.get(column) or ""
            if not value.isascii() or not value.isdigit():
                continue
            if column.startswith("hrsp_"):
                code = (*labels, ("code", meaning))
                yield Sample(f"{head}responses_total", float(value), code, counts)
            else:
                yield Sample(f"{head}{meaning}", float(value), labels, counts)
    for column, meaning in _TIMES.items():
        value = row.get(column) or ""
        if value.isascii() and value.isdigit():
            yield Sample(f"{head}{meaning}", int(value) / 1000, labels)
