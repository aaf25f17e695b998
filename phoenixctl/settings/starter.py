"""The first configuration, which `phoenixctl init` writes."""

from __future__ import annotations

from collections.abc import Sequence

from phoenixctl.model.names import check_name
from phoenixctl.settings.fold import unfold


def starter_text(fleet_name: str, nodes: Sequence[str] = ()) -> str:
    """A short commented file that loads as it is; `nodes`: names, addresses or `web[01-20]`.

    With no nodes it shows how to name them. ValueError when a name is none.
    """
    check_name(fleet_name)
    for node in nodes:
        unfold(node)
    listed = "".join(f"  - name: {_quoted(node)}\n" for node in nodes)
    where = _NODES.format(nodes=listed) if nodes else _NO_NODES
    return _HEAD.format(name=_quoted(fleet_name)) + where + _SSH + _TAIL


def _quoted(text: str) -> str:
    """In quotes: a name of digits, or brackets, would be read as something else."""
    return f'"{text}"'


_HEAD = """\
# The fleet of phoenixctl. Check it with: phoenixctl config check
# Every key with its default and its unit: config/phoenixctl.yaml in the sources.
fleet:
  name: {name}

"""
_NODES = """\
# Machines reached over SSH; web[01-20] stands for twenty.
nodes:
{nodes}
"""
_NO_NODES = """\
# Machines reached over SSH; web[01-20] stands for twenty. Remove the marks and adapt:
# nodes:
#   - name: web[01-20]
#     address: "{name}.example.org"

"""
_SSH = """\
# How they are reached; ~/.ssh/config and ~/.ssh/known_hosts are used as ssh does.
ssh:
  # user: deploy
  # sudo: true           # use `sudo -n` for what needs root
  connect_timeout: 5s

"""
_TAIL = """\
# Long-running processes. Remove the marks and adapt:
# agents:
#   ingest:
#     command: [/opt/ingest/bin/ingest, --port, "8080"]
#     replicas: 2
#     port: 8080             # instance n gets port 8080 + n
#     resources: {cpu: 500m, memory: 256MiB}
#     placement: {anti_affinity: ingest}   # no two of it on one node
#     ready: {http: {path: /ready}, within: 30s}
"""
