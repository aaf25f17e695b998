"""What surveys of other machines printed, made small, with one line changed at a time."""

from __future__ import annotations

from collections.abc import Mapping

from phoenixctl.model.fleet import Node, Supervisor
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import NodeObservation
from phoenixctl.remote.survey import parse_survey

BOOT = "79c87cf3-d5b4-469a-b5f5-61b5c9020f17"
NODE = Node(NodeName("web-1"), "pool", "192.0.2.1", supervisor=Supervisor.PROCESS)

# Four cores at half load, 8 GiB of which 6 are available, 1 Gbit/s, one disk; a second apart.
ORDINARY = f"""\
survey 1
boot_id {BOOT}
hostname web-1
kernel 6.1.0-18-amd64
fleet demo
supervisor process
base /home/op/.phoenixctl/demo
online 0-3
processes 213
link eth0 1000
reading first
uptime:1000.00 3000.00
stat:cpu  1000 0 500 8000 100 0 10 0 0 0
stat:ctxt 50000
stat:procs_running 3
net/dev:  eth0: 1000000 10 0 0 0 0 0 0 500000 10 0 0 0 0 0 0
diskstats: 254       0 vda 100 0 8000 10 100 0 16000 10 0 1000 20 0 0 0 0 0 0
meminfo:MemTotal:        8388608 kB
loadavg:0.50 0.40 0.30 3/200 999
reading second
uptime:1001.00 3002.00
stat:cpu  1150 0 550 8190 110 0 10 0 0 0
stat:ctxt 60000
stat:procs_running 3
net/dev:  eth0: 26000000 20 0 0 0 0 0 0 1000000 20 0 0 0 0 0 0
diskstats: 254       0 vda 110 0 10048 10 110 0 20096 10 0 1250 20 0 0 0 0 0 0
meminfo:MemTotal:        8388608 kB
meminfo:MemAvailable:    6291456 kB
meminfo:SwapTotal:       1048576 kB
meminfo:SwapFree:         786432 kB
loadavg:1.50 1.25 0.75 4/200 1000
pressure/cpu:some avg10=12.50 avg60=1.00 avg300=0.50 total=123
pressure/memory:some avg10=0.00 avg60=0.00 avg300=0.00 total=0
pressure/io:some avg10=3.00 avg60=0.00 avg300=0.00 total=9
df Filesystem     1024-blocks    Used Available Capacity Mounted on
df /dev/vda          10000000 2500000   7500000      25% /
agents
members
end
"""

# One agent with its supervisor (pid 500) and one child; half a core between the readings.
META = "spec=ingest\nordinal=0\ndigest=0123456789ab\nepoch=3\nport=9000\nrole=active\nuser=\n"
STATS = {
    "first": "500/stat:500 (sh) S 1 500 500 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 90000 0 0\n"
    "600/stat:600 (ingest) S 500 600 600 0 -1 0 0 0 0 0 100 50 0 0 20 0 4 0 90100 0 0\n"
    "601/stat:601 (a ) b) S 600 600 600 0 -1 0 0 0 0 0 10 0 0 0 20 0 1 0 90200 0 0\n",
    "second": "500/stat:500 (sh) S 1 500 500 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 90000 0 0\n"
    "600/stat:600 (ingest) S 500 600 600 0 -1 0 0 0 0 0 130 60 0 0 20 0 4 0 90100 0 0\n"
    "601/stat:601 (a ) b) S 600 600 600 0 -1 0 0 0 0 0 20 0 0 0 20 0 1 0 90200 0 0\n"
    "600/status:VmRSS:\t  102400 kB\n601/status:VmRSS:\t   2048 kB\n",
}
RUN = f"running 500 90000 600 90100 {BOOT} 2 -"


def changed(replacements: Mapping[str, str], text: str = ORDINARY) -> str:
    for old, new in replacements.items():
        assert old in text, f"{old!r} is not in the text, so this would test nothing"
        text = text.replace(old, new)
    return text


def with_agent(
    run: str = RUN, *, stopped: bool = False, stats: Mapping[str, str] = STATS, meta: str = META
) -> str:
    lines = "".join(f"meta {line}\n" for line in meta.splitlines())
    agent = f"agents\nagent ingest-0\n{'stopped' if stopped else ''}\n{lines}run {run}\n"
    return changed(
        {
            "reading first\n": f"reading first\n{stats['first']}",
            "reading second\n": f"reading second\n{stats['second']}",
            "agents\n": agent,
        }
    )


def with_unit(properties: Mapping[str, str], *, stopped: bool = False) -> str:
    name = "phoenix-demo-ingest-0.service"
    lines = "".join(f"unit {key}={value}\n" for key, value in properties.items())
    return changed(
        {
            "supervisor process": "supervisor systemd",
            f"run {RUN}": "run ",
            "\nmembers\n": f"\nmembers\nmembers ingest-0 600 601\n{lines}unit Id={name}\nunit \n",
        },
        with_agent(stopped=stopped),
    )


def parsed(text: str, node: Node = NODE) -> NodeObservation:
    return parse_survey(text.encode("utf-8", "surrogateescape"), node=node, at=5.0, seconds=0.3)
