"""Keys to log in with: from files, with their certificates, and from the agent. Loaded once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from asyncssh import (
    KeyImportError,
    SSHAgentClient,
    SSHCertificate,
    SSHKeyPair,
    import_private_key,
    import_public_key,
    load_keypairs,
    read_certificate,
)

from phoenixctl.ssh.route import Login


@dataclass(frozen=True, slots=True)
class Keys:
    """What a login may try, in order; `notes` says what could not be used and what to do."""

    pairs: tuple[SSHKeyPair, ...]
    notes: tuple[str, ...]
    agent: SSHAgentClient | None

    def fresh(self) -> list[SSHKeyPair]:
        """Pairs for one connection: choosing a signature algorithm changes them."""
        return [copy(pair) for pair in self.pairs]

    def describe(self) -> str:
        names = [f"{pair.get_algorithm()} ({_origin(pair)})" for pair in self.pairs]
        return ", ".join(names) or "no key"


async def load_keys(login: Login) -> Keys:
    """Keys of the files first, then what else the agent has, unless only the files are wanted."""
    notes: list[str] = []
    agent, held = await _ask_agent(login.agent, notes)
    certificates = _certificates(login, notes)
    pairs: list[SSHKeyPair] = []
    for path in login.identity_files:
        pairs += _from_file(path, certificates, held, notes)
    if not login.identities_only:
        used = {pair.public_data for pair in pairs}
        pairs += [pair for pair in held if pair.public_data not in used]
    return Keys(tuple(pairs), tuple(notes), agent)


async def _ask_agent(
    path: str | None, notes: list[str]
) -> tuple[SSHAgentClient | None, Sequence[SSHKeyPair]]:
    if path is None:
        return None, ()
    agent = SSHAgentClient(path)
    try:
        async with asyncio.timeout(3):
            return agent, await agent.get_keys()
    except (OSError, ValueError, TimeoutError) as error:
        notes.append(f"the agent at {path} does not answer ({error or 'time-out'})")
        agent.close()
        return None, ()


def _certificates(login: Login, notes: list[str]) -> list[SSHCertificate]:
    beside = [path.with_name(f"{path.name}-cert.pub") for path in login.identity_files]
    found = []
    for path in (*login.certificate_files, *beside):
        if path in beside and not path.exists():
            continue
        try:
            found.append(read_certificate(path))
        except (OSError, KeyImportError) as error:
            notes.append(f"{path} is not a certificate ({error})")
    return found


def _from_file(
    path: Path,
    certificates: Sequence[SSHCertificate],
    held: Sequence[SSHKeyPair],
    notes: list[str],
) -> list[SSHKeyPair]:
    """The pairs that a private key's file, or a public key's with the rest in the agent, gives."""
    public = _public_data(path)
    in_agent = [pair for pair in held if public is not None and pair.public_data == public]
    if in_agent:
        return [*_certified(in_agent[0], certificates), in_agent[0]]
    try:
        key = import_private_key(path.read_bytes())
    except FileNotFoundError:
        notes.append(f"{path} does not exist")
    except OSError as error:
        notes.append(f"{path} cannot be read ({error.strerror})")
    except KeyImportError:
        # asyncssh says so with one class for a locked and for a broken key.
        notes.append(_unusable(path))
    else:
        mine = [c for c in certificates if c.key.public_data == key.public_data]
        return [*(pair for c in mine for pair in load_keypairs([(key, c)])), *load_keypairs([key])]
    return []


def _certified(pair: SSHKeyPair, certificates: Sequence[SSHCertificate]) -> list[SSHKeyPair]:
    found = []
    for certificate in certificates:
        if certificate.key.public_data == pair.public_data:
            with_certificate = copy(pair)
            with_certificate.set_certificate(certificate)
            found.append(with_certificate)
    return found


def _public_data(path: Path) -> bytes | None:
    for candidate in (path.with_name(path.name + ".pub"), path):
        try:
            return import_public_key(candidate.read_bytes()).public_data
        except (OSError, KeyImportError):
            continue
    return None


def _unusable(path: Path) -> str:
    data = path.read_bytes()
    # An OpenSSH key names its cipher in the clear; PEM ones say ENCRYPTED.
    locked = b"ENCRYPTED" in data or b"OPENSSH PRIVATE KEY" in data
    if locked:
        return f"{path} has a passphrase: unlock it with `ssh-add {path}`"
    return f"{path} is not a private key"


def _origin(pair: SSHKeyPair) -> str:
    comment = pair.get_comment_bytes() or b""
    return f"{pair.get_key_type()} {comment.decode('utf-8', 'replace')}".strip()
