"""The one place where an argument list becomes text for a shell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

# An equals sign is plain in an option only: `a=b` would be an assignment in front of a command,
# and zsh expands `=name`.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+:,./-]+|-[A-Za-z0-9_@%+=:,./-]+")

# Words that a shell reads as grammar where a command's name is expected.
_RESERVED: Final = frozenset({
    "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for",
    "in", "function", "select", "coproc", "time", "begin", "end", "and", "or", "not", "switch",
    "foreach", "repeat",
})  # fmt: skip


def to_shell(argv: Sequence[str]) -> str:
    """The arguments as one line that a POSIX shell splits into exactly these arguments again.

    fish and zsh read it alike; csh too unless an argument holds a newline. Bytes that are not
    UTF-8 may be in `argv` as surrogates (`surrogateescape`): encode the line the same way.
    """
    words = [_quoted(argument) for argument in argv]
    if argv and argv[0] in _RESERVED:
        words[0] = f"'{argv[0]}'"
    return " ".join(words)


@lru_cache(maxsize=64)  # the script for all nodes is quoted once
def _quoted(argument: str) -> str:
    if _PLAIN.fullmatch(argument):
        return argument
    # A backslash is special between single quotes in fish, an exclamation mark in csh; outside of
    # quotes and behind a backslash all shells take them, and the quote itself, as they are.
    return "'" + re.sub(r"['\\!]", r"'\\\g<0>'", argument) + "'"
