"""What one survey runs on a node: a few forks, two readings, every line with a keyword before it.

Text that an agent can write (its `meta`, its process's name) comes after a keyword or after the
file name that `grep -H` puts there, so it cannot pass for a line of the survey itself.
"""

from __future__ import annotations

from typing import Final

from phoenixctl.remote.layout import LAYOUT, TAKE

_SETUP: Final = r"""
LC_ALL=C; export LC_ALL
interval=$1 proc=$2 sys=$3
newline='
'
is_number() { case $1 in ''|*[!0-9]*) return 1 ;; esac; }
"""

_NODE: Final = r"""
echo 'survey 1'
take "$proc/sys/kernel/random/boot_id"; printf 'boot_id %s\n' "$value"
take "$proc/sys/kernel/hostname"; printf 'hostname %s\n' "$value"
take "$proc/sys/kernel/osrelease"; printf 'kernel %s\n' "$value"
printf 'fleet %s\nsupervisor %s\nbase %s\n' "$fleet" "$supervisor" "$base"
if [ -e "$base/cordon" ]; then take "$base/cordon"; printf 'cordon %s\n' "$value"; fi
if [ -e "$base/joined" ]; then take "$base/joined"; printf 'joined %s\n' "$value"; fi
take "$sys/devices/system/cpu/online"; printf 'online %s\n' "$value"
set -- "$proc"/[0-9]*; printf 'processes %s\n' "$#"

# Hardware where there is some; in a container all interfaces are virtual, and they count.
links=-
for kind in /device ''; do
    for link in "$sys"/class/net/*"$kind"; do
        link=${link%"$kind"}; name=${link##*/}
        case $name in lo|*[!A-Za-z0-9._-]*) continue ;; esac
        take "$link/speed"; printf 'link %s %s\n' "$name" "$value"
        links="$links|$name"
    done
    if [ "$links" != - ]; then break; fi
done
disks=-
for disk in "$sys"/block/*/device; do
    disk=${disk%/device}; disk=${disk##*/}
    case $disk in *[!A-Za-z0-9._-]*) continue ;; esac
    disks="$disks|$disk"
done
"""

# Which /proc/<pid> folders belong to agents: by cgroup, or by session.
_FIND_AGENTS: Final = r"""
agents= units= sessions= files= members=
for dir in "$base"/agents/*/; do
    id=${dir%/}; id=${id##*/}
    case $id in *[!a-z0-9-]*) continue ;; esac
    units="$units phoenix-$fleet-$id.service"
    agents="$agents${newline}agent $id"
    if [ -e "$dir/stopped" ]; then agents="$agents${newline}stopped"; fi
    for mark in fence permit; do
        if [ -e "$dir/$mark" ]; then take "$dir/$mark"; agents="$agents${newline}$mark $value"; fi
    done
    lines=0
    while [ "$lines" -lt 20 ] && IFS= read -r line; do
        agents="$agents${newline}meta $line" lines=$((lines + 1))
    done < "$dir/meta"
    take "$dir/run"; agents="$agents${newline}run $value"
    IFS=' ' read -r run supervise start main rest <<END
$value
END
    if is_number "$supervise"; then files="$files $supervise/stat"; fi
    if is_number "$main"; then sessions="$sessions|$main"; fi
done 2>/dev/null
shown=
if [ "$supervisor" = systemd ] && [ -n "$agents" ]; then
    shown=$(systemctl show --no-pager --property=Id,LoadState,ActiveState,SubState,MainPID,\
NRestarts,Result,ExecMainCode,ExecMainStatus,MemoryMax,CPUQuotaPerSecUSec,ControlGroup,\
UnitFileState $units 2>/dev/null)
    while IFS= read -r line; do
        case $line in ControlGroup=/*) group=${line#ControlGroup=} ;; *) continue ;; esac
        id=${group##*/phoenix-"$fleet"-}; members="$members${newline}members ${id%.service}"
        for root in "$sys/fs/cgroup" "$sys/fs/cgroup/systemd" "$sys/fs/cgroup/unified"; do
            if [ -r "$root$group/cgroup.procs" ]; then
                while read -r pid; do
                    members="$members $pid" files="$files $pid/stat $pid/status"
                done < "$root$group/cgroup.procs"
                break
            fi
        done
    done <<END
$shown
END
elif [ -n "$sessions" ]; then
    session="\) [A-Z] [0-9]+ [0-9]+ (${sessions#?}) "
    for stat in $(cd "$proc" && grep -s -l -E "$session" [0-9]*/stat); do
        files="$files $stat ${stat}us"
    done
fi
"""

_READINGS: Final = r"""
pattern="^cpu |^ctxt |^procs_running |^Mem(Total|Available):|^Swap(Total|Free):|^VmRSS:|^some \
|^[0-9]|\) [A-Z] [0-9]|^ *($links):|^ *[0-9]+ +[0-9]+ ($disks) "
reading() {
    printf 'reading %s\n' "$1"
    (cd "$proc" && exec grep -s -H -E "$pattern" uptime stat $files net/dev diskstats meminfo \
        loadavg pressure/cpu pressure/memory pressure/io)
}
reading first
sleep "$interval" 2>/dev/null || sleep 1
reading second
"""

_DISK_SPACE: Final = r"""
place=$base
while [ -n "$place" ] && [ ! -d "$place" ]; do place=${place%/*}; done
df -P -k "${place:-/}" 2>/dev/null | while IFS= read -r line; do printf 'df %s\n' "$line"; done
"""

_AGENTS: Final = r"""
printf 'agents%s\nmembers%s\n' "$agents" "$members"
if [ -n "$shown" ]; then
    while IFS= read -r line; do printf 'unit %s\n' "$line"; done <<END
$shown
END
fi
echo end
"""

SURVEY: Final = LAYOUT + TAKE + _SETUP + _NODE + _FIND_AGENTS + _READINGS + _DISK_SPACE + _AGENTS
