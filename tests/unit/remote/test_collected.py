"""What collectors print becomes samples."""

from __future__ import annotations

from math import inf

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.measuring import Sample
from phoenixctl.remote.consensus import parse_consul, parse_etcd
from phoenixctl.remote.haproxy_stats import parse_statistics
from phoenixctl.remote.page import parse_page
from phoenixctl.remote.postgresql import parse_rows
from phoenixctl.remote.rabbitmq import parse_queues
from phoenixctl.remote.redis import parse_info, question
from phoenixctl.remote.statsd import parse_statsd

PAGE = b"""# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code="200",path="/a,b"} 1027 1395066363000
http_requests_total{code="500",path="with \\"quotes\\" and \\\\"} 3
# TYPE seconds histogram
seconds_bucket{le="0.5"} 4
seconds_bucket{le="+Inf"} 5
seconds_sum 1.5
seconds_count 5
seconds_created 1700000000
# TYPE depth gauge
depth -7
unknown NaN
endless +Inf
not a sample
process_count 9
cut 12"""


def test_a_page_gives_every_value_with_what_it_is() -> None:
    found = parse_page(PAGE, most=100)
    assert [(s.name, s.value, s.kind) for s in found] == [
        ("http_requests_total", 1027, "counter"),
        ("http_requests_total", 3, "counter"),
        ("seconds_bucket", 4, "counter"),
        ("seconds_bucket", 5, "counter"),
        ("seconds_sum", 1.5, "counter"),
        ("seconds_count", 5, "counter"),
        ("depth", -7, "gauge"),
        ("endless", inf, "gauge"),
        ("process_count", 9, "gauge"),  # it ends as parts of a histogram do, and is none
    ]
    assert found[0].labels == (("code", "200"), ("path", "/a,b"))
    assert dict(found[1].labels)["path"] == 'with "quotes" and \\'


def test_a_page_gives_what_is_wanted_and_no_more_than_that() -> None:
    assert [s.name for s in parse_page(PAGE, ("depth", "seconds_s*"), most=100)] == [
        "seconds_sum",
        "depth",
    ]
    assert len(parse_page(PAGE, most=3)) == 4  # one more says that there are more


def test_openmetrics_names_a_counter_without_its_end() -> None:
    page = b'# TYPE jobs counter\njobs_total 5 # {id="7"} 1\njobs_created 17\n# EOF\n'
    assert parse_page(page, most=9) == (Sample("jobs_total", 5, kind="counter"),)


def test_statsd_lines_are_added_up_sampled_and_tagged() -> None:
    lines = b"""jobs.done:1|c
jobs.done:2|c|@0.1
jobs.done:1|c|#kind:mail,urgent
load:3|g
load:2.5|g

page-time:250|ms|@0.5|#path:/a:b
page-time:320:80|ms
size:17|h
people:ann|s
people:bob|s
people:ann|s
7up:1|c
"""
    found, refused = parse_statsd(lines)
    assert refused == 0
    assert found == (
        Sample("jobs_done", 21, kind="increment"),
        Sample("jobs_done", 1, (("kind", "mail"), ("urgent", "1")), "increment"),
        Sample("_7up", 1, kind="increment"),
        Sample("load", 2.5),
        Sample("people", 2),
        Sample("page_time", 0.25, (("path", "/a:b"),), "timer"),
        Sample("page_time", 0.32, kind="timer"),
        Sample("page_time", 0.08, kind="timer"),
        Sample("size", 17, kind="histogram"),
    )


@pytest.mark.parametrize(
    "line",
    ["", "x", "x:1", "x:1|", "x:1|q", "x:one|c", "x:1|c|@0", "x:1|c|@2", "x:1|c|@.", "x:inf|g",
     "x:|g", ":1|c", "x:1:|ms", "x:1e999|g"],
)  # fmt: skip
def test_what_statsd_would_not_take_is_counted(line: str) -> None:
    assert parse_statsd(f"a:1|g\n{line}".encode()) == ((Sample("a", 1),), int(bool(line)))


# Redis 7.0.15, some lines left out.
INFO = b"""+OK\r
$350\r
# Server\r
redis_version:7.0.15\r
uptime_in_seconds:2\r
\r
# Clients\r
connected_clients:1\r
blocked_clients:0\r
# Memory\r
used_memory:1110784\r
used_memory_human:1.06M\r
mem_fragmentation_ratio:10.42\r
# Stats\r
total_commands_processed:1\r
total_net_input_bytes:89\r
# Replication\r
role:slave\r
master_link_status:down\r
# CPU\r
used_cpu_sys:0.031496\r
# Keyspace\r
db0:keys=12,expires=3,avg_ttl=0\r
\r
+OK\r
"""


def test_redis_says_how_it_does() -> None:
    found = {(s.name, s.labels): (s.value, s.kind) for s in parse_info(INFO)}
    assert found == {
        ("redis_uptime_seconds", ()): (2, "gauge"),
        ("redis_connected_clients", ()): (1, "gauge"),
        ("redis_blocked_clients", ()): (0, "gauge"),
        ("redis_memory_used_bytes", ()): (1110784, "gauge"),
        ("redis_memory_fragmentation", ()): (10.42, "gauge"),
        ("redis_commands_total", ()): (1, "counter"),
        ("redis_received_bytes_total", ()): (89, "counter"),
        ("redis_master_link_up", ()): (0, "gauge"),
        ("redis_cpu_system_seconds_total", ()): (0.031496, "counter"),
        ("redis_keys", (("db", "0"),)): (12, "gauge"),
        ("redis_keys_expiring", (("db", "0"),)): (3, "gauge"),
    }


def test_redis_is_asked_with_a_password_of_any_signs_and_then_hangs_up() -> None:
    assert question(None) == b"*1\r\n$4\r\nINFO\r\n*1\r\n$4\r\nQUIT\r\n"
    assert question("p\r\nFLUSHALL").startswith(b"*2\r\n$4\r\nAUTH\r\n$11\r\np\r\nFLUSHALL\r\n*1")
    with pytest.raises(CommandFailed, match="NOAUTH Authentication required"):
        parse_info(b"-NOAUTH Authentication required.\r\n+OK\r\n")
    with pytest.raises(CommandFailed, match="is not Redis"):
        parse_info(b"HTTP/1.1 400 Bad Request\r\n\r\n")


# rabbitmqctl of RabbitMQ 3.10.8. The server itself is too heavy for the tests: Erlang takes 60 MB
# to install and 10 s to start.
QUEUES = rb"""[
{"name":"mail","messages":3,"messages_ready":3,"messages_unacknowledged":0,"consumers":0,"memory":55472}
,{"name":"a\"b","messages":0,"messages_ready":0,"messages_unacknowledged":0,"consumers":0,"memory":55472}
]
"""


def test_rabbitmq_lists_its_queues() -> None:
    found = parse_queues(QUEUES)
    assert found[0] == Sample("rabbitmq_queues", 2)
    assert Sample("rabbitmq_queue_messages", 3, (("queue", "mail"),)) in found
    assert Sample("rabbitmq_queue_memory_bytes", 55472, (("queue", 'a"b'),)) in found
    assert parse_queues(b"[\n]\n") == (Sample("rabbitmq_queues", 0),)
    for text in (b"", b"{}", b"[1]", b"Error: unable to connect"):
        with pytest.raises(CommandFailed, match="not a list of queues"):
            parse_queues(text)


def test_postgresql_names_databases_as_they_are_called() -> None:
    rows = b"locks_waiting\tgauge\t\t0\nconnections\tgauge\tstate=idle in transaction\t4\n"
    odd = b"database_bytes\tgauge\tdatabase=a\tb=c\t7340032.5\nWARNING:  something\n\n"
    assert parse_rows(rows + odd) == (
        Sample("postgresql_locks_waiting", 0),
        Sample("postgresql_connections", 4, (("state", "idle in transaction"),)),
        Sample("postgresql_database_bytes", 7340032.5, (("database", "a\tb=c"),)),
    )
    with pytest.raises(CommandFailed, match="no figures"):
        parse_rows(b"")


def test_what_does_not_answer_as_haproxy_is_told_apart() -> None:
    with pytest.raises(CommandFailed, match="is not HAProxy"):
        parse_statistics(b"+PONG\r\n", "/run/x")
    with pytest.raises(CommandFailed, match="Permission denied"):
        parse_statistics(b"[3]: Permission denied\n", "/run/x")


# etcd 3.4.23, which tests/faults/test_collectors.py also asks itself; Consul as documented.
ETCD_METRICS = b"""# TYPE etcd_server_has_leader gauge
etcd_server_has_leader 1
# TYPE etcd_server_leader_changes_seen_total counter
etcd_server_leader_changes_seen_total 4
# TYPE go_goroutines gauge
go_goroutines 120
"""


def test_etcd_says_whether_it_has_a_leader_and_what_tells_why_not() -> None:
    found = parse_etcd(b'{"health":"true","reason":""}', ETCD_METRICS)
    assert found == (
        Sample("consensus_healthy", 1),
        Sample("consensus_has_leader", 1),
        Sample("etcd_server_has_leader", 1),
        Sample("etcd_server_leader_changes_seen_total", 4, kind="counter"),
    )
    sick = parse_etcd(b'{"health":"false","reason":"RAFT NO LEADER"}', b"")
    assert sick == (Sample("consensus_healthy", 0),)  # a leader is not known, which is not 0
    with pytest.raises(CommandFailed, match="is not etcd"):
        parse_etcd(b"{}", ETCD_METRICS)


def test_consul_says_who_leads_and_who_takes_part() -> None:
    found = parse_consul(b'"10.1.10.12:8300"', b'["10.1.10.12:8300","10.1.10.11:8300"]')
    assert {s.name: s.value for s in found} == {
        "consensus_healthy": 1, "consensus_has_leader": 1, "consensus_peers": 2,
    }  # fmt: skip
    assert parse_consul(b'""', b"[]")[1] == Sample("consensus_has_leader", 0)
    with pytest.raises(CommandFailed, match="is not Consul"):
        parse_consul(b"[]", b"[]")
