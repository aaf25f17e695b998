"""Quantities with units: parsed from what people write, formatted for what people read."""

from __future__ import annotations

import re
from typing import Final, NewType

Bytes = NewType("Bytes", int)

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3
TIB: Final = 1024**4

_BYTE_UNITS: Final = {
    "": 1, "b": 1,
    "k": 1000, "kb": 1000, "ki": KIB, "kib": KIB,
    "m": 1000**2, "mb": 1000**2, "mi": MIB, "mib": MIB,
    "g": 1000**3, "gb": 1000**3, "gi": GIB, "gib": GIB,
    "t": 1000**4, "tb": 1000**4, "ti": TIB, "tib": TIB,
}  # fmt: skip
_DURATION_UNITS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_BYTES: Final = re.compile(rf"({_NUMBER})\s*([A-Za-z]*)")
_DURATION_PART: Final = re.compile(rf"({_NUMBER})(ms|[smhdw])")
_CORES: Final = re.compile(rf"({_NUMBER})(m?)")
_RATIO: Final = re.compile(rf"({_NUMBER})(%?)")


def parse_bytes(text: str) -> Bytes:
    """Bytes in `256MiB`, `1.5G` (powers of 1000), `4096`; ValueError says what was expected."""
    match = _BYTES.fullmatch(text.strip())
    factor = _BYTE_UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"{text!r} is not a size; write it like 256MiB, 2GiB or 500M")
    return Bytes(round(float(match[1]) * factor))


def parse_duration(text: str) -> float:
    """Seconds in `30s`, `500ms`, `1h30m`; ValueError says what was expected."""
    text = text.strip()
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write it like 500ms, 30s, 5m or 1h30m")
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


def parse_cores(text: str) -> float:
    """CPU cores in `500m` (0.5), `2`, `1.5`; ValueError says what was expected."""
    match = _CORES.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a number of cores; write it like 500m, 1 or 2.5")
    return float(f"{match[1]}e-3" if match[2] else match[1])


def parse_ratio(text: str) -> float:
    """A share in `75%` or `0.75`; ValueError says what was expected."""
    match = _RATIO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a share; write it like 75% or 0.75")
    return float(f"{match[1]}e-2" if match[2] else match[1])  # 99.9% is 0.999, to the bit


def format_bytes(count: float) -> str:
    """`1.5GiB`: binary units, at most three significant digits."""
    for unit, size in (("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if count >= size - size / 2048:  # what would round to 1024 of the unit below
            return f"{_three_digits(count / size)}{unit}"
    return f"{count:.0f}B"


def format_duration(seconds: float) -> str:
    """`850ms`, `2.5s`, `3m20s`, `2h05m`, `3d04h`: two units at most."""
    if seconds < 0.9995:
        return f"{_three_digits(seconds * 1000)}ms"
    if seconds < 59.95:
        return f"{_three_digits(seconds)}s"
    whole = round(seconds)
    for big, small, size in (("d", "h", 86400), ("h", "m", 3600), ("m", "s", 60)):
        if whole >= size:
            rest = whole % size * (24 if big == "d" else 60) // size
            return f"{whole // size}{big}{rest:02d}{small}"
    return f"{whole}s"


def format_ratio(ratio: float) -> str:
    """`42%`, `0.3%`, `99.95%`: more digits where they matter, near nought and near one."""
    percent = ratio * 100
    if 0 < percent < 1 or 99 <= percent < 100:
        return f"{percent:.2f}".rstrip("0").rstrip(".") + "%"
    return f"{percent:.0f}%"


def format_cores(cores: float) -> str:
    """`500m` below one core, `2.5` above."""
    return f"{cores * 1000:.0f}m" if cores < 1 else f"{cores:g}"


def _three_digits(number: float) -> str:
    if number >= 100:
        return f"{number:.0f}"
    digits = 2 if number < 10 else 1
    return f"{number:.{digits}f}".rstrip("0").rstrip(".")
