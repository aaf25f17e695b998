"""What makes one host differ from the machine whose root file system it is laid over."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from pathlib import Path

_SSHD_CONFIG = """\
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""
_JOURNALD_CONFIG = "[Journal]\nStorage=persistent\nSystemMaxUse=32M\n"

_MASKED = (
    "console-getty.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-networkd-wait-online.service",
    "dev-hugepages.mount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
)


def hide_homes(upper: Path, *, needed: tuple[Path, ...]) -> None:
    """Cover what people keep in their homes, but for what is needed; before the overlay is mounted.

    A node has none of it, and a login's start-up files would change what its shell does.
    """
    for home in (Path("/root"), Path("/home")):
        if home.is_dir():
            above = upper / home.name
            above.mkdir(mode=home.stat().st_mode & 0o777)
            for entry in home.iterdir():
                if not any(path.is_relative_to(entry) for path in needed):
                    # A character device 0/0 is overlayfs's sign for "removed".
                    os.mknod(above / entry.name, stat.S_IFCHR, os.makedev(0, 0))


def write(root: Path, *, hostname: str, host_key: Path, client_key: Path) -> None:
    """Turn a fresh overlay of `/` into a host: own identity and keys, only sshd enabled."""
    etc = root / "etc"
    (etc / "machine-id").write_text(secrets.token_hex(16) + "\n")
    (etc / "hostname").write_text(hostname + "\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost {hostname}\n::1 localhost\n")
    (etc / "fstab").write_text("")
    (etc / "environment").write_text("")
    (etc / "crypttab").unlink(missing_ok=True)
    _write_ssh(etc / "ssh", root / "root" / ".ssh", host_key, client_key)
    _enable_only_ssh(etc)
    journald = etc / "systemd" / "journald.conf.d"
    journald.mkdir(parents=True, exist_ok=True)
    (journald / "phoenixctl-tests.conf").write_text(_JOURNALD_CONFIG)
    _empty(root / "var" / "log" / "journal")


def _write_ssh(ssh: Path, login: Path, host_key: Path, client_key: Path) -> None:
    _empty(ssh / "sshd_config.d")
    for old in ssh.glob("ssh_host_*"):
        old.unlink()
    (ssh / "sshd_config").write_text(_SSHD_CONFIG)
    _private(ssh / "ssh_host_ed25519_key", host_key.read_text())
    _empty(login)
    login.chmod(0o700)
    _private(login / "authorized_keys", client_key.with_suffix(".pub").read_text())


def _enable_only_ssh(etc: Path) -> None:
    units = etc / "systemd" / "system"
    for wants in (*units.glob("*.wants"), *etc.glob("rc?.d")):
        _empty(wants)
    for unit in ("ssh.service", "sshd.service"):
        (units / unit).unlink(missing_ok=True)
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    (wanted / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")
    _link(units / "default.target", "/lib/systemd/system/multi-user.target")
    for unit in _MASKED:
        _link(units / unit, "/dev/null")


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _empty(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
