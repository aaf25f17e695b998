"""Public SSH keys that may log in to nodes: from files of the operator's side, or as they are."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final

from phoenixctl.settings.files import Surroundings

_KINDS: Final = frozenset(
    {
        "ssh-ed25519", "ssh-rsa", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)  # fmt: skip
_EXPECTED: Final = "is no public key (ssh-ed25519 AAAA… comment)"


def read_keys(written: str, surroundings: Surroundings) -> tuple[str, ...]:
    """The lines `ssh-ed25519 AAAA… comment` of a file, or the only one when `written` is a key.

    ValueError says what is wrong, and repeats nothing of what was read.
    """
    if written.partition(" ")[0] in _KINDS:
        if not _is_key(written):
            raise ValueError(f"this {_EXPECTED}")
        return (written.strip(),)
    path = surroundings.path(written)
    data = surroundings.read(written)
    if b"PRIVATE KEY" in data:
        raise ValueError(f"{path} holds a private key; name the public one, mostly {path.name}.pub")
    keys = tuple(_lines(data.decode("utf-8", "replace"), str(path)))
    if not keys:
        raise ValueError(f"{path} holds no public key")
    return keys


def _lines(text: str, path: str) -> Iterator[str]:
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line and not line.startswith("#"):
            if not _is_key(line):
                raise ValueError(f"line {number} of {path} {_EXPECTED}")
            yield line


def _is_key(line: str) -> bool:
    """Whether it is whole, and the encoded part is of the kind that the first word says."""
    kind, _, rest = line.partition(" ")
    if kind not in _KINDS or not line.isprintable():
        return False
    try:
        blob = base64.b64decode(rest.partition(" ")[0], validate=True)
    except ValueError:  # not base64, not even ASCII
        return False
    parts = _parts(blob)
    return parts is not None and len(parts) > 1 and parts[0] == kind.encode()


def _parts(blob: bytes) -> list[bytes] | None:
    """What a key's blob is made of, each part after its length in four bytes; None: cut off."""
    parts: list[bytes] = []
    while blob:
        end = 4 + int.from_bytes(blob[:4], "big")
        if end > len(blob):
            return None
        parts.append(blob[4:end])
        blob = blob[end:]
    return parts
