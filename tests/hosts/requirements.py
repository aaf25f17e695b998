"""What this machine must have before real hosts can be booted on it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
}
_FILES = {
    "/lib/systemd/systemd": "systemd",
    "/usr/bin/dbus-daemon": "dbus",
    "/lib/systemd/system/ssh.service": "openssh-server",
}


def missing() -> str:
    """Why no hosts can be booted here, in words for a person; empty when they can."""
    if not sys.platform.startswith("linux"):
        return "real hosts need Linux"
    if os.geteuid() != 0:
        return "real hosts need root"
    packages = {
        package for program, package in _PROGRAMS.items() if not shutil.which(program, path=_path())
    } | {package for path, package in _FILES.items() if not Path(path).exists()}
    if packages:
        return "real hosts need the Debian packages " + ", ".join(sorted(packages))
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        return "real hosts need overlayfs in the kernel"
    if cgroup_roots() == ():
        return "real hosts need a writable cgroup hierarchy with systemd's layout"
    return ""


def cgroup_roots() -> tuple[Path, ...]:
    """The hierarchies in which a container's systemd keeps its units, if they can be written."""
    top = Path("/sys/fs/cgroup")
    unified = (top / "cgroup.procs").exists()
    roots = (top,) if unified else (top / "systemd", top / "unified")
    return tuple(r for r in roots if (r / "cgroup.procs").exists() and os.access(r, os.W_OK))


def _path() -> str:
    # sshd and ip live in sbin, which a plain user's or cron's PATH may lack.
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
