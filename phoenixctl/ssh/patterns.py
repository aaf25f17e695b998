"""OpenSSH's host patterns: `*`, `?` and negation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern matches and no negated one (`!…`) does."""
    found = False
    for pattern in patterns:
        negated = pattern.startswith("!")
        if _compiled(pattern[1:] if negated else pattern).fullmatch(name):
            if negated:
                return False
            found = True
    return found


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (
        {"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern.lower()
    )
    return re.compile("".join(parts), re.DOTALL)
