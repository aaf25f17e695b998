"""Speeds of links, in decimal units as network people write them."""

from __future__ import annotations

import re
from typing import Final

_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)bit(?:/s)?")
_FACTORS: Final = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def parse_bit_rate(text: str) -> float:
    """Bits a second in `100Mbit/s`, `10Gbit`; ValueError says what was expected."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a bit rate; write it like 100Mbit/s or 10Gbit/s")
    return float(match[1]) * _FACTORS[match[2]]
