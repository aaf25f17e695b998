import hmac
import time
from base64 import b64encode
from pathlib import Path

import pytest

from phoenixctl.model.errors import ConfigError
from phoenixctl.ssh.known_hosts import KnownHosts, Marker
from phoenixctl.ssh.trust import Trust


def key(number: int, kind: str = "ssh-ed25519") -> tuple[bytes, str]:
    """A key's wire data and how a line of known_hosts writes it."""
    name = kind.encode()
    data = (
        len(name).to_bytes(4, "big") + name + (32).to_bytes(4, "big") + bytes([number % 256]) * 32
    )
    return data, f"{kind} {b64encode(data).decode()}"


def hashed(name: str, salt: bytes = b"s" * 20) -> str:
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{b64encode(salt).decode()}|{b64encode(digest).decode()}"


def index(tmp_path: Path, *texts: str) -> KnownHosts:
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / f"known_hosts{number}")
        files[-1].write_text(text)
    return KnownHosts.read([*files, tmp_path / "missing"])


def test_entries_of_all_files_and_forms_are_found(tmp_path: Path) -> None:
    known = index(
        tmp_path,
        f"a,b {key(1)[1]} comment\n@revoked * {key(2)[1]}\n",
        f"{hashed('a')} {key(3)[1]}\n@cert-authority *.x,a {key(4)[1]}\n",
    )
    found = known.find("A")
    assert {(entry.marker, entry.key) for entry in found} == {
        (Marker.KEY, key(1)[0]),
        (Marker.REVOKED, key(2)[0]),
        (Marker.KEY, key(3)[0]),
        (Marker.AUTHORITY, key(4)[0]),
    }
    assert {entry.place for entry in found} == {
        f"{tmp_path}/known_hosts{file}:{line}" for file in (0, 1) for line in (1, 2)
    }
    assert [entry.key for entry in known.find("b") if entry.marker == Marker.KEY] == [key(1)[0]]


def test_a_hashed_name_is_found_again(tmp_path: Path) -> None:
    known = index(tmp_path, f"{hashed('a')} {key(1)[1]}\n{hashed('b')} {key(2)[1]}\n")
    for _ in range(2):
        assert [entry.key for entry in known.find("a")] == [key(1)[0]]
        assert [entry.key for entry in known.find("b")] == [key(2)[0]]
        assert known.find("c") == ()


@pytest.mark.parametrize(
    "line",
    ["a", "a ssh-ed25519", "a ssh-ed25519 AAA!", "@odd a ssh-ed25519 AAAA", "a 1024 35 1234",
     f"a ssh-rsa {key(1)[1].split()[1]}", f"|2|a|b {key(1)[1]}", f"|1|a {key(1)[1]}", "é ü ö"],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_a_problem_with_its_place(tmp_path: Path, line: str) -> None:
    known = index(tmp_path, f"# comment\n\n{line}\nb {key(1)[1]}\n")
    assert len(known.problems) == 1
    assert known.problems[0].startswith(f"{tmp_path}/known_hosts0:3: ")
    assert known.find("b")


def test_keys_of_a_revocation_file_are_revoked_for_every_host(tmp_path: Path) -> None:
    known = index(tmp_path, f"a {key(1)[1]}\n")
    (tmp_path / "revoked").write_text(f"# stolen\n{key(1)[1]} comment\n")
    known.revoke(tmp_path / "revoked")
    assert {entry.marker for entry in known.find("a")} == {Marker.KEY, Marker.REVOKED}
    assert [entry.place for entry in known.find("other")] == [f"{tmp_path}/revoked:2"]


@pytest.mark.parametrize("data", [None, b"SSHKRL\n\0binary", b"ssh-ed25519 broken!\n"])
def test_a_revocation_file_that_cannot_be_followed_stops_us(
    tmp_path: Path, data: bytes | None
) -> None:
    if data is not None:
        (tmp_path / "revoked").write_bytes(data)
    with pytest.raises(ConfigError, match="revoked"):
        index(tmp_path, "").revoke(tmp_path / "revoked")


def test_algorithms_of_known_keys_come_first(tmp_path: Path) -> None:
    ecdsa = key(1, "ecdsa-sha2-nistp256")[1]
    known = index(tmp_path, f"a {ecdsa}\na {key(2, 'ssh-rsa')[1]}\n@cert-authority b {ecdsa}\n")
    order = Trust.of(known, host="a", port=22, alias=None).algorithms()
    assert order[:3] == ["ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"]
    assert "ssh-ed25519" in order
    certified = Trust.of(known, host="b", port=22, alias=None).algorithms()
    assert certified[0].endswith("-cert-v01@openssh.com")
    nobody = Trust.of(known, host="c", port=22, alias=None).algorithms()
    assert not [name for name in nobody if "cert" in name]


def test_an_alias_is_looked_up_without_a_port(tmp_path: Path) -> None:
    known = index(tmp_path, f"alias {key(1)[1]}\n[h]:7 {key(2)[1]}\n")
    assert [e.key for e in Trust.of(known, host="h", port=7, alias="alias").entries] == [key(1)[0]]
    assert [e.key for e in Trust.of(known, host="h", port=7, alias=None).entries] == [key(2)[0]]


def test_two_thousand_hashed_lines_cost_little_per_host(tmp_path: Path) -> None:
    lines = [f"{hashed(f'host{n}', n.to_bytes(20, 'big'))} {key(n)[1]}\n" for n in range(2000)]
    start = time.process_time()
    known = index(tmp_path, "".join(lines))
    for number in range(20):
        assert known.find(f"host{number}")
    # Read once and searched 20 times; parsing it for every host would take half a second.
    assert time.process_time() - start < 0.4


def test_recorded_keys_are_trusted_under_every_name_and_no_others() -> None:
    known = KnownHosts.of([key(1)[1], f"{key(2)[1]} comment", "ssh-ed25519 @@@"])
    trust = Trust.of(known, host="192.0.2.7", port=2222, alias=None)
    assert trust.judge(key(3)[0])[1] is not None
    assert [entry.key for entry in trust.entries] == [key(1)[0], key(2)[0]]
    assert [problem.partition(":")[0] for problem in known.problems] == [
        "a recorded host key cannot be read"
    ]
