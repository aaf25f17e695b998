"""Starting an agent from a checkpoint: laid into its checkpoint folder, and noted until it is done.

`restoring` in the agent's folder has the checkpoint, the epoch it is for, and where it lies. While
it is there, the agent has not been seen to serve: the next start of it begins from the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import AgentId
from phoenixctl.remote.change_script import LOCK, RUNNING
from phoenixctl.remote.checkpoints import CheckpointId, Content, read_id
from phoenixctl.remote.layout import agent_command
from phoenixctl.remote.said import said


@dataclass(frozen=True, slots=True)
class Pending:
    """A checkpoint that a start began from, of which nobody knows whether it got there."""

    id: CheckpointId
    path: str


@dataclass(frozen=True, slots=True)
class Here:
    """What the node has of the agent's own state: that of `epoch`, 0 when there is none."""

    epoch: int
    pending: Pending | None


# A standby's folder is being copied to: it is not the agent's state yet.
_HERE: Final = (
    RUNNING
    + r"""
say 'phoenixctl here'
epoch=0 role=
while IFS='=' read -r key value; do
    case $key in epoch) epoch=$value ;; role) role=$value ;; esac
done 2>/dev/null < "$dir/meta"
if [ "$role" = standby ] || [ ! -d "$dir/state" ]; then epoch=0; fi
say "epoch $epoch"
take "$dir/restoring"
read -r checkpoint for from <<END
$value
END
if [ -n "$from" ] && [ -e "$from" ] && [ "$for" -ge "$epoch" ] 2>/dev/null; then
    say "pending $checkpoint"; say "from $from"
fi
"""
)

# Another user has to get through to its own folders, as in the start.
_FOLDERS: Final = r"""
umask 077
mkdir -p "$dir/state" "$dir/checkpoint" || fail "cannot create $dir"
as_user() { if [ -n "$user" ]; then runuser -u "$user" -- "$@"; else "$@"; fi; }
if [ -n "$user" ]; then
    id -u "$user" > /dev/null 2>&1 || fail "no user $user on the node"
    case $base in /var/lib/phoenixctl/*) chmod 711 /var/lib/phoenixctl ;; esac
    chmod 711 "$base" "$base/agents" "$dir" &&
        chown "$user" "$dir/state" "$dir/checkpoint" || fail "cannot give $user its folders"
fi
"""
_NOTE: Final = r"""
say "$1 $2 $3" > "$dir/restoring.new" || fail "cannot write $dir/restoring"
sync "$dir/restoring.new" 2>/dev/null || sync
mv -f "$dir/restoring.new" "$dir/restoring" || fail "cannot write $dir/restoring"
"""

# Arguments: the checkpoint, its checksum, kind, file, the agent's user, the epoch of the start that
# is to begin from it.
_PLACE: Final = (
    RUNNING
    + LOCK
    + r"""
say 'phoenixctl place'
checkpoint=$1 checksum=$2 kind=$3 file=$4 user=$5 for=$6
data=$base/checkpoints/$id/$checkpoint/data
"""
    + _FOLDERS
    + r"""
lock
sum=$(sha256sum 2>/dev/null < "$data")
if [ "${sum%% *}" != "$checksum" ]; then say 'damaged yes'; exit 0; fi
cd "$dir/checkpoint" || fail "cannot use $dir/checkpoint"
as_user rm -rf ./restored-*
target=restored-$checkpoint
as_user mkdir "$target" || fail "cannot create $dir/checkpoint/$target"
if [ "$kind" = tar ]; then
    from=$dir/checkpoint/$target
    as_user tar -xof - -C "$target" < "$data" || fail "cannot unpack it to $from"
else
    from=$dir/checkpoint/$target/$file
    as_user sh -c 'umask 077; cat > "$1"' sh "$target/$file" < "$data" ||
        fail "cannot write $from"
fi
sync
set -- "$checkpoint" "$for" "$from"
"""
    + _NOTE
    + r"""
say 'damaged no'
say "from $from"
"""
)

# Arguments: the checkpoint, the epoch, where it lies.
_AGAIN: Final = (
    RUNNING
    + LOCK
    + r"""
say 'phoenixctl place'
umask 077
lock
"""
    + _NOTE
    + r"""
say 'damaged no'
say "from $3"
"""
)

# Argument: where it lies. Its supervisor may start it again at any time, and then with its state.
_CONFIRM: Final = (
    RUNNING
    + LOCK
    + r"""
say 'phoenixctl confirm'
umask 077
lock
line="PHOENIX_RESTORE_FROM=\"$1\""
if grep -q -x -F -e "$line" "$dir/env"; then
    grep -v -x -F -e "$line" "$dir/env" > "$dir/env.new"
    sync "$dir/env.new" 2>/dev/null || sync
    mv -f "$dir/env.new" "$dir/env" || fail "cannot write $dir/env"
fi
rm -f "$dir/restoring" || fail "cannot remove $dir/restoring"
say 'changed yes'
"""
)


def here_command(agent: AgentId, node: Node, fleet: str) -> Command:
    """Asks for the state of the agent that the node has."""
    return agent_command(_HERE, agent, node, fleet)


def parse_here(completed: Completed) -> Here:
    words = said(completed, "here")
    try:
        epoch = int(words["epoch"] or 0)
    except (KeyError, ValueError):
        raise CommandFailed("what the agent was started with cannot be read") from None
    pending = read_id(words.get("pending", ""))
    return Here(epoch, Pending(pending, words["from"]) if pending else None)


def place_command(
    agent: AgentId,
    node: Node,
    fleet: str,
    checkpoint: CheckpointId,
    content: Content,
    *,
    user: str | None,
    epoch: int,
) -> Command:
    """Lays a checkpoint that the node keeps into the agent's checkpoint folder."""
    arguments = (
        str(checkpoint), checkpoint.checksum, "tar" if content.packed else "file",
        content.file, user or "", str(epoch),
    )  # fmt: skip
    return agent_command(_PLACE, agent, node, fleet, *arguments)


def again_command(agent: AgentId, node: Node, fleet: str, pending: Pending, epoch: int) -> Command:
    """Notes that the next start begins from the same one as the one before."""
    return agent_command(_AGAIN, agent, node, fleet, str(pending.id), str(epoch), pending.path)


def parse_place(completed: Completed) -> str | None:
    """Where the agent finds it; None when its checksum does not match."""
    words = said(completed, "place")
    if words.get("damaged") == "yes":
        return None
    if not words.get("from", "").startswith("/"):
        raise CommandFailed("the node did not say where the checkpoint is")
    return words["from"]


def confirm_command(agent: AgentId, node: Node, fleet: str, path: str) -> Command:
    """The agent serves: from now on it starts with its own state, also by its supervisor."""
    return agent_command(_CONFIRM, agent, node, fleet, path)


def parse_confirm(completed: Completed) -> None:
    said(completed, "confirm")
