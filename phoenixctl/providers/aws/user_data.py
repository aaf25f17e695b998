"""User-data for cloud-init: the host key and who may log in.

It can be read back, by everyone who may call DescribeInstanceAttribute and by every process on the
node. So the key is for the first login only: joining makes a new one on the node.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from phoenixctl.model.aws import AwsPool

_HEADER: Final = "#cloud-config\n"
_KINDS: Final = ("ssh-ed25519", "ecdsa-sha2-", "ssh-rsa")


@dataclass(frozen=True, slots=True)
class HostKey:
    """An Ed25519 host key: `ssh-ed25519 AAAA…`, and its private half as OpenSSH has it."""

    public: str
    private: str = field(repr=False)


def new_host_key() -> HostKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return HostKey(public.decode(), private.decode())


def user_data(settings: AwsPool, key: HostKey) -> str:
    """A `#cloud-config` document; its YAML is JSON."""
    document: dict[str, Any] = {
        # The image's own keys go; sshd then has this one only.
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": key.private, "ed25519_public": key.public},
        "ssh_authorized_keys": list(settings.authorized_keys),
    }
    if settings.user == "root":
        document["disable_root"] = False
    return _HEADER + json.dumps(document, indent=2) + "\n"


def public_key_in(text: str) -> str | None:
    """The public host key that `user_data` has put into it; None when it is not of ours."""
    try:
        found = json.loads(text.removeprefix(_HEADER))["ssh_keys"]["ed25519_public"]
    except (ValueError, TypeError, KeyError):
        return None
    return found if isinstance(found, str) and found.startswith(_KINDS) else None
