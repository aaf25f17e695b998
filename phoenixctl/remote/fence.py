"""Which copy of an agent is the active one: fence the old copy, promote the new one.

Each command holds the agent's lock on the node, and what it changes is on the disk before it
answers. It may be repeated; repeated after it was cut off, it does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import AgentId
from phoenixctl.remote.change_script import FILES, LOCK, RUNNING
from phoenixctl.remote.layout import agent_command
from phoenixctl.remote.lease import GRANT, MARKS
from phoenixctl.remote.said import said


@dataclass(frozen=True, slots=True)
class Standing:
    """A copy of an agent on one node, as it stands there.

    `epoch` and `role` are those it was started with, or promoted to since; None and empty when no
    copy is there or they cannot be read. `fence`: no copy with an epoch below it may start there.
    `pid` is its main process in the boot `boot_id`, None when it has none. `guarded`: its
    supervisor heeds fences and permits. `permitted` is False for a singleton whose permit is of
    another boot or epoch, or has run out. `changed` is False when all was so before.
    """

    epoch: int | None
    role: str
    fence: int | None
    stopped: bool
    pid: int | None
    boot_id: str
    guarded: bool
    permitted: bool
    changed: bool = False

    @property
    def fenced(self) -> bool:
        """Whether the copy that is there may not start again."""
        return self.fence is not None and (self.epoch is None or self.epoch < self.fence)


# `look_main`: the agent's main process in $main, 0 when there is none; $up tells whether its
# supervisor has it, or is about to start it again.
_MAIN: Final = r"""
ask_systemd() {
    active= sub= main=0
    while IFS='=' read -r key value; do
        case $key in
            ActiveState) active=$value ;; SubState) sub=$value ;; MainPID) main=$value ;;
        esac
    done <<END
$(systemctl show --property=ActiveState,SubState,MainPID "$unit")
END
    [ -n "$active" ] || fail "systemd does not answer"
}
look_main() {
    up=no
    if [ "$supervisor" = systemd ]; then
        ask_systemd
        tries=0
        # A start that has passed the guard already is under way: what comes of it shows at once.
        while case $sub in condition|start-pre|start) true ;; *) false ;; esac; do
            tries=$((tries + 1))
            if [ "$tries" -gt 100 ]; then fail "its start does not come to an end"; fi
            nap
            ask_systemd
        done
        case $active in active|activating|reloading) up=yes ;; esac
    else
        read_run
        if is_main_there; then up=yes; else main=0; fi
        if [ "$state" = waiting ] && lives "$keeper" "$keeper_start" "$run_boot"; then up=yes; fi
    fi
}
# Whether what starts the copy again asks the guard before.
is_guarded() {
    [ -e "$dir/guard" ] || return 1
    if [ "$supervisor" = systemd ]; then
        case $(systemctl show --property=ExecCondition "$unit") in
            *"$dir/guard"*) ;;
            *) return 1 ;;
        esac
    fi
}
tell() {
    read_marks
    look_main
    say "changed $1"
    say "epoch $epoch"; say "role $role"; say "fence $fence"
    if [ -e "$dir/fence" ]; then say "marked yes"; else say "marked no"; fi
    if [ -e "$dir/stopped" ]; then say "stopped yes"; else say "stopped no"; fi
    say "pid ${main:-0}"; say "boot_id $booted"
    if is_guarded; then say "guarded yes"; else say "guarded no"; fi
    if is_permitted; then say "permitted yes"; else say "permitted no"; fi
    exit 0
}
there() {
    if [ -d "$dir" ]; then return; fi
    say "changed no"
    for word in epoch role fence; do say "$word "; done
    say "marked no"; say "stopped no"; say "pid 0"; say "boot_id $booted"
    say "guarded no"; say "permitted no"
    exit 0
}
"""

_SHARED: Final = RUNNING + LOCK + FILES + MARKS + GRANT + _MAIN

_STANDING: Final = r"""
say 'phoenixctl standing'
there
tell no
"""

# It runs on, or starts just now: who fences compares the pid with that of the copy that was
# quieted.
_FENCE: Final = r"""
say 'phoenixctl fence'
wanted=$1
umask 077
there
lock
read_marks
if [ ! -e "$dir/stopped" ] && ! is_guarded; then
    fail "an earlier phoenixctl started it, without a guard: it has to be restarted before"
fi
if [ -e "$dir/fence" ] && [ "$fence" -ge "$wanted" ] 2>/dev/null; then
    flush; tell no
fi
stage "$dir/fence" "$wanted$newline"
commit "$dir/fence"
tell yes
"""

_UNFENCE: Final = r"""
say 'phoenixctl unfence'
wanted=$1
there
lock
read_marks
if [ ! -e "$dir/fence" ]; then tell no; fi
if [ "$fence" != "$wanted" ]; then
    fail "it is fenced at epoch ${fence:-unknown}, not at $wanted"
fi
rm -f "$dir/fence" || fail "cannot remove $dir/fence"
flush
tell yes
"""

# `meta` first: it counts. Cut off behind it, the copy is promoted, and its environment follows
# when this is repeated.
_PROMOTE: Final = r"""
say 'phoenixctl promote'
wanted=$1
umask 077
if [ ! -d "$dir" ]; then fail "no copy of it is on this node"; fi
lock
read_marks
if [ "$epoch" != "$wanted" ]; then fail "it has epoch ${epoch:-unknown}, not $wanted"; fi
if is_fenced; then fail "it is fenced at epoch ${fence:-unknown}"; fi
if [ -e "$dir/stopped" ]; then fail "it is stopped"; fi
promoted() { LC_ALL=C sed "s/^$1\$/$2/" "$dir/$3" > "$dir/$3.new" || fail "cannot write $3"; }
as_active() { promoted 'PHOENIX_ROLE="standby"' 'PHOENIX_ROLE="active"' env; commit "$dir/env"; }
case $role in
    active)
        if ! is_permitted; then fail "it has no permission to run"; fi
        if grep -q -x 'PHOENIX_ROLE="standby"' "$dir/env"; then as_active; else flush; fi
        tell no ;;
    standby) ;;
    *) fail "its role is ${role:-unknown}" ;;
esac
look_main
if [ "$up" = no ]; then fail "it does not run"; fi
grant
promoted role=standby role=active meta
commit "$dir/meta"
as_active
tell yes
"""


def standing_command(agent_id: AgentId, node: Node, fleet: str) -> Command:
    """Asks how a copy stands, also when there is none; takes no lock."""
    return agent_command(_SHARED + _STANDING, agent_id, node, fleet)


def fence_command(agent_id: AgentId, node: Node, fleet: str, *, epoch: int) -> Command:
    """Forbids every copy with an epoch below this one to start on the node, or to take over.

    What runs there runs on; its supervisor does not start it again, nor does the next boot. A
    higher fence stays. CommandFailed when its supervisor would not heed it. Nothing is marked
    where the agent never was.
    """
    return agent_command(_SHARED + _FENCE, agent_id, node, fleet, str(epoch))


def unfence_command(agent_id: AgentId, node: Node, fleet: str, *, epoch: int) -> Command:
    """Takes the mark off, if it is of exactly this epoch; CommandFailed for another one.

    What has ended meanwhile is not started by it.
    """
    return agent_command(_SHARED + _UNFENCE, agent_id, node, fleet, str(epoch))


def promote_command(agent_id: AgentId, node: Node, fleet: str, *, epoch: int) -> Command:
    """Makes a standby of this epoch the active copy: also when its supervisor starts it again.

    A singleton gets its permit with it. The process itself is told by its `activate` hook.
    CommandFailed when it has another epoch, is stopped, does not run, or is fenced. Cut off, the
    role tells whether it counts: ask for the standing, and repeat it when that is active.
    """
    return agent_command(_SHARED + _PROMOTE, agent_id, node, fleet, str(epoch))


def parse_standing(completed: Completed) -> Standing:
    return _standing(completed, "standing")


def parse_fence(completed: Completed) -> Standing:
    """As it stands with the fence. `pid` is None once nothing of it can run there any more."""
    return _standing(completed, "fence")


def parse_unfence(completed: Completed) -> Standing:
    return _standing(completed, "unfence")


def parse_promote(completed: Completed) -> Standing:
    return _standing(completed, "promote")


def _standing(completed: Completed, what: str) -> Standing:
    words = said(completed, what)
    try:
        fence = int(words["fence"]) if words["fence"].isdigit() else None
        if words["marked"] == "yes" and fence is None:
            raise CommandFailed("the fence on the node cannot be read, so it keeps it down")
        return Standing(
            epoch=int(words["epoch"]) if words["epoch"] else None,
            role=words["role"],
            fence=fence,
            stopped=words["stopped"] == "yes",
            pid=int(words["pid"]) or None,
            boot_id=words["boot_id"],
            guarded=words["guarded"] == "yes",
            permitted=words["permitted"] == "yes",
            changed=words["changed"] == "yes",
        )
    except (KeyError, ValueError):
        raise CommandFailed(f"the {what} said nothing that can be read") from None
