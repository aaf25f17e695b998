"""The demo's configuration: embedded nodes, and the reference agent on them."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Final

FLEET_NAME: Final = "phoenix-demo"
SPEC_NAME: Final = "counter"
ENDPOINTS_FOLDER: Final = "endpoints"  # beside the configuration

_TEXT: Final = """\
# The demo fleet: {nodes} embedded SSH nodes on this machine, {agents} reference agents on them.
# Change it and see: phoenixctl config check, phoenixctl agents restart.
fleet:
  name: {fleet}

pools:
  demo:
    provider: local
    size: {nodes}

agents:
  {spec}:
    command: ["{python}", -m, phoenixctl.demo.agent]
    replicas: {agents}
    port: {port}        # instance n listens on {port} + n
    resources: {{cpu: 50m, memory: 64MiB}}
    ready: {{http: {{path: /ready}}, within: 20s}}
    metrics: {{}}
    drain:
      http: {{path: /drain}}
      until: {{http: {{path: /drained}}}}
      deadline: 10s
    checkpoint: {{http: {{path: /checkpoint}}}}
    activate: {{http: {{path: /activate}}}}
    reload: {{http: {{path: /reload}}}}
    migrate: {{strategy: live, standby: {{http: {{path: /prepared}}}}}}

routers:
  clients:            # there is no proxy: `phoenixctl demo load` reads the file that Envoy would
    kind: envoy
    folder: {endpoints}
    backends: {{{spec}: {spec}}}

placement:
  strategy: spread    # its nodes are one machine: only how many agents are there tells them apart

targets:
  agent_response_time_p95: 50ms
  message_throughput_per_second: 100    # of the whole fleet
  resource_utilization: 100%            # its nodes are one machine: each shows all of its CPU
"""


def demo_config(*, nodes: int, agents: int, port: int, python: str) -> str:
    """The text of the demo's phoenixctl.yaml."""
    return _TEXT.format(
        fleet=FLEET_NAME, nodes=nodes, agents=agents, port=port, spec=SPEC_NAME,
        endpoints=ENDPOINTS_FOLDER,
        python=python.replace("\\", "\\\\").replace('"', '\\"'),
    )  # fmt: skip


def free_ports(count: int, *, first: int = 18_080, last: int = 30_000) -> int:
    """The first of `count` loopback ports in a row that nothing listens on; OSError for none."""
    for start in range(first, last, count):
        with ExitStack() as held:
            try:
                for port in range(start, start + count):
                    probe = held.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return start
    raise OSError(f"no {count} free ports in a row between {first} and {last}")


def write_once(folder: Path, text: str) -> Path:
    """The demo's phoenixctl.yaml; one that is there is kept, for it may have been changed."""
    (folder / ENDPOINTS_FOLDER).mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "phoenixctl.yaml"
    if not path.exists():
        path.write_text(text, encoding="utf-8")
    return path
