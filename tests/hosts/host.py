"""One real host: systemd, journal and sshd in a container over an overlay of `/`."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.hosts import image
from tests.hosts.claim import Claim
from tests.hosts.process import HarnessError, Identity, call, children, descendants, wait_for
from tests.hosts.requirements import cgroup_roots

_BOOT_SECONDS = 40.0
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}
# Every host needs cgroups of its own: in shared ones, each systemd would take the others' units
# for its own and never see them empty.
_JOIN_CGROUPS = (
    'while [ "$1" != -- ]; do mkdir "$1"; echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"'
)
_FILL = """
set -e; mkdir -p "$1" /run/phx-full
mount -t tmpfs -o size=$(( $(du -sk "$1" | cut -f1) + 256 ))k phx-full /run/phx-full
cp -a "$1/." /run/phx-full; mount --bind /run/phx-full "$1"; umount /run/phx-full
dd if=/dev/zero of="$1/.full" bs=4k 2>/dev/null || :
"""
_MARK = b"PHOENIX_"


class Host:
    """A machine with its own address, keys and boot id. Faults are methods; `heal` ends them."""

    def __init__(
        self,
        claim: Claim,
        name: str,
        *,
        host_key: Path,
        client_key: Path,
        address: str | None = None,
    ) -> None:
        self.name = name
        self.address = address or claim.address
        self.port = 22
        self._claim = claim
        self._keys = {"host_key": host_key, "client_key": client_key}
        self._root = claim.folder / "disk" / "root"
        self._container: subprocess.Popen[bytes] | None = None
        self._leader: Identity | None = None
        self._full: list[str] = []

    # Life

    def create(self) -> None:
        """Make its network and its disk; it is not booted yet."""
        link, namespace = self._claim.name, self._claim.name
        call("ip", "netns", "add", namespace)
        call("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        # The two ends know each other only, so the address may be one of any network.
        here, there = self._claim.gateway, self.address
        call("ip", "addr", "add", here, "peer", there, "dev", link)
        call("ip", "link", "set", link, "up")
        call("ip", "-n", namespace, "addr", "add", there, "peer", here, "dev", "eth0")
        call("ip", "-n", namespace, "link", "set", "lo", "up")
        # With a fixed neighbour a cut link swallows packets; without, the kernel would give up
        # after three seconds with "no route to host", which is another fault.
        mac = call("ip", "netns", "exec", namespace, "cat", "/sys/class/net/eth0/address").strip()
        call("ip", "neigh", "replace", self.address, "lladdr", mac, "dev", link, "nud", "permanent")
        disk = self._root.parent
        disk.mkdir()
        # A file system of its own: an overlay's upper layer must not lie within its lower one.
        call("mount", "-t", "tmpfs", "-o", "size=1g,mode=0755", "phoenixctl-tests", disk)
        self._mount()

    def boot(self) -> None:
        """Power on, and wait until systemd has settled and sshd answers."""
        if self.running:
            raise HarnessError(f"{self.name} is running already")
        self._forget()
        self._link("up")
        with self.console.open("ab") as console:
            self._container = subprocess.Popen(
                self._nspawn(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._claim.record(Identity.of(self._container.pid))
        wait_for(self._find_leader, _BOOT_SECONDS, f"{self.name} to start; see {self.console}")
        wait_for(self._settled, _BOOT_SECONDS, f"systemd of {self.name}; see {self.console}")
        wait_for(self.answers, _BOOT_SECONDS, f"sshd of {self.name}; see {self.console}")

    def power_off(self) -> None:
        """Power loss: everything on it is gone at once and the link is dead; its disk stays."""
        self._link("down")
        self._forget()

    def reboot(self) -> None:
        """An orderly reboot, as `systemctl reboot` on the host does it."""
        container = self._container
        assert container is not None
        self.run("systemctl", "reboot", check=False)
        wait_for(lambda: container.poll() is not None, 30, f"{self.name} to go down")
        self.boot()

    def renew(self) -> None:
        """Install it anew: disk as at first, new machine id, same keys and address; booted."""
        self._forget()
        call("umount", self._root)
        for layer in ("upper", "work"):
            shutil.rmtree(self._root.parent / layer)
        self._full.clear()
        self._mount()
        self.boot()

    def destroy(self) -> None:
        """Power off and remove all of it from this machine."""
        self._forget()
        self._claim.release()

    # Looking at it, without SSH

    @property
    def running(self) -> bool:
        return self._leader is not None and self._leader.alive()

    @property
    def rebooting(self) -> bool:
        """It was told from within to reboot, and waits for `boot`."""
        return self._container is not None and self._container.poll() == 133

    @property
    def folder(self) -> Path:
        """Where this machine keeps what belongs to it, until it is destroyed."""
        return self._claim.folder

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def boot_id(self) -> str:
        return self.run("cat", "/proc/sys/kernel/random/boot_id").strip()

    def run(
        self, *argv: str, check: bool = True, stdin: bytes = b"", timeout_seconds: float = 20.0
    ) -> str:
        """Run a program inside as root, entering by the kernel's door; gives its output."""
        done = self.run_bytes(*argv, stdin=stdin, timeout_seconds=timeout_seconds)
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise HarnessError(f"{self.name}: {argv} ended with {done.returncode}: {said}")
        return done.stdout.decode(errors="replace")

    def run_bytes(
        self, *argv: str, stdin: bytes = b"", timeout_seconds: float = 20.0
    ) -> subprocess.CompletedProcess[bytes]:
        """The same, with everything that it left; a failure is no exception."""
        return subprocess.run(
            [*self._entry(), *argv],
            input=stdin,
            capture_output=True,
            env=_ENVIRONMENT,
            timeout=timeout_seconds,
            check=False,
        )

    def path(self, inside: str) -> Path:
        """Where a file of the host's disk is seen from here; its /tmp, /run and /proc are not."""
        return self._root / inside.lstrip("/")

    def answers(self, within_seconds: float = 1.0) -> bool:
        """Whether its SSH port greets."""
        with suppress(OSError):
            address = (self.address, self.port)
            with socket.create_connection(address, timeout=within_seconds) as connection:
                return connection.recv(4) == b"SSH-"
        return False

    def leftovers(self) -> tuple[str, ...]:
        """What phoenixctl left here: files on the disk, marked processes."""
        upper = self._root.parent / "upper"
        sources = tuple(str(upper) + source for source in map(str, _sources()))
        files = [
            "/" + str(path.relative_to(upper))
            for path in upper.rglob("*phoenix*")
            if not str(path).startswith(sources) and path.name != "phoenixctl-tests.conf"
        ]
        return (*sorted(files), *(f"process {pid}" for pid in self._processes() if _marked(pid)))

    # Faults

    def partition(self) -> None:
        """Cut its network: packets vanish in both directions."""
        self._link("down")

    def freeze_sshd(self) -> None:
        """Stop sshd and its sessions: the kernel accepts connections, nobody answers."""
        for process in self._sshd():
            process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._sshd():
            process.send(signal.SIGCONT)

    def fill_disk(self, folder: str) -> None:
        """Leave no room at all below a folder of the host; what is in it stays readable."""
        self.run("sh", "-c", _FILL, "sh", folder)
        self._full.append(folder)

    def heal(self) -> None:
        """End every fault, and wait until it serves as before."""
        if not self.running:
            self._full.clear()
            self.boot()
        self._link("up")
        self.thaw()
        while self._full:
            self.run("umount", "--lazy", self._full.pop())
        wait_for(self.answers, _BOOT_SECONDS, f"sshd of {self.name}; see {self.console}")

    # Inner workings

    def _mount(self) -> None:
        disk = self._root.parent
        for layer in ("upper", "work", "root"):
            (disk / layer).mkdir(exist_ok=True)
        image.hide_homes(disk / "upper", needed=_sources())
        layers = f"lowerdir=/,upperdir={disk / 'upper'},workdir={disk / 'work'}"
        call("mount", "-t", "overlay", "-o", layers, "phoenixctl-tests", self._root)
        image.write(self._root, hostname=self.name, **self._keys)

    def _nspawn(self) -> list[str]:
        name = self._claim.name
        groups = [str(root / name) for root in cgroup_roots()]
        command = [
            "systemd-nspawn", "--quiet", "--boot", f"--directory={self._root}",
            f"--machine={name}", f"--hostname={self.name}", "--register=no", "--keep-unit",
            f"--network-namespace-path=/run/netns/{name}", "--link-journal=no",
            "--resolv-conf=off", "--timezone=off",
            *(f"--bind-ro={path}" for path in _sources() if not _in_overlay(path)),
        ]  # fmt: skip
        return ["sh", "-c", _JOIN_CGROUPS, "sh", *groups, "--", *command]

    def _find_leader(self) -> bool:
        container = self._container
        assert container is not None
        if container.poll() is not None:
            end = self.console.read_text(errors="replace")[-2000:]
            raise HarnessError(f"{self.name} did not start ({container.returncode}): {end}")
        for child in children(container.pid):
            with suppress(FileNotFoundError, ProcessLookupError):
                status = Path(f"/proc/{child}/status").read_text()
                if "Name:\tsystemd\n" in status and f"NSpid:\t{child}\t1\n" in status:
                    self._leader = Identity.of(child)
                    # A container's PID 1 outlives its nspawn; both must be ended.
                    self._claim.record(self._leader)
                    return True
        return False

    def _settled(self) -> bool:
        state = self.run("systemctl", "is-system-running", "--wait", check=False)
        return state.strip() in ("running", "degraded")

    def _forget(self) -> None:
        self._claim.end_processes()
        if self._container is not None:
            self._container.wait(timeout=10)
        self._container = self._leader = None

    def _link(self, state: str) -> None:
        # The host's end, not ours: with ours down the route would go, and packets meant for the
        # host would leave this machine by its default route.
        call("ip", "-n", self._claim.name, "link", "set", "eth0", state)

    def _entry(self) -> list[str]:
        if self._leader is None or not self.running:
            raise HarnessError(f"{self.name} is not running")
        return ["nsenter", f"--target={self._leader.pid}", "--all", "--"]

    def _processes(self) -> Iterator[int]:
        return descendants(self._leader.pid) if self._leader is not None else iter(())

    def _sshd(self) -> Iterator[Identity]:
        for pid in self._processes():
            with suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{pid}/comm").read_text() == "sshd\n":
                    yield Identity.of(pid)


def _sources() -> tuple[Path, ...]:
    """What the reference agent needs from this machine: the interpreter and the project."""
    project = Path(__file__).resolve().parents[2]
    return tuple(dict.fromkeys((project, Path(sys.prefix), Path(sys.base_prefix))))


def _in_overlay(path: Path) -> bool:
    # Mounts below `/` are not in the overlay, and nspawn lays fresh tmpfs over these.
    hidden = any(path.is_relative_to(top) for top in ("/tmp", "/run", "/dev"))
    return not hidden and path.stat().st_dev == Path("/").stat().st_dev


def _marked(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return _MARK in Path(f"/proc/{pid}/environ").read_bytes()
    return False
