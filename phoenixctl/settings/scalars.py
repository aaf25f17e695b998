"""What a plain YAML scalar means, and the ones that YAML readers disagree about."""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import Final, TypeAlias


class Unreadable(Enum):
    """Stands for a value whose problem is already reported, so that it is reported once."""

    VALUE = "unreadable"


class WrittenInt(int):
    """A whole number whose text is not what Python would write, such as `+5`."""

    text: str


class WrittenFloat(float):
    """A number whose text is not what Python would write, such as `1.10`."""

    text: str


Plain: TypeAlias = str | int | float | bool | None

_WORDS: Final[dict[str, bool | None]] = {
    "true": True, "false": False, "null": None, "~": None, "": None,
}  # fmt: skip
_TRUE_ELSEWHERE: Final = frozenset({"yes", "on", "true"})
_FALSE_ELSEWHERE: Final = frozenset({"no", "off", "false"})
_WHOLE: Final = re.compile(r"[-+]?[0-9]+")
_DECIMAL: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9][0-9.eE+_-]*")
_OTHER_BASE: Final = re.compile(r"[-+]?0(?:[xX][0-9A-Fa-f_]+|[oO][0-7_]+|[bB][01_]+)")
_GROUPED: Final = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?")
_SEXAGESIMAL: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_NUMBER: Final = 40


def read_plain(text: str) -> Plain:
    """The value of an unquoted scalar: null, true, false, numbers in base ten, else text.

    ValueError says what is wrong with a scalar that YAML 1.1 and 1.2 readers take differently.
    """
    if text in _WORDS:
        return _WORDS[text]
    if not text[0].isdigit() and text[0] not in "+-.":
        _refuse_words(text)
        return text
    _refuse_numbers(text)
    if _WHOLE.fullmatch(text):
        return _kept(int(text), text)
    if _DECIMAL.fullmatch(text):
        return _kept(float(text), text)
    return text


def _kept(number: float, text: str) -> float:
    if not math.isfinite(number):
        raise ValueError(f"`{text}` is too large for a number")
    if str(number) == text:
        return number
    written = WrittenInt(number) if isinstance(number, int) else WrittenFloat(number)
    written.text = text
    return written


def _refuse_words(text: str) -> None:
    word = text.lower()
    for words, meaning in ((_TRUE_ELSEWHERE, "true"), (_FALSE_ELSEWHERE, "false")):
        if word in words:
            raise ValueError(
                f"`{text}` is a boolean to some YAML readers and a word to others; "
                f'write {meaning}, or "{text}" in quotes for the word'
            )
    if word == "null":
        raise ValueError(f'`{text}`: write null, or "{text}" in quotes for the word')


def _refuse_numbers(text: str) -> None:
    if _LEADING_ZERO.fullmatch(text):
        raise ValueError(
            f"`{text}` is octal to some YAML readers and decimal to others; "
            f'write it without the leading zero, or "{text}" in quotes for the text'
        )
    if _SEXAGESIMAL.fullmatch(text):
        raise ValueError(
            f'`{text}` is a number in base 60 to some YAML readers; write "{text}" in quotes'
        )
    if _OTHER_BASE.fullmatch(text) or _GROUPED.fullmatch(text):
        raise ValueError(
            f"`{text}` is a number to some YAML readers and text to others; "
            f'write it in plain decimal digits, or "{text}" in quotes for the text'
        )
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f'`{text}` is not a number here; write "{text}" in quotes for the text')
    if len(text) > _LONGEST_NUMBER and _DECIMAL.fullmatch(text):
        raise ValueError(f"a number of {len(text)} characters; quote it if it is text")
