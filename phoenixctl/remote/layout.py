"""Where things of phoenixctl are on a node, found out by the node itself.

    <base>/                 0700; /var/lib/phoenixctl/<fleet>, without systemd ~/.phoenixctl/<fleet>
      cordon                one line of JSON while the node takes no new agents
      joined                the digest of the bootstrap that the node was given
      spot-watch            on spot nodes, the script that tells when they are taken away
      locks/<agent>         one change to one agent at a time
      checkpoints/<agent>/  checkpoints of agents of other nodes; .taking and .outgoing of its own
      agents/<agent>/
        meta                what it was started with: `key=value` lines, no secrets
        env                 its environment with secrets, 0600
        stopped             there while it is wanted stopped
        guard               asked before each start; it heeds
        fence permit        whether this copy may run at all
        watch               ends it when its permit has run out
        state/ checkpoint/  the agent's own; `state/.phoenixctl-copy` while it is copied there
        taken restoring     of which files its checkpoints are; the one that a start begins from
        run log supervise launch    only without systemd

Every script starts with `LAYOUT`, so all of them agree on the supervisor and the base folder.
"""

from __future__ import annotations

from typing import Final

from phoenixctl.model.command import Command
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import AgentId

LAYOUT: Final = r"""
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}:/usr/sbin:/sbin
fleet=$1 supervisor=$2 base=$3
shift 3
if [ "$supervisor" = auto ]; then
    supervisor=process
    if [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ]; then supervisor=systemd; fi
fi
case $base in
    "~/"*) base=${HOME:?is not set}/${base#"~/"} ;;
    "") if [ "$supervisor" = systemd ]
        then base=/var/lib/phoenixctl/$fleet
        else base=${HOME:?is not set}/.phoenixctl/$fleet
        fi ;;
esac
"""

# `name_agent`: where the things of the agent $id are.
NAMES: Final = r"""
name_agent() {
    dir=$base/agents/$id
    unit=phoenix-$fleet-$id.service
    unit_file=/etc/systemd/system/$unit
    lease_unit=${unit%.service}-lease.service
    lease_file=/etc/systemd/system/$lease_unit
}
say() { printf '%s\n' "$*"; }
newline='
'
"""

# Scripts about one agent.
AGENT: Final = (
    NAMES
    + r"""
id=$1
shift
name_agent
fail() { say "error $id: $*"; exit 1; }
# The path goes into a unit file and an environment file, between double quotes.
case $base in
    /*[\"\'\\\$\`%"$newline"]*) fail "the base folder has quotes, %, \$ or a line break: $base" ;;
    /*) ;;
    *) fail "the base folder is not an absolute path: $base" ;;
esac
"""
)

# `take FILE`: its first line in $value, empty when there is none. No process is started.
TAKE: Final = r"""
take() { value=; IFS= read -r value < "$1"; } 2>/dev/null
"""


def unit_name(agent_id: AgentId, fleet: str) -> str:
    """The systemd unit of an agent."""
    return f"phoenix-{fleet}-{agent_id}.service"


def lease_unit_name(agent_id: AgentId, fleet: str) -> str:
    """The systemd unit that watches over its lease; no agent's id ends like that."""
    return f"phoenix-{fleet}-{agent_id}-lease.service"


def node_command(
    script: str, node: Node, fleet: str, *arguments: str, stdin: bytes | None = None
) -> Command:
    """A script for `sh` on a node: `LAYOUT` takes three arguments, the script has the rest."""
    base = node.base_dir or ""
    return Command(
        "sh", "-c", script, "phoenixctl", fleet, str(node.supervisor), base, *arguments, stdin=stdin
    )


def agent_command(
    script: str,
    agent_id: AgentId,
    node: Node,
    fleet: str,
    *arguments: str,
    stdin: bytes | None = None,
) -> Command:
    """A script about one agent; `script` is put behind `LAYOUT` and `AGENT`."""
    return node_command(LAYOUT + AGENT + script, node, fleet, agent_id, *arguments, stdin=stdin)
