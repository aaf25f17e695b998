"""Promises that can be read off the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import phoenixctl

ROOT = Path(phoenixctl.__file__).parent
FILES = {str(path.relative_to(ROOT)): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (found for found in ast.walk(tree) if isinstance(found, ast.Call))


def imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            found.add(statement.module.partition(".")[0])
    return found


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 100


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("asyncssh", {"ssh"}),
        ("boto3", {"providers", "store"}),
        ("pydantic", {"settings"}),
        ("urllib3", {"store"}),
        ("cramjam", {"store"}),
        ("typer", {"cli"}),
        ("psutil", {"providers", "ssh"}),  # the life of embedded nodes
    ],
)
def test_a_library_is_known_in_its_own_rooms_only(library: str, rooms: set[str]) -> None:
    strangers = {n for n in FILES if library in imports(TREES[n]) and n.split("/")[0] not in rooms}
    assert strangers == set()


def test_only_the_live_view_draws_on_the_whole_screen() -> None:
    known = {name for name in FILES if "textual" in imports(TREES[name])}
    assert known
    assert all(name.startswith("cli/top/") for name in known)


def test_only_the_ssh_room_speaks_of_asyncssh_in_code() -> None:
    def speaks(tree: ast.AST) -> bool:
        return any(isinstance(n, ast.Name | ast.Attribute) and "asyncssh" in ast.dump(n)
                   for n in ast.walk(tree))  # fmt: skip

    assert {name for name in FILES if speaks(TREES[name]) and not name.startswith("ssh/")} == set()


@pytest.mark.parametrize("name", FILES)
def test_no_shell_no_unverified_host_no_unsafe_loader(name: str) -> None:
    for call in calls(TREES[name]):
        given = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
        assert given.get("shell") is not True
        assert "known_hosts" not in given or given["known_hosts"] is not None
        called = ast.unparse(call.func)
        if called == "asyncio.create_subprocess_shell":
            # OpenSSH gives the user's own ProxyCommand to a shell.
            assert name == "ssh/connect.py"
            assert "proxy_command" in ast.unparse(call.args[0])
        if called == "pickle.loads":
            # A copy of the configuration, which nobody but the operator can write.
            assert name == "settings/compiled.py"
        assert called not in {
            "os.system", "os.popen", "eval", "exec", "pickle.load", "yaml.load",
            "yaml.unsafe_load", "subprocess.getoutput",
        }  # fmt: skip


def test_nothing_is_made_private_after_its_creation() -> None:
    changing = {
        name
        for name in FILES
        for call in calls(TREES[name])
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("chmod", "fchmod")
    }
    # A copy gets the mode of its original.
    assert changing <= {"ssh/sftp_files.py", "ssh/shell_files.py", "ssh/transfer.py"}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_one_idea_and_a_function_can_be_read_at_once(name: str) -> None:
    assert len(FILES[name].read_text().splitlines()) <= 400
    for found in ast.walk(TREES[name]):
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = sum(isinstance(n, ast.stmt) for n in ast.walk(found)) - 1
            assert inner <= 30, found.name
