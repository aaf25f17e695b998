"""Whether a host key is trusted; unknown, changed, revoked and certificate trouble differ."""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from asyncssh import KeyImportError, SSHKey, import_certificate, import_public_key
from asyncssh.public_key import CERT_TYPE_HOST, SSHOpenSSHCertificate

from phoenixctl.model.errors import (
    HostCertificateMismatch,
    HostKeyChanged,
    HostKeyError,
    HostKeyRevoked,
    HostKeyUnknown,
)
from phoenixctl.ssh.known_hosts import Entry, KnownHosts, Marker

_CERTIFICATE: Final = "-cert-v01@openssh.com"
_SIGNATURES: Final = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
HOST_KEY_ALGORITHMS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
# Nobody can vouch for another key of a node that a provider has made.
_MADE_ANEW: Final = (
    "either its system was installed anew or somebody sits in between; a node whose key is not "
    "known any more is made anew: phoenixctl plan --replace NODE"
)


def fingerprint(key: bytes) -> str:
    """`SHA256:…` of a key's wire data, as ssh prints it."""
    return "SHA256:" + b64encode(sha256(key).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known about one host before it has said anything.

    `principal` is the name a certificate must be for (HostKeyAlias or the host), `name` is it as
    known_hosts writes it, `entries` what was found there.
    `portless` are entries for the name without a port: they can prove a key, as in OpenSSH, but
    say nothing when it differs.
    """

    principal: str
    name: str
    host: str
    port: int
    entries: tuple[Entry, ...]
    portless: tuple[Entry, ...]
    files: tuple[Path, ...]
    vouched: bool = False  # the keys are those that its provider vouches for

    @classmethod
    def of(cls, index: KnownHosts, *, host: str, port: int, alias: str | None) -> Trust:
        plain = alias or host
        name = plain if alias or port == 22 else f"[{host}]:{port}"
        entries = index.find(name)
        portless = index.find(plain) if name != plain else ()
        return cls(plain, name, host, port, entries, portless, index.files, index.vouched)

    def algorithms(self, allowed: Sequence[str] = HOST_KEY_ALGORITHMS) -> list[str]:
        """Host key algorithms, those of keys that are known first, so that one of them is shown."""
        known = [entry for entry in self.entries or self.portless if entry.marker != Marker.REVOKED]
        wanted: list[str] = []
        plain = [name for name in allowed if not name.endswith(_CERTIFICATE)]
        if any(entry.marker == Marker.AUTHORITY for entry in known):
            wanted += [name for name in allowed if name.endswith(_CERTIFICATE)]
            wanted += [name + _CERTIFICATE for name in plain]
        types = {entry.type for entry in known if entry.marker == Marker.KEY}
        signatures = {name for kind in types for name in _SIGNATURES.get(kind, (kind,))}
        wanted += [name for name in plain if name in signatures]
        wanted += [name for name in plain if name not in signatures]
        return wanted

    def judge(self, presented: bytes) -> tuple[SSHKey | None, HostKeyError | None]:
        """The key to verify the handshake with, or why it is not trusted."""
        kind = presented[4 : 4 + int.from_bytes(presented[:4], "big")].decode("ascii", "replace")
        line = kind.encode() + b" " + b64encode(presented)
        try:
            if kind.endswith(_CERTIFICATE):
                return self._judge_certificate(import_certificate(line))
            error = self._judge_key(presented, kind)
            return (None, error) if error else (import_public_key(line), None)
        except (KeyImportError, ValueError):
            return None, HostKeyUnknown(
                f"{self.name}: the host showed a key of type {kind} that cannot be read",
                hint=f"look at its keys: ssh-keyscan -p {self.port} {self.host}",
            )

    def _judge_key(self, key: bytes, kind: str) -> HostKeyError | None:
        if revoked := self._entry(Marker.REVOKED, key):
            return self._revoked(revoked)
        if self._entry(Marker.KEY, key):
            return None
        known = [entry for entry in self.entries if entry.marker == Marker.KEY]
        if same := [entry for entry in known if entry.type == kind]:
            return self._changed(key, kind, same[0])
        authorities = [entry for entry in self.entries if entry.marker == Marker.AUTHORITY]
        if authorities and not known:
            return HostCertificateMismatch(
                f"{self.name}: the host showed a plain {kind} key {fingerprint(key)}, but only "
                f"the certificate authority {fingerprint(authorities[0].key)} is trusted for it "
                f"({authorities[0].place})",
                hint="let the host show its certificate: HostCertificate in its sshd_config",
            )
        return self._unknown(key, kind, known)

    def _judge_certificate(self, certificate: object) -> tuple[SSHKey | None, HostKeyError | None]:
        if not isinstance(certificate, SSHOpenSSHCertificate):
            raise ValueError("not an OpenSSH certificate")
        key, authority = certificate.key.public_data, certificate.signing_key.public_data
        if revoked := self._entry(Marker.REVOKED, key) or self._entry(Marker.REVOKED, authority):
            return None, self._revoked(revoked)
        if trusted := self._entry(Marker.AUTHORITY, authority):
            try:
                certificate.validate(CERT_TYPE_HOST, self.principal)
            except ValueError as reason:
                return None, self._bad_certificate(certificate, str(reason), trusted)
            return certificate.key, None
        # As OpenSSH does: a certificate of nobody we trust is still the key inside it.
        error = self._judge_key(key, certificate.key.get_algorithm())
        known = [entry for entry in self.entries if entry.marker == Marker.AUTHORITY]
        if known and isinstance(error, HostKeyUnknown | HostCertificateMismatch):
            error = self._bad_certificate(certificate, "signed by another authority", known[0])
        return (None, error) if error else (certificate.key, None)

    def _entry(self, marker: Marker, key: bytes) -> Entry | None:
        for entry in (*self.entries, *self.portless):
            if entry.marker == marker and entry.key == key:
                return entry
        return None

    def _revoked(self, entry: Entry) -> HostKeyError:
        return HostKeyRevoked(
            f"{self.name}: the host showed the key {fingerprint(entry.key)}, which is revoked "
            f"({entry.place})",
            hint="somebody marked this key as stolen or retired: give the host a new one, "
            "do not trust this one again",
        )

    def _changed(self, key: bytes, kind: str, known: Entry) -> HostKeyError:
        file = known.place.rpartition(":")[0]
        remove = shlex.join(["ssh-keygen", "-R", self.name, "-f", file])
        return HostKeyChanged(
            f"{self.name}: the host's {kind} key is {fingerprint(key)}, "
            f"but {fingerprint(known.key)} is known ({known.place})",
            hint=_MADE_ANEW
            if self.vouched
            else "either the host was installed anew or somebody sits in between: ask who runs "
            f"it; if the new fingerprint is right: {remove}",
        )

    def _unknown(self, key: bytes, kind: str, others: Sequence[Entry]) -> HostKeyError:
        also = (
            f"; known is its {others[0].type} key {fingerprint(others[0].key)} ({others[0].place})"
            if others
            else ""
        )
        file = str(self.files[0]) if self.files else "~/.ssh/known_hosts"
        return HostKeyUnknown(
            f"{self.name}: no {kind} key is known for this host; it showed "
            f"{fingerprint(key)}{also}",
            hint=_MADE_ANEW
            if self.vouched
            else f"compare the fingerprint with the host's own (ssh-keygen -lf on its console), "
            f"then: ssh-keyscan -p {self.port} {shlex.quote(self.host)} >> {shlex.quote(file)}",
        )

    def _bad_certificate(
        self, certificate: SSHOpenSSHCertificate, reason: str, authority: Entry
    ) -> HostKeyError:
        signed = fingerprint(certificate.signing_key.public_data)
        names = ", ".join(certificate.principals) or "any host"
        return HostCertificateMismatch(
            f"{self.name}: its host certificate is not valid: {reason[:1].lower()}{reason[1:]}; "
            f"it is for {names}, signed by {signed}; trusted is "
            f"{fingerprint(authority.key)} ({authority.place})",
            hint=f"sign its key again for this name: ssh-keygen -s CA -h -I {self.host} "
            f"-n {self.principal} KEY.pub",
        )
