"""Redis' own figures, by its INFO over the wire. Tried with Redis 7.0."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.measuring import Sample

PORT: Final = 6379
_COUNTERS: Final = {
    "total_connections_received": "redis_connections_received_total",
    "total_commands_processed": "redis_commands_total",
    "rejected_connections": "redis_connections_rejected_total",
    "expired_keys": "redis_keys_expired_total",
    "evicted_keys": "redis_keys_evicted_total",
    "keyspace_hits": "redis_keyspace_hits_total",
    "keyspace_misses": "redis_keyspace_misses_total",
    "total_net_input_bytes": "redis_received_bytes_total",
    "total_net_output_bytes": "redis_sent_bytes_total",
    "used_cpu_sys": "redis_cpu_system_seconds_total",
    "used_cpu_user": "redis_cpu_user_seconds_total",
}
_GAUGES: Final = {
    "uptime_in_seconds": "redis_uptime_seconds",
    "connected_clients": "redis_connected_clients",
    "blocked_clients": "redis_blocked_clients",
    "used_memory": "redis_memory_used_bytes",
    "used_memory_rss": "redis_memory_rss_bytes",
    "maxmemory": "redis_memory_limit_bytes",  # 0: there is none
    "mem_fragmentation_ratio": "redis_memory_fragmentation",
    "instantaneous_ops_per_sec": "redis_commands_per_second",
    "connected_slaves": "redis_connected_replicas",
    "rdb_changes_since_last_save": "redis_changes_since_save",
    "master_link_status": "redis_master_link_up",
    "master_last_io_seconds_ago": "redis_master_silent_seconds",
}
_WORDS: Final = {"up": 1.0, "down": 0.0}
_KEYSPACE: Final = re.compile(r"db(\d+):keys=(\d+),expires=(\d+)")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)


def question(password: str | None) -> bytes:
    """Log in if need be, ask, and let Redis hang up."""
    login = (_command("AUTH", password),) if password else ()
    return b"".join((*login, _command("INFO"), _command("QUIT")))


def parse_info(answer: bytes) -> tuple[Sample, ...]:
    """The figures; CommandFailed in Redis' own words where it says no."""
    text = answer.decode("utf-8", "replace")
    refusal = next((line for line in text.splitlines() if line.startswith("-")), None)
    found = tuple(_samples(text))
    if refusal is not None and not found:
        raise CommandFailed(f"Redis says: {refusal[1:]}", hint="see its password in the collector")
    if not found:
        raise CommandFailed("what answers there is not Redis")
    return found


def _command(*words: str) -> bytes:
    parts = [word.encode() for word in words]
    sizes = (b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n" % len(parts) + b"".join(sizes)


def _samples(text: str) -> Iterator[Sample]:
    for line in text.splitlines():
        keyspace = _KEYSPACE.match(line)
        if keyspace:
            labels = (("db", keyspace[1]),)
            yield Sample("redis_keys", float(keyspace[2]), labels)
            yield Sample("redis_keys_expiring", float(keyspace[3]), labels)
            continue
        key, _, said = line.partition(":")
        value = _WORDS.get(said.strip())
        if value is None and _NUMBER.fullmatch(said.strip()):
            value = float(said)
        if value is None:
            continue
        if key in _COUNTERS:
            yield Sample(_COUNTERS[key], value, kind="counter")
        elif key in _GAUGES:
            yield Sample(_GAUGES[key], value)
