"""One SSH connection, from the socket to the end of authentication, without another's defaults.

`asyncssh.connect` prepares its options anew for every connection and tells unknown, changed and
revoked host keys apart only by their text. So the connection object is made here, from options
that were prepared once, and judges the host key itself. This leans on four things of asyncssh
that the host-key matrix in tests/faults holds in place: the constructor of SSHClientConnection,
`options.waiter`, `_protocol_factory`, and `validate_server_host_key`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import copy
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, cast

from asyncssh import (
    HostKeyNotVerifiable,
    SSHClient,
    SSHClientConnection,
    SSHClientConnectionOptions,
    SSHKey,
)
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_certificate_algs, get_public_key_algs

from phoenixctl.model.errors import ConfigError, HostKeyError
from phoenixctl.ssh.identity import Keys
from phoenixctl.ssh.route import Hop, Login
from phoenixctl.ssh.trust import HOST_KEY_ALGORITHMS, Trust

# Cheap and strong first: an ML-KEM exchange costs 0.1 ms, sntrup761 some 80.
_KEX: Final = (
    "mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256", "diffie-hellman-group-exchange-sha256",
)  # fmt: skip
_CIPHERS: Final = (
    "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com",
    "aes128-ctr", "aes192-ctr", "aes256-ctr",
)  # fmt: skip
_MACS: Final = (
    "umac-128-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256", "hmac-sha2-512",
)  # fmt: skip
_CA_SIGNATURES: Final = HOST_KEY_ALGORITHMS


def shared_options(login: Login, *, keepalive_seconds: float) -> SSHClientConnectionOptions:
    """Everything that connections of one login have in common, prepared once."""
    return SSHClientConnectionOptions(
        config=None,
        username=login.user,
        client_keys=None,
        agent_path=None,
        known_hosts=_nobody,
        preferred_auth="publickey",
        public_key_auth=True,
        kex_algs=_algorithms("KexAlgorithms", login.kex, _KEX, get_kex_algs()),
        encryption_algs=_algorithms("Ciphers", login.ciphers, _CIPHERS, get_encryption_algs()),
        mac_algs=_algorithms("MACs", login.macs, _MACS, get_mac_algs()),
        signature_algs=_algorithms(
            "CASignatureAlgorithms", login.ca_signatures, _CA_SIGNATURES, get_public_key_algs()
        ),
        compression_algs=["none"],
        x509_trusted_certs=None,
        gss_host=None,
        gss_kex=False,
        gss_auth=False,
        host_based_auth=False,
        kbdint_auth=False,
        password_auth=False,
        login_timeout=0,  # the whole connect has a deadline of its own
        keepalive_interval=keepalive_seconds,
        keepalive_count_max=1,  # a frozen peer is noticed within two intervals
        encoding=None,
    )


# Together the ten sessions that sshd allows on a connection (MaxSessions) unless it is told
# otherwise: however many commands run, there is room to end them.
COMMANDS_AT_ONCE: Final = 8
ENDINGS_AT_ONCE: Final = 2


@lru_cache
def host_key_algorithms(wanted: str | None) -> tuple[str, ...]:
    """The host key algorithms that the user's configuration leaves, best first."""
    possible = [*get_certificate_algs(), *get_public_key_algs()]
    return tuple(_algorithms("HostKeyAlgorithms", wanted, HOST_KEY_ALGORITHMS, possible))


class Connection(SSHClientConnection):
    """A connection that asks `trust` about the host key; `refusal` keeps the answer.

    Who runs a command takes one of its `places` first, who ends one a place of `endings`.
    """

    refusal: HostKeyError | None = None
    logging_in = False

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: SSHClientConnectionOptions,
        trust: Trust,
    ) -> None:
        super().__init__(loop, options, wait="auth")
        self._trust = trust
        self._protocol_factory = lambda: _Progress(self)
        self.places = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self.endings = asyncio.Semaphore(ENDINGS_AT_ONCE)
        if options.client_keys:
            # A key is all we offer then: to ask for the methods first would cost a round trip.
            self._auth_methods = [b"publickey"]
        self.ready = cast(asyncio.Future[None], options.waiter)

    def validate_server_host_key(self, key_data: bytes) -> SSHKey:
        key, self.refusal = self._trust.judge(key_data)
        if key is None:
            raise HostKeyNotVerifiable("the host key is not trusted")
        return key

    @property
    def greeted(self) -> bool:
        """Whether the server has said that it speaks SSH."""
        return self.get_extra_info("server_version") is not None


def connection_to(
    hop: Hop, keys: Keys, trust: Trust, shared: SSHClientConnectionOptions
) -> Connection:
    """A connection that waits for its transport; then `await connection.ready`."""
    loop = asyncio.get_running_loop()
    options = copy(shared)
    options.host = options.orig_host = hop.host
    options.port = hop.port
    options.waiter = loop.create_future()
    options.client_keys = keys.fresh()
    options.server_host_key_algs = trust.algorithms(host_key_algorithms(hop.host_key_algorithms))
    return Connection(loop, options, trust)


class _Progress(SSHClient):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin_auth(self, _username: str) -> None:
        self._connection.logging_in = True


def _nobody(_host: str, _address: str, _port: int | None) -> tuple[Sequence[str], ...]:
    """asyncssh's own look-up finds nothing: `Connection` does it."""
    return (), (), ()


def _algorithms(
    option: str, wanted: str | None, preferred: Sequence[str], possible: Sequence[bytes]
) -> list[str]:
    """OpenSSH's algorithm lists: `a,b*` replaces ours, `+a` adds, `-a` removes, `^a` goes first."""
    known = [name.decode("ascii") for name in possible]
    ours = [name for name in preferred if name in known]
    if not wanted:
        return ours
    sign = wanted[0] if wanted[0] in "+-^" else ""
    patterns = wanted[len(sign) :].split(",")
    named = [name for pattern in patterns for name in known if fnmatchcase(name, pattern)]
    chosen = {
        "": named,
        "+": ours + named,
        "-": [name for name in ours if name not in named],
        "^": named + ours,
    }[sign]
    if not chosen:
        raise ConfigError(f"{option} {wanted}: none of these is supported")
    return list(dict.fromkeys(chosen))
