"""Keeping an agent running on a node without systemd: small scripts in the agent's folder.

`supervise` runs in a session of its own, starts `launch` again and again, and writes what it does
to `run`, one line: state (running, waiting, held, ended), its own pid and start time, the agent's
pid and start time (0 0 when there is none), boot_id, restarts, last exit status. Held is one that
the guard does not let start. As with systemd's
Restart=on-failure, a clean exit and one by HUP, INT, PIPE or TERM is an end and no failure.
"""

from __future__ import annotations

from typing import Final

from phoenixctl.model.fleet import Agent
from phoenixctl.remote.layout import TAKE
from phoenixctl.remote.quoting import to_shell
from phoenixctl.remote.units import checked_program

# `start_of PID`: its start time in ticks since boot in $start; fails when it is gone or a zombie.
# A process names itself, also with brackets and line breaks: what counts is behind the last `) `.
IDENTITY: Final = (
    TAKE
    + r"""
start_of() {
    start= stat=
    case $1 in ''|*[!0-9]*) return 1 ;; esac
    while IFS= read -r line; do stat=$stat$line; done < "/proc/$1/stat" || return 1
    set -- ${stat##*) }
    case $1 in ''|Z|X) return 1 ;; esac
    start=${20}
} 2>/dev/null
take /proc/sys/kernel/random/boot_id; booted=$value
"""
)

_WRITE_RUN: Final = r"""
note() {
    printf '%s\n' "$*" > "$dir/run.new" && mv -f "$dir/run.new" "$dir/run"
}
"""

SUPERVISE: Final = (
    """\
# Written by phoenixctl: sh supervise FOLDER yes|no
dir=$1 restart=$2
umask 077
"""
    + IDENTITY
    + _WRITE_RUN
    + r"""
keeper=$$
start_of "$keeper"; keeper_start=$start

# The agent appends, so an emptied log goes on from its beginning.
keep_log_small() {
    while sleep 15 && start_of "$keeper" && [ "$start" = "$keeper_start" ]; do
        if [ -n "$(find "$dir/log" -size +32768)" ]; then
            cp "$dir/log" "$dir/log.1" && : > "$dir/log"
        fi
    done
}
keep_log_small &
if [ -e "$dir/watch" ]; then sh "$dir/watch" "$dir" "$keeper" & fi

# Whether the guard lets it start; without a permit it waits for one. Its folder may be gone.
may_start() {
    while [ -e "$dir/guard" ] && [ ! -e "$dir/stopped" ]; do
        sh "$dir/guard" "$dir" 2> /dev/null
        case $? in 0) return 0 ;; 2) may=wait ;; *) may=no ;; esac
        note held "$keeper" "$keeper_start" 0 0 "$booted" "$restarts" "$status"
        if [ "$may" = no ]; then return 1; fi
        sleep 1
    done
    return 1
}

restarts=0 delay=1 status=-
while may_start; do
    take /proc/uptime; since=${value%%.*}
    setsid sh "$dir/launch" "$dir" "$keeper" "$keeper_start" "$restarts" \
        < /dev/null >> "$dir/log" 2>&1
    status=$?
    # What it left running in its process group ends with it.
    read -r state keeper keeper_start main rest < "$dir/run" && kill -s KILL -- "-$main"
    if ! sh "$dir/guard" "$dir" 2> /dev/null; then continue; fi
    case $restart,$status in
        no,*|*,0|*,129|*,130|*,141|*,143)
            note ended "$keeper" "$keeper_start" 0 0 "$booted" "$restarts" "$status"
            break ;;
    esac
    note waiting "$keeper" "$keeper_start" 0 0 "$booted" "$restarts" "$status"
    take /proc/uptime
    if [ $((${value%%.*} - since)) -ge 30 ]; then delay=1; fi
    sleep "$delay"
    delay=$((delay * 2)) restarts=$((restarts + 1))
    if [ "$delay" -gt 30 ]; then delay=30; fi
done
kill -s KILL 0
"""
)

_LAUNCH: Final = (
    """\
# Written by phoenixctl: becomes the agent. sh launch FOLDER KEEPER KEEPER_START RESTARTS
dir=$1
umask 077
"""
    + IDENTITY
    + _WRITE_RUN
    + r"""
start_of $$ && note running "$2" "$3" $$ "$start" "$booted" "$4" - || exit 125
# Who has put up a fence sees this process, or this process sees the fence.
sh "$dir/guard" "$dir" || exit 125
cd "$dir/state" || exit 125
"""
)


def launch_text(agent: Agent) -> str:
    """The script whose process becomes the agent: its identity is on disk before it runs."""
    files = agent.spec.open_files
    return (
        _LAUNCH
        + (f"ulimit -n {files} || exit 125\n" if files else "")
        + 'set -a; . "$dir/env"; set +a\n'
        + f"exec {to_shell(checked_program(agent.spec))}\n"
    )
