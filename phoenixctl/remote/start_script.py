"""What starting an agent runs on a node. Everything secret comes over stdin, never as an argument.

Prints `keyword value` lines behind `phoenixctl start`; `error` and `log` lines when it fails.
"""

from __future__ import annotations

from typing import Final

from phoenixctl.remote.change_script import FILES, LOCK, RUNNING
from phoenixctl.remote.lease import GRANT, MARKS

_PREPARE: Final = r"""
say 'phoenixctl start'
umask 077
# Assignments: wanted_digest, user, restart, and the files' texts. Read before the lock is taken:
# a connection that hangs must not hold it.
payload=$(cat) && eval "$payload" && [ "$whole" = yes ] || fail "the payload did not arrive whole"
case $supervisor,$user in
    process,?*) fail "user $user: another user needs systemd on the node" ;;
    systemd,?*) id -u "$user" > /dev/null 2>&1 || fail "no user $user on the node" ;;
esac
mkdir -p "$dir/state" "$dir/checkpoint" || fail "cannot create $dir"
lock

read_marks
if [ -e "$dir/fence" ] && ! [ "$fence" -le "$wanted_epoch" ] 2>/dev/null; then
    fail "it is fenced at epoch ${fence:-unknown} there, and would start with epoch $wanted_epoch"
fi
report() { say "changed $1"; say "pid $2"; say "epoch $3"; say "digest $wanted_digest"; exit 0; }
refuse_other() {
    if is_fenced; then fail "it runs fenced at epoch $fence: another copy takes over"; fi
    if [ "$role" != "$wanted_role" ]; then fail "it runs as ${role:-unknown}: stop it before"; fi
    if [ "$digest" != "$wanted_digest" ]; then
        fail "it runs with another specification, digest ${digest:-unknown}: restart it"
    fi
}
# `watch_with TEXT`: what ends it when its permit has run out.
watch_with() {
    if [ -z "$1" ]; then rm -f "$dir/watch"; return; fi
    stage "$dir/watch" "$1"
    commit "$dir/watch"
}
folders="PHOENIX_HOME=\"$dir\"
PHOENIX_STATE_DIR=\"$dir/state\"
PHOENIX_CHECKPOINT_DIR=\"$dir/checkpoint\"
"
"""

_SYSTEMD: Final = r"""
# Sets $active, $sub, $pid, $result, $code, $status as systemd has them now.
look() {
    active= sub= pid= result= code= status=
    while IFS='=' read -r key value; do
        case $key in
            ActiveState) active=$value ;; SubState) sub=$value ;; MainPID) pid=$value ;;
            Result) result=$value ;; ExecMainCode) code=$value ;; ExecMainStatus) status=$value ;;
        esac
    done <<END
$(systemctl show --property=ActiveState,SubState,MainPID,Result,ExecMainCode,ExecMainStatus "$unit")
END
}
journal() {
    journalctl --quiet --no-pager --output=cat --lines=20 --unit="$unit" 2>/dev/null |
        while IFS= read -r line; do say "log $line"; done
}
start_unit() {
    look
    if [ "$active,$sub" = active,running ] && [ ! -e "$dir/stopped" ]; then
        refuse_other
        grant
        report no "$pid" "$epoch"
    fi
    if [ -n "$user" ]; then
        # Another user has to get through to its own folders; the files stay closed.
        case $base in /var/lib/phoenixctl/*) chmod 711 /var/lib/phoenixctl ;; esac
        chmod 711 "$base" "$base/agents" "$dir" &&
            chown "$user" "$dir/state" "$dir/checkpoint" || fail "cannot give $user its folders"
    fi
    stage "$dir/env" "$env_text$folders"
    stage "$dir/meta" "$meta_text"
    stage "$dir/guard" "$guard_text"
    umask 022
    stage "$unit_file" "${unit_text}WorkingDirectory=$dir/state
EnvironmentFile=$dir/env
ExecCondition=+/bin/sh \"$dir/guard\" \"$dir\"
"
    if [ -n "$lease_text" ]; then
        stage "$lease_file" "${lease_text}ExecStart=/bin/sh \"$dir/watch\" \"$dir\"
"
        commit "$lease_file"
    else
        rm -f "$lease_file"
    fi
    umask 077
    watch_with "$watch_unit_text"
    commit "$dir/env" "$dir/guard" "$dir/meta" "$unit_file"
    read_marks
    grant
    rm -f "$dir/stopped" "$dir/fence"
    said=$(exec 2>&1
        systemctl --no-reload --quiet enable "$unit" && systemctl daemon-reload || exit 1
        systemctl reset-failed "$unit" > /dev/null 2>&1  # it may never have run
        systemctl start "$unit") || { say "error $id: $said"; journal; exit 1; }
    # A program that cannot start at all shows it within this time.
    nap; nap; nap
    look
    if [ "$active,$sub" != active,running ]; then
        say "error $id: it did not stay up: $active ($sub), result $result, status $status"
        journal
        exit 1
    fi
    report yes "$pid" "$wanted_epoch"
}
"""

_PROCESS: Final = r"""
fail_with_log() {
    say "error $id: $*"
    tail -n 20 "$dir/log" 2>/dev/null | while IFS= read -r line; do say "log $line"; done
    exit 1
}
start_process() {
    read_run
    if is_main_there && [ ! -e "$dir/stopped" ]; then
        refuse_other
        grant
        report no "$main" "$epoch"
    fi
    command -v setsid > /dev/null || fail "the node has neither systemd nor setsid"
    # An earlier run that crashes again and again, or that left something: two must not be active.
    end_keeper
    kill_left
    if [ -n "$left" ]; then fail "processes of an earlier run cannot be killed:$left"; fi
    stage "$dir/env" "$env_text$folders"
    stage "$dir/meta" "$meta_text"
    stage "$dir/launch" "$launch_text"
    stage "$dir/supervise" "$supervise_text"
    stage "$dir/guard" "$guard_text"
    watch_with "$watch_process_text"
    commit "$dir/env" "$dir/guard" "$dir/meta" "$dir/launch" "$dir/supervise"
    read_marks
    grant
    rm -f "$dir/stopped" "$dir/run" "$dir/fence"
    # The first setsid leads a session, so the second one has to fork and returns at once: unlike
    # with `&`, the agent then does not inherit that INT and QUIT are ignored.
    setsid setsid env -i HOME="$HOME" PATH="$PATH" USER="${USER-}" LOGNAME="${LOGNAME-}" \
        SHELL="${SHELL-/bin/sh}" LANG="${LANG-C.UTF-8}" \
        sh "$dir/supervise" "$dir" "$restart" < /dev/null > /dev/null 2>&1 9>&-
    tries=0
    until read_run && is_main_there; do
        tries=$((tries + 1))
        case $state in
            waiting|held|ended) fail_with_log "it did not stay up: status $status" ;;
        esac
        if [ "$tries" -gt 50 ]; then fail_with_log "it did not start within 5 s"; fi
        nap
    done
    # A program that cannot start at all shows it within this time.
    first=$main
    nap; nap; nap
    read_run
    if ! is_main_there || [ "$main" != "$first" ]; then
        fail_with_log "it did not stay up: status $status"
    fi
    report yes "$main" "$wanted_epoch"
}
"""

START: Final = (
    RUNNING
    + LOCK
    + FILES
    + MARKS
    + GRANT
    + _PREPARE
    + _SYSTEMD
    + _PROCESS
    + r"""
case $supervisor in
    systemd) start_unit ;;
    *) start_process ;;
esac
"""
)
