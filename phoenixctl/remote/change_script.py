"""What the scripts that change an agent have in common: the lock, and what is running."""

from __future__ import annotations

from typing import Final

from phoenixctl.remote.supervise import IDENTITY

# `flock` is let go of by the kernel; a folder as lock is taken over from a process that is gone.
LOCK: Final = r"""
lock() {
    mkdir -p "$base/locks" || fail "cannot create $base/locks"
    held=$base/locks/$id tries=0
    if command -v flock > /dev/null; then
        exec 9>> "$held"
        until flock -n 9; do wait_for_lock; done
        return
    fi
    held=$held.held
    until mkdir "$held" 2>/dev/null; do
        if take "$held/owner" && ! lives $value; then
            mv "$held" "$held.$$" 2>/dev/null && rm -rf "$held.$$"
        fi
        wait_for_lock
    done
    trap 'rm -rf "$held"' EXIT
    start_of $$; say "$$ $start $booted" > "$held/owner"
}
wait_for_lock() {
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ]; then fail "another change to it holds $held"; fi
    nap
}
"""

# `stage FILE TEXT`, then `commit FILE…`: all are on the disk before the first is replaced.
# `flush`: what was done to the agent's folder is on the disk.
FILES: Final = r"""
stage() {
    printf '%s' "$2" > "$1.new" || { rm -f "$1.new"; fail "cannot write $1"; }
}
commit() {
    for file in "$@"; do sync "$file.new" 2>/dev/null || sync; done
    for file in "$@"; do mv -f "$file.new" "$file" || fail "cannot write $file"; done
    flush
}
flush() { sync "$dir" 2>/dev/null || sync; }
"""

RUNNING: Final = (
    IDENTITY
    + r"""
nap() { sleep 0.1 2>/dev/null || sleep 1; }
# `lives PID START BOOT_ID`: this very process is there.
lives() { start_of "$1" && [ "$start" = "$2" ] && [ "$booted" = "$3" ]; }
read_run() {
    take "$dir/run"
    read -r state keeper keeper_start main main_start run_boot restarts status <<END
$value
END
}
is_main_there() { lives "$main" "$main_start" "$run_boot"; }

# Exactly that process gets the signal, or none.
signal_main() { if is_main_there; then kill -s "$1" "$main"; fi; }
# Its supervisor, which leads a process group, goes first: it would start the agent again.
end_keeper() {
    lives "$keeper" "$keeper_start" "$run_boot" && kill -s KILL -- "-$keeper"
} 2>/dev/null

# `find_left`: pids of everything that was started by this agent in $left, by the mark in its
# environment (also after it left the session) and by its session (also after it changed that).
find_left() {
    left=
    for file in $(grep -l -s -z -x -F -e "PHOENIX_HOME=$dir" /proc/[0-9]*/environ) \
        $(find_session); do
        pid=${file#/proc/}; pid=${pid%/*}
        if [ "$pid" != $$ ] && start_of "$pid"; then left="$left $pid"; fi
    done
}
find_session() {
    if [ -z "$run_boot" ] || [ "$run_boot" != "$booted" ] || [ "$main" = 0 ]; then return; fi
    # Another process may have got the number of a main process that is gone.
    if start_of "$main" && [ "$start" != "$main_start" ]; then return; fi
    grep -l -s -E "\) [A-Y] [0-9]+ [0-9]+ $main " /proc/[0-9]*/stat
}
# `kill_left`: kills until there is nothing left, five seconds at most; counts in $swept.
kill_left() {
    swept=0 tries=0
    if ! printf 'a\0b\0' | grep -q -z -x -F b; then
        fail "grep on the node has no -z: it cannot be proved that nothing is left"
    fi
    find_left
    while [ -n "$left" ] && [ "$tries" -lt 50 ]; do
        for pid in $left; do kill -s KILL "$pid" 2>/dev/null && swept=$((swept + 1)); done
        nap; tries=$((tries + 1))
        find_left
    done
}

# Hundredths of a second since boot, in $now.
clock() { take /proc/uptime; now=${value%% *}; now=${now%.*}${now#*.}; }
"""
)
