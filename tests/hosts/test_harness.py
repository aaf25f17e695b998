"""The harness does what the tests on real hosts rely on."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hosts.claim import RUN
from tests.hosts.delay import SlowRoad
from tests.hosts.fleet import Hosts
from tests.hosts.host import Host
from tests.hosts.process import Identity

pytestmark = pytest.mark.hosts


def ssh(hosts: Hosts, host: Host, *command: str) -> subprocess.CompletedProcess[str]:
    options = ("BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=3")
    strict = [f"-o{option}" for option in (*options, f"UserKnownHostsFile={hosts.known_hosts}")]
    return subprocess.run(
        [
            "ssh",
            "-F/dev/null",
            *strict,
            "-i",
            str(hosts.identity),
            f"root@{host.address}",
            *command,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_four_hosts_run_systemd_and_each_is_its_own_machine(hosts: Hosts) -> None:
    states = [host.run("systemctl", "is-system-running", check=False).strip() for host in hosts]
    assert states == ["running"] * 4
    for own in (
        [host.boot_id for host in hosts],
        [host.run("cat", "/etc/machine-id") for host in hosts],
        [host.run("hostname") for host in hosts],
        [host.run("cat", "/etc/ssh/ssh_host_ed25519_key") for host in hosts],
        [host.address for host in hosts],
    ):
        assert len(set(own)) == 4


def test_openssh_reaches_every_host_with_the_key_that_known_hosts_names(hosts: Hosts) -> None:
    answers = [ssh(hosts, host, "cat", "/etc/hostname") for host in hosts]
    assert [done.stdout.strip() for done in answers] == [host.name for host in hosts]


def test_a_login_shell_is_plain_and_the_operators_home_is_hidden(hosts: Hosts) -> None:
    done = ssh(hosts, hosts["host1"], "printenv PATH; ls -A /root/.ssh; ls -A /root/.bashrc")
    path, keys = done.stdout.splitlines()
    assert keys == "authorized_keys"
    assert set(path.split(":")) <= {
        *("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),
        *("/usr/games", "/usr/local/games"),
    }
    assert "No such file" in done.stderr


def test_units_of_one_host_are_not_seen_as_units_of_another(hosts: Hosts) -> None:
    first, second = hosts["host1"], hosts["host2"]
    for host in (first, second):
        host.run("systemd-run", "--unit=same-name", "sleep", "300")
    first.run("systemctl", "stop", "same-name")
    assert second.run("systemctl", "is-active", "same-name").strip() == "active"
    second.run("systemctl", "stop", "same-name")


def test_what_a_host_writes_stays_on_the_host(hosts: Hosts, tmp_path: Path) -> None:
    hosts["host1"].run("sh", "-c", "echo inside >/etc/phoenix-harness")
    assert not Path("/etc/phoenix-harness").exists()
    assert hosts["host1"].path("/etc/phoenix-harness").read_text() == "inside\n"
    assert hosts["host1"].leftovers() == ("/etc/phoenix-harness",)


def test_a_host_on_which_something_was_left_is_new_for_the_next_test(hosts: Hosts) -> None:
    host = hosts["host2"]
    host.run("sh", "-c", "PHOENIX_AGENT=left-0 setsid sleep 600 </dev/null >/dev/null 2>&1 &")
    # Where a shell becomes the program, its environment cannot be read for a moment.
    host.run("sh", "-c", "until grep -qx sleep /proc/[0-9]*/comm; do :; done")
    assert len(host.leftovers()) == 1
    assert hosts.renew_used() == ("host2",)
    assert host.leftovers() == ()
    assert ssh(hosts, host, "true").returncode == 0


def test_a_partitioned_host_swallows_packets_until_it_is_healed(hosts: Hosts) -> None:
    host = hosts["host3"]
    host.partition()
    with pytest.raises(TimeoutError):
        socket.create_connection((host.address, 22), timeout=1.0)
    assert hosts["host4"].answers()
    host.heal()
    assert host.answers()


def test_power_loss_ends_all_at_once_and_a_new_boot_has_a_new_boot_id(hosts: Hosts) -> None:
    host = hosts["host4"]
    before, machine = host.boot_id, host.run("cat", "/etc/machine-id")
    host.run("sh", "-c", "echo kept >/var/lib/kept")
    host.power_off()
    assert not host.running
    with pytest.raises(TimeoutError):
        socket.create_connection((host.address, 22), timeout=0.5)
    host.boot()
    assert host.boot_id != before
    assert host.run("cat", "/etc/machine-id", "/var/lib/kept") == f"{machine}kept\n"


def test_a_reboot_runs_the_orderly_way_and_enabled_units_come_back(hosts: Hosts) -> None:
    host = hosts["host1"]
    unit = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
    host.run("sh", "-c", "cat >/etc/systemd/system/keeps.service", stdin=unit.encode())
    host.run("systemctl", "enable", "--now", "keeps")
    before = host.boot_id
    host.reboot()
    assert host.boot_id != before
    assert host.run("systemctl", "is-active", "keeps").strip() == "active"
    host.run("systemctl", "disable", "--now", "keeps")


def test_a_frozen_sshd_accepts_and_says_nothing_until_it_is_thawed(hosts: Hosts) -> None:
    host = hosts["host2"]
    host.freeze_sshd()
    with socket.create_connection((host.address, 22), timeout=1.0) as connection:
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    host.thaw()
    assert host.answers()


def test_a_full_disk_refuses_writes_keeps_content_and_heals(hosts: Hosts) -> None:
    host = hosts["host3"]
    host.run("sh", "-c", "mkdir -p /srv/data; echo old >/srv/data/file")
    host.fill_disk("/srv/data")
    tried = host.run("sh", "-c", "cd /srv/data; cat file; cp file more 2>&1", check=False)
    assert tried.startswith("old\n")
    assert "No space left" in tried
    host.heal()
    host.run("sh", "-c", "echo new >/srv/data/more")


def test_the_reference_python_runs_inside_a_host(hosts: Hosts) -> None:
    said = hosts["host1"].run(hosts.python, "-c", "import phoenixctl; print(phoenixctl.__file__)")
    assert said.strip().endswith("phoenixctl/__init__.py")


def test_a_slow_road_adds_its_round_trip_and_changes_no_byte() -> None:
    sent = bytes(range(256)) * 1000
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        SlowRoad(*server.getsockname(), round_trip_seconds=0.2) as road,
        socket.create_connection((road.host, road.port), timeout=5) as near,
        server.accept()[0] as far,
    ):
        started = time.monotonic()
        near.sendall(sent)
        received = b""
        while len(received) < len(sent):
            received += far.recv(65536)
        far.sendall(b"!")
        assert near.recv(1) == b"!"
        assert time.monotonic() - started >= 0.2
        assert received == sent


def test_hosts_of_a_killed_run_are_removed_by_the_next(hosts: Hosts) -> None:
    before = {folder.name for folder in RUN.iterdir()}
    script = (
        "import os, signal\n"
        "from tests.hosts.fleet import Hosts\n"
        "Hosts(1).__enter__()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert killed.returncode == -9
    wreck = {folder.name for folder in RUN.iterdir()} - before
    assert len(wreck) == 1
    processes = (RUN / wreck.pop() / "processes").read_text()
    with Hosts(1):
        assert not any(Identity.parse(line).alive() for line in processes.splitlines())
    # Fewer, where runs before this one were killed too.
    assert {folder.name for folder in RUN.iterdir()} <= before
    assert all(host.answers() for host in hosts)
