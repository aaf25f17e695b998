"""Whether etcd and Consul have a leader and who belongs to them, as one of their servers says.

Tried with etcd 3.4; written after the documentation of Consul 1.15.
"""

from __future__ import annotations

import json
from typing import Any, Final

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.measuring import Sample
from phoenixctl.remote.page import parse_page

ETCD_PORT: Final = 2379
CONSUL_PORT: Final = 8500
ETCD_PAGES: Final = ("/health", "/metrics")
CONSUL_PAGES: Final = ("/v1/status/leader", "/v1/status/peers")

HAS_LEADER: Final = "consensus_has_leader"
HEALTHY: Final = "consensus_healthy"
PEERS: Final = "consensus_peers"

_ETCD: Final = (
    "etcd_server_has_leader",
    "etcd_server_is_leader",
    "etcd_server_is_learner",
    "etcd_server_leader_changes_seen_total",
    "etcd_server_proposals_*",
    "etcd_server_health_failures",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_server_quota_backend_bytes",
    "etcd_network_peer_round_trip_time_seconds_*",
    "etcd_disk_wal_fsync_duration_seconds_*",
)
_MOST: Final = 500


def parse_etcd(health: bytes, metrics: bytes) -> tuple[Sample, ...]:
    """Its health, whether it has a leader, and the figures that tell why not."""
    said = _document(health, "etcd's /health")
    if not isinstance(said, dict) or "health" not in said:
        raise CommandFailed("what answers there is not etcd: its /health says nothing of health")
    figures = parse_page(metrics, _ETCD, most=_MOST)
    leader = next((s.value for s in figures if s.name == "etcd_server_has_leader"), None)
    known = () if leader is None else (Sample(HAS_LEADER, leader),)
    healthy = float(str(said["health"]).lower() == "true")
    return (Sample(HEALTHY, healthy), *known, *figures)


def parse_consul(leader: bytes, peers: bytes) -> tuple[Sample, ...]:
    """Whether it knows a leader, and how many servers take part."""
    who = _document(leader, "Consul's leader")
    members = _document(peers, "Consul's peers")
    if not isinstance(who, str) or not isinstance(members, list):
        raise CommandFailed("what answers there is not Consul")
    led = float(bool(who))
    return (
        Sample(HEALTHY, led),
        Sample(HAS_LEADER, led),
        Sample(PEERS, float(len(members))),
    )


def _document(text: bytes, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise CommandFailed(f"{what} is not JSON") from None
