"""Making a checkpoint on an agent's own node: what its hook has written, apart and unchanged.

    <base>/checkpoints/.taking/<agent>    the run that makes one: boot, uptime, token
    <base>/checkpoints/.outgoing/…        what it copies to other nodes
    <base>/agents/<agent>/taken           which files of the agent are which checkpoint's

The agent's folder is read as the agent's own user: a link in it leads no further than the agent
may go itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import AgentId
from phoenixctl.model.units import Bytes
from phoenixctl.remote.change_script import LOCK, RUNNING
from phoenixctl.remote.checkpoints import Content
from phoenixctl.remote.layout import agent_command
from phoenixctl.remote.said import said

_CHECKSUM: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{0,64}", re.ASCII)
_WAIT_SECONDS: Final = 10.0  # a hook that is a signal returns before the file is there


@dataclass(frozen=True, slots=True)
class Begun:
    """A checkpoint is being made. `busy`: by another run, and not by this one."""

    busy: bool
    epoch: int
    spec_digest: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What the hook has written, kept apart in `path` for as long as it is copied."""

    path: str
    checksum: str
    content: Content


# Sets what it was started with; `list_files`: each file of its checkpoint folder, with what changes
# when it is written anew.
_OWN: Final = r"""
umask 077
shelf=$base/checkpoints
mark=$shelf/.taking/$id
epoch= digest= user=
while IFS='=' read -r key value; do
    case $key in epoch) epoch=$value ;; digest) digest=$value ;; user) user=$value ;; esac
done 2>/dev/null < "$dir/meta"
as_user() { if [ -n "$user" ]; then runuser -u "$user" -- "$@"; else "$@"; fi; }
list_files() {
    as_user find . -type f ! -path '*/.*' ! -path './restored-*' \
        -exec stat -c '%n|%i %s %z' {} + < /dev/null | sort
}
is_mine() { take "$mark"; [ "${value##* }" = "$token" ]; }
"""

# Arguments: token, centiseconds after which a run that was killed is taken over from.
_BEGIN: Final = (
    RUNNING
    + LOCK
    + _OWN
    + r"""
say 'phoenixctl begin'
token=$1 limit=$2
[ -n "$epoch" ] && cd "$dir/checkpoint" || fail "it is not on this node"
mkdir -p "$shelf/.taking" "$shelf/.outgoing" 2>/dev/null || fail "cannot create $shelf"
find "$shelf/.outgoing" -name "$id.*" -mmin +60 -exec rm -f {} + 2>/dev/null
lock
clock
take "$mark"
read -r boot since other <<END
$value
END
case $since in ''|*[!0-9]*) since=0 ;; esac
if [ "$boot" = "$booted" ] && [ $((now - since)) -lt "$limit" ]; then
    say 'busy yes'; say "epoch $epoch"; say "digest $digest"
    exit 0
fi
say "$booted $now $token" > "$mark" || fail "cannot write $mark"
{ say -; list_files; } > "$mark.before" || fail "cannot write $mark.before"
say 'busy no'; say "epoch $epoch"; say "digest $digest"
"""
)

# Arguments: token, epoch, label, how many of its own it keeps, centiseconds to wait.
_TAKE: Final = (
    RUNNING
    + _OWN
    + r"""
say 'phoenixctl take'
token=$1 before=$2 label=$3 keep=$4 limit=$5
cd "$dir/checkpoint" || fail "it is not on this node any more"
is_mine || fail "another run makes one since"
trap 'rm -f "$mark" "$mark".*' EXIT
clock; began=$now
list_files > "$mark.now"
while :; do
    nap; nap
    mv -f "$mark.now" "$mark.last"
    list_files > "$mark.now"
    grep -v -x -F -f "$mark.before" "$mark.now" > "$mark.new"
    if [ -s "$mark.new" ] && cmp -s "$mark.last" "$mark.now"; then break; fi
    clock
    if [ $((now - began)) -ge "$limit" ]; then
        [ -s "$mark.new" ] || fail "its hook has written no checkpoint to $dir/checkpoint"
        fail "its checkpoint does not come to rest"
    fi
done
if grep -q -v '^\./.*|[0-9]* [0-9]* ' "$mark.new"; then fail "a file's name has a line break"; fi
grep -q -v '|[0-9]* 0 [^|]*$' "$mark.new" || fail "its checkpoint is empty"
sed 's/|[^|]*$//' "$mark.new" > "$mark.files"
out=$shelf/.outgoing/$id.$token
count=0 kind=tar file=checkpoint
while IFS= read -r path; do count=$((count + 1)); done < "$mark.files"
if [ "$count" = 1 ]; then
    kind=file
    IFS= read -r path < "$mark.files"
    file=${path##*/}
    as_user cat -- "$path" < /dev/null > "$out" || fail "cannot read $path"
else
    set -f
    IFS=$newline
    set -- $(cat "$mark.files")
    unset IFS
    as_user tar -cf - -- "$@" < /dev/null > "$out" || fail "cannot read its checkpoint"
fi
case $file in *[!A-Za-z0-9._-]*|[.-]*) file=checkpoint ;; esac
if [ "${#file}" -gt 100 ]; then file=checkpoint; fi
list_files | cmp -s - "$mark.now" || {
    rm -f "$out"
    fail "its checkpoint was changed while it was read"
}
now_epoch=
while IFS='=' read -r key value; do
    case $key in epoch) now_epoch=$value ;; esac
done 2>/dev/null < "$dir/meta"
if [ "$now_epoch" != "$before" ]; then rm -f "$out"; fail "it was started anew meanwhile"; fi
sum=$(sha256sum < "$out") && size=$(wc -c < "$out") || fail "cannot read $out"

# Of its own it keeps the last ones; what no checkpoint of ours was made of is not touched.
{
    cat "$dir/taken" 2>/dev/null
    while IFS= read -r path; do say "$label $path"; done < "$mark.files"
} > "$dir/taken.new" || fail "cannot write $dir/taken"
labels=" $(cut -d ' ' -f 1 "$dir/taken.new" | uniq | tail -n "$keep" | tr '\n' ' ')"
: > "$mark.old"
while IFS=' ' read -r name path; do
    case $labels in
        *" $name "*) say "$name $path" ;;
        *) say "$path" >> "$mark.old" ;;
    esac
done < "$dir/taken.new" > "$mark.taken"
cut -d ' ' -f 2- "$mark.taken" > "$mark.kept"
while IFS= read -r path; do
    grep -q -x -F -e "$path" "$mark.kept" || as_user rm -f -- "$path" < /dev/null
done < "$mark.old"
mv -f "$mark.taken" "$dir/taken" && rm -f "$dir/taken.new"
say "path $out"; say "checksum ${sum%% *}"; say "size $((size))"
say "kind $kind"; say "file $file"; say "digest $digest"
"""
)

# Argument: token.
_DONE: Final = (
    RUNNING
    + _OWN
    + r"""
say 'phoenixctl done'
token=$1
if is_mine; then rm -f "$mark" "$mark".*; fi
rm -f "$shelf/.outgoing/$id.$token"
say 'done yes'
"""
)


def begin_command(
    agent: AgentId, node: Node, fleet: str, *, token: str, limit_seconds: float
) -> Command:
    """Notes what is in the agent's checkpoint folder before its hook is called.

    One run at a time makes a checkpoint of an agent; one that was killed is taken over from after
    the limit.
    """
    limit = str(max(1, round(limit_seconds * 100)))
    return agent_command(_BEGIN, agent, node, fleet, token, limit)


def parse_begin(completed: Completed) -> Begun:
    words = said(completed, "begin")
    try:
        return Begun(words["busy"] == "yes", int(words["epoch"]), words["digest"])
    except (KeyError, ValueError):
        raise CommandFailed("what the agent was started with cannot be read") from None


def take_command(
    agent: AgentId,
    node: Node,
    fleet: str,
    *,
    token: str,
    epoch: int,
    at: int,
    keep: int,
    wait_seconds: float = _WAIT_SECONDS,
) -> Command:
    """Finds what the hook has written, waits until it is at rest, and keeps it apart.

    CommandFailed when it wrote nothing, something empty, or was started anew meanwhile.
    """
    label, wait = f"{epoch}-{at:013d}", str(round(wait_seconds * 100))
    return agent_command(_TAKE, agent, node, fleet, token, str(epoch), label, str(keep), wait)


def parse_take(completed: Completed) -> Taken:
    words = said(completed, "take")
    try:
        content = Content(
            Bytes(int(words["size"])), words["digest"], words["file"], words["kind"] == "tar"
        )
        taken = Taken(words["path"], words["checksum"], content)
    except (KeyError, ValueError):
        raise CommandFailed("the checkpoint cannot be read") from None
    if not (_CHECKSUM.fullmatch(taken.checksum) and _DIGEST.fullmatch(content.spec_digest)):
        raise CommandFailed("the checkpoint has no checksum that can be read")
    return taken


def done_command(agent: AgentId, node: Node, fleet: str, *, token: str) -> Command:
    """Removes what was kept apart, and lets the next run make one."""
    return agent_command(_DONE, agent, node, fleet, token)
