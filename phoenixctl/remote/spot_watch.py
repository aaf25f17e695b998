"""A watcher on spot nodes: when the provider says that it takes the node away, the node says so.

A unit asks the instance's metadata service (IMDSv2) every few seconds. At the notice, usually two
minutes ahead, it writes the mark of a cordoned node (`remote.cordon`) with `SPOT_WATCH` as who did
it, so that the next plan drains the node and has another one made. Shortly before the end it stops
what still runs there, so that agents have their grace.

    <base>/spot-watch                                    the script
    /etc/systemd/system/phoenix-<fleet>-spot-watch.service
"""

from __future__ import annotations

from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.fleet import Node
from phoenixctl.remote.layout import LAYOUT, node_command
from phoenixctl.remote.said import said
from phoenixctl.remote.units import quote_exec

SPOT_WATCH: Final = "spot-watch"  # who cordons such a node
METADATA: Final = "http://169.254.169.254"

SCRIPT: Final = r"""
# Written by phoenixctl: sh spot-watch FLEET BASE METADATA_URL EVERY LAST_SECONDS
fleet=$1 base=$2 url=$3 every=$4 last=$5
umask 077
# `ask METHOD PATH HEADER`: the answer on stdout; fails for any other status than 200.
if command -v curl > /dev/null; then
    ask() { curl -s -f -m 5 --noproxy '*' -X "$1" -H "$3" "$url/$2"; }
else
    ask() { wget -q -O - -T 5 -t 1 --no-proxy --method="$1" --header="$3" "$url/$2"; }
fi
# The moment at which the node goes in $end, what happens to it then in $action.
noticed() {
    end= action=
    token=$(ask PUT latest/api/token 'X-aws-ec2-metadata-token-ttl-seconds: 60') || return 1
    header="X-aws-ec2-metadata-token: $token"
    notice=$(ask GET latest/meta-data/spot/instance-action "$header") || return 1
    set -- $(printf %s "$notice" | sed -n 's/.*"action" *: *"\([a-z]*\)".*/\1/p'); action=$1
    set -- $(printf %s "$notice" | sed -n 's/.*"time" *: *"\([0-9TZ:.+-]*\)".*/\1/p'); end=$1
    [ -n "$action" ] && [ -n "$end" ]
}
mark() {
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    printf '{"by": "spot-watch", "at": "%s", "reason": "spot instance: %s at %s"}\n' \
        "$now" "$action" "$end" > "$base/.cordon.spot-watch" || return 1
    sync "$base/.cordon.spot-watch" 2>/dev/null
    mv -f "$base/.cordon.spot-watch" "$base/cordon"
}
left() {
    at=$(date -u -d "$end" +%s 2>/dev/null) || at=$((noticed_at + 120))
    echo $((at - $(date +%s)))
}
stop_agents() {
    units=
    for dir in "$base"/agents/*/; do
        id=${dir%/}; id=${id##*/}
        case $id in *[!a-z0-9-]*|'') continue ;; esac
        units="$units phoenix-$fleet-$id.service"
    done
    if [ -n "$units" ]; then systemctl stop $units; fi
}
until noticed; do sleep "$every"; done
noticed_at=$(date +%s)
until mark; do sleep 1; done
echo "spot instance: $action at $end; the node is cordoned"
while [ "$(left)" -gt "$last" ]; do sleep 1; done
echo "the end is near; agents are stopped"
stop_agents
# Nothing more to do; without this, systemd would start the watcher again.
exec sleep infinity
"""

_UNIT: Final = """\
# Written by phoenixctl; joining the node writes it again.
[Unit]
Description=phoenixctl: tells when this spot instance of fleet {fleet} is taken away
After=network.target

[Install]
WantedBy=multi-user.target

[Service]
Type=simple
Restart=always
RestartSec=5
UMask=0077
NoNewPrivileges=yes
ExecStart=/bin/sh """

_INSTALL: Final = (
    LAYOUT
    + r"""
say() { printf '%s\n' "$*"; }
fail() { say "error spot-watch: $*"; exit 1; }
say 'phoenixctl spot-watch'
script_text=$1 unit_text=$2 arguments=$3
if [ "$supervisor" != systemd ]; then fail 'it needs systemd, and root or sudo, on the node'; fi
command -v curl > /dev/null || wget --help 2>&1 | grep -q -e --method ||
    fail 'it needs curl or GNU wget on the node'
case $base in
    /*[!A-Za-z0-9/._-]*) fail "the base folder has signs that a unit cannot hold: $base" ;;
    /*) ;;
    *) fail "the base folder is not an absolute path: $base" ;;
esac
unit=phoenix-$fleet-spot-watch.service
unit_file=/etc/systemd/system/$unit
# `put FILE TEXT MODE`: whole or not at all; tells in $changed.
changed=no
put() {
    if [ "$(cat "$1" 2>/dev/null && echo .)" = "$2
." ]; then return; fi
    (umask "$3"; printf '%s\n' "$2" > "$1.new") && mv -f "$1.new" "$1" || fail "cannot write $1"
    changed=yes
}
umask 077
mkdir -p "$base" || fail "cannot create $base"
put "$base/spot-watch" "$script_text" 077
put "$unit_file" "$unit_text$base/spot-watch $fleet $base $arguments" 022
if [ "$changed" = yes ] || ! systemctl --quiet is-active "$unit"; then
    changed=yes
    said=$(exec 2>&1
        systemctl --no-reload --quiet enable "$unit" && systemctl daemon-reload &&
            systemctl restart "$unit") || fail "systemctl: $said"
fi
say "changed $changed"
"""
)


def needs_spot_watch(market: str) -> bool:
    """Whether a node bought on this market can be taken away at short notice."""
    return market == "spot"


def spot_watch_command(
    node: Node,
    fleet: str,
    *,
    metadata: str = METADATA,
    every_seconds: float = 5.0,
    last_seconds: float = 30.0,
) -> Command:
    """Installs and starts the watcher; nothing is touched when it is there already.

    It asks `metadata` every so often, and stops what runs `last_seconds` before the end.
    """
    times = (f"{every_seconds:g}", f"{last_seconds:.0f}")
    arguments = " ".join(map(quote_exec, (metadata, *times)))
    return node_command(
        _INSTALL, node, fleet, SCRIPT.strip(), _UNIT.format(fleet=fleet).rstrip("\n"), arguments
    )


def parse_spot_watch(completed: Completed) -> bool:
    """Whether anything changed; CommandFailed says why there is no watcher."""
    return said(completed, "spot-watch").get("changed") == "yes"
