"""What stopping an agent runs on a node: stop signal, grace, KILL, and proof that nothing is left.

Prints `keyword value` lines behind `phoenixctl stop`: changed, how (exited, killed), centiseconds,
swept (processes killed besides the main one), left (pids that are still there).
"""

from __future__ import annotations

from typing import Final

from phoenixctl.remote.change_script import FILES, LOCK, RUNNING

_PREPARE: Final = r"""
say 'phoenixctl stop'
signal=$1 grace=$2 grace_text=$3 purge=$4 higher=$5
umask 077
if [ ! -d "$dir" ]; then
    for word in 'changed no' 'how exited' 'centiseconds 0' 'swept 0' left; do say "$word"; done
    exit 0
fi
lock
how=exited changed=no swept=0 left=
if [ ! -e "$dir/stopped" ]; then
    : > "$dir/stopped" || fail "cannot write $dir/stopped"
    flush
    changed=yes
fi
take "$dir/fence"
if [ -n "$higher" ] && ! [ "$value" -ge "$higher" ] 2>/dev/null; then
    stage "$dir/fence" "$higher$newline"
    commit "$dir/fence"
    changed=yes
fi
clock; began=$now
"""

_PROCESS: Final = r"""
stop_process() {
    read_run
    end_keeper && changed=yes
    if is_main_there; then
        changed=yes
        signal_main "$signal"
        while is_main_there; do
            clock
            if [ $((now - began)) -ge "$grace" ]; then how=killed; signal_main KILL; break; fi
            nap
        done
    fi
    kill_left
}
"""

_SYSTEMD: Final = r"""
value_of() { systemctl show --property="$1" --value "$unit"; }
stop_unit() {
    main=0 run_boot= up=no
    case $(value_of ActiveState) in inactive|failed) ;; *) changed=yes up=yes ;; esac
    group=$(value_of ControlGroup)
    override=/run/systemd/system/$unit.d
    if [ "$up" = yes ] && ! { grep -q -x "TimeoutStopSec=$grace_text" "$unit_file" &&
        grep -q -x "KillSignal=SIG$signal" "$unit_file"; }
    then
        (umask 022; mkdir -p "$override" && {
            say '[Service]'; say "TimeoutStopSec=$grace_text"; say "KillSignal=SIG$signal"
        } > "$override/stop.conf") && systemctl daemon-reload || fail "cannot write $override"
    fi
    if [ -e "$unit_file" ]; then
        said=$(systemctl --quiet --no-reload disable "$unit" 2>&1 && systemctl stop "$unit" 2>&1) ||
            fail "systemctl: $said"
    fi
    if [ "$up,$(value_of Result)" = yes,timeout ]; then how=killed; fi
    systemctl reset-failed "$unit" 2>/dev/null
    if [ -d "$override" ]; then rm -rf "$override"; systemctl daemon-reload; fi
    kill_left
    for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        if [ -n "$group" ] && [ "$group" != / ] && [ -r "$root$group/cgroup.procs" ]; then
            while read -r pid; do left="$left $pid"; done < "$root$group/cgroup.procs"
        fi
    done
}
remove_unit() {
    if [ -e "$unit_file" ]; then
        rm -f "$unit_file" "$lease_file" && systemctl daemon-reload
    fi
}
"""

STOP: Final = (
    RUNNING
    + LOCK
    + FILES
    + _PREPARE
    + _PROCESS
    + _SYSTEMD
    + r"""
case $supervisor in
    systemd) stop_unit ;;
    *) stop_process ;;
esac
if [ "$swept" -gt 0 ]; then changed=yes; fi
clock
if [ -z "$left" ] && [ "$purge" = purge ]; then
    if [ "$supervisor" = systemd ]; then remove_unit; fi
    rm -rf "$dir" || fail "cannot remove $dir"
    changed=yes
fi
say "changed $changed"
say "how $how"
say "centiseconds $((now - began))"
say "swept $swept"
say "left$left"
[ -z "$left" ]
"""
)
