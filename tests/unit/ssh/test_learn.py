"""Host keys that come into known_hosts files and leave them: nothing else in there changes."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.ssh.known_hosts import KnownHosts
from phoenixctl.ssh.learn import learn, unlearn_others
from phoenixctl.ssh.trust import Trust


def key(letter: str, kind: str = "ssh-ed25519") -> str:
    blob = len(kind).to_bytes(4, "big") + kind.encode() + letter.encode() * 36
    return f"{kind} {b64encode(blob).decode()}"


def trust(path: Path, host: str = "web1", port: int = 22) -> Trust:
    return Trust.of(KnownHosts.read([path]), host=host, port=port, alias=None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "known_hosts"
    path.write_text(
        "# of the shop\n"
        f"web1,10.0.0.1 {key('a')} as made\n"
        f"web1 {key('r', 'ssh-rsa')}\n"
        f"web2 {key('b')}"  # without an end of line
    )
    path.chmod(0o640)
    return path


def test_a_new_key_stands_beside_the_old_one_under_the_same_names(file: Path) -> None:
    before = file.read_text()
    learn(trust(file), key("n"))
    assert file.read_text() == f"{before}\nweb1,10.0.0.1 {key('n')}\n"
    found = {entry.key for entry in trust(file).entries}
    assert len(found) == 3
    learn(trust(file), key("n"))
    assert file.read_text().count(key("n")) == 1


def test_only_others_of_that_type_and_of_that_host_go(file: Path) -> None:
    learn(trust(file), key("n"))
    assert unlearn_others(trust(file), key("n")) == 1
    assert file.read_text() == (
        f"# of the shop\nweb1 {key('r', 'ssh-rsa')}\nweb2 {key('b')}\nweb1,10.0.0.1 {key('n')}\n"
    )
    assert file.stat().st_mode & 0o777 == 0o640
    assert unlearn_others(trust(file), key("n")) == 0
    assert [path.name for path in file.parent.iterdir()] == ["known_hosts"]


def test_a_hashed_name_stays_hashed(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    hashed = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg="  # of 192.168.1.61
    file.write_text(f"{hashed} {key('a')}\n")
    learn(trust(file, "192.168.1.61"), key("n"))
    assert file.read_text().splitlines()[1] == f"{hashed} {key('n')}"


def test_another_port_has_its_own_name(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"[web1]:2222 {key('a')}\n")
    learn(trust(file, port=2222), key("n"))
    assert file.read_text().splitlines()[1] == f"[web1]:2222 {key('n')}"


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    learn(trust(link), key("n"))
    unlearn_others(trust(link), key("n"))
    assert link.is_symlink()
    assert key("a") not in file.read_text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"other {key('a')}", "web1 is in no known_hosts file"),
        (f"web* {key('a')}", ":1 is about several hosts"),
        (f"@cert-authority web1 {key('a')}", "web1 is known by a certificate"),
    ],
)
def test_what_would_not_be_safe_is_refused_and_nothing_is_written(
    tmp_path: Path, line: str, said: str
) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"{line}\n")
    with pytest.raises(CommandFailed) as caught:
        learn(trust(file), key("n"))
    assert said in str(caught.value)
    assert file.read_text() == f"{line}\n"
