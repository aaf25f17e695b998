"""The body of a remote write request: four messages of Protocol Buffers, packed by Snappy.

WriteRequest { TimeSeries timeseries = 1; }    TimeSeries { Label labels = 1; Sample samples = 2; }
Label { string name = 1; string value = 2; }   Sample { double value = 1; int64 timestamp = 2; }

They are frozen in that form, and nothing of it is optional for us. Google's library would bring
code made for one release of it and an object for each label, for what is a few joins here: of a
series that was sent before, all but the sample is kept as bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

import cramjam


def series_head(labels: Mapping[str, str]) -> bytes:
    """The labels of a series, which are in the order of names."""
    return b"".join(
        _block(0x0A, _block(0x0A, name.encode()) + _block(0x12, value.encode()))
        for name, value in labels.items()
    )


def write_request(series: Iterable[tuple[bytes, float]], at_milliseconds: int) -> bytes:
    """One sample of each series: its head and its value."""
    when = b"\x10" + _varint(at_milliseconds)
    parts: list[bytes] = []
    for head, value in series:
        sample = b"\x09" + struct.pack("<d", value) + when
        parts.append(_block(0x0A, head + _block(0x12, sample)))
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))


def _block(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1  # what is negative has the two's complement of 64 bits
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
