import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.remote.quoting import to_shell
from tests.needs import program

words = st.lists(st.text(st.characters(exclude_characters="\0"), max_size=20), min_size=1)


@given(words)
def test_a_line_splits_into_the_arguments_it_was_made_of(argv: list[str]) -> None:
    assert shlex.split(to_shell(argv)) == argv


@pytest.mark.parametrize(
    "argv",
    [
        ["systemctl", "stop", "ingest-0.service"],
        ["sh", "-c", "x"],
        ["date", "+%s"],
        ["ls", "--color=never", "/a,b/c@d:e"],
    ],
)
def test_plain_words_stay_readable(argv: list[str]) -> None:
    assert to_shell(argv) == " ".join(argv)


def test_an_argument_that_looks_like_an_assignment_is_not_one() -> None:
    assert to_shell(["A=b", "c=d", "=e"]) == "'A=b' 'c=d' '=e'"


def test_a_reserved_word_is_the_name_of_a_program() -> None:
    assert to_shell(["if", "then"]) == "'if' then"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), max_size=10)))
@pytest.mark.parametrize("shell", ["fish", "zsh", "tcsh", "dash", "bash"])
def test_every_login_shell_reads_it_alike(shell: str, argv: list[str]) -> None:
    program(shell)
    line = to_shell(["printf", r"%s\0", "-", *argv])
    printed = subprocess.run([shell, "-c", line], capture_output=True, check=True).stdout
    assert printed.decode().split("\0")[1:-1] == argv
