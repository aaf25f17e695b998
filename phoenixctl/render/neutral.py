"""The one boundary where remote text becomes safe for a terminal."""

from __future__ import annotations

import re
from typing import Final

# C0 but tab and line feed, DEL, C1; controls of writing direction; separators that break lines;
# invisible characters and tags; lone surrogates. An escape sequence cannot begin without one.
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_BREAKS: Final = re.compile("[\t\n]")


def neutralise(text: str | bytes) -> str:
    """Text in which nothing controls the terminal: what would is shown as `\\x1b`, `\\u202e`.

    Bytes that are not UTF-8 are shown as `\\xff`. Tabs and line feeds stay; a carriage return
    before a line feed is dropped.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    text = text.replace("\r\n", "\n")
    return _UNSAFE.sub(_shown, text)


def one_line(text: str | bytes, *, strip: bool = True) -> str:
    """The same on one line: breaks and tabs become spaces."""
    line = _BREAKS.sub(" ", neutralise(text))
    return line.strip() if strip else line.rstrip()


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
