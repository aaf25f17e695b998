"""A whole page of Prometheus' text or OpenMetrics, as samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from math import isnan
from typing import Final

from phoenixctl.model.measuring import Sample
from phoenixctl.remote.exposition import sample_of

_TYPE: Final = re.compile(r"#[ \t]+TYPE[ \t]+([A-Za-z_:][A-Za-z0-9_:]*)[ \t]+([a-z]+)")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_PARTS: Final = ("_bucket", "_sum", "_count")  # of histograms and summaries; they only grow
_CREATED: Final = "_created"  # OpenMetrics says when a counter began


def parse_page(text: bytes, patterns: Sequence[str] = (), *, most: int) -> tuple[Sample, ...]:
    """Known values of the names that fit a pattern (none: of all), at most `most` and one more.

    Parts of a histogram stay counters, a bucket each. Lines that are no samples are left out, and
    so is a last line without its end, which may be cut off in the middle of a number.
    """
    wanted = re.compile("|".join(map(translate, patterns)) or ".*", re.DOTALL)
    types: dict[str, str] = {}
    found: list[Sample] = []
    for whole_line in text.decode("utf-8", "replace").split("\n")[:-1]:
        line = whole_line.strip(" \t\r")
        if line.startswith("#"):
            typed = _TYPE.fullmatch(line)
            if typed:
                types[typed[1]] = typed[2]
            continue
        sample = sample_of(line)
        if sample is None or isnan(sample[2]) or not wanted.match(sample[0]):
            continue
        name, labels, value = sample
        if name.endswith(_CREATED) and name.removesuffix(_CREATED) in types:
            continue
        meant = tuple((key, _meant(text)) for key, text in labels)
        found.append(Sample(name, value, meant, _kind(name, types)))
        if len(found) > most:
            break
    return tuple(found)


def _kind(name: str, types: dict[str, str]) -> str:
    if types.get(name) == "counter" or types.get(name.removesuffix("_total")) == "counter":
        return "counter"
    part = next((end for end in _PARTS if name.endswith(end)), "")
    grows = part and types.get(name.removesuffix(part)) in ("histogram", "summary")
    return "counter" if grows else "gauge"


def _meant(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], value)
