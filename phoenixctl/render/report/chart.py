"""Values over time as a graph in SVG, which a browser scales and a reader can point at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.render.plots import resampled

Floats = NDArray[np.float64]

WIDTH: Final = 460  # about what it has on a page, so that its text is as large as other text
HEIGHT: Final = 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 10, 20
_POINTS: Final = 240  # more than this no screen tells apart
_COLOURS: Final = 6  # of lines; the style sheet has them
_FRESH_PARTS: Final = 3  # of a gap, up to which a line goes on


@dataclass(frozen=True, eq=False)
class Line:
    """`values` at `times`, both of shape (times,); NaN is unknown."""

    name: str
    times: Floats
    values: Floats


@dataclass(frozen=True, eq=False)
class Chart:
    """Lines over one window, in one unit. `band` has the lowest and highest of many more."""

    title: str
    start: float
    until: float
    lines: Sequence[Line]
    label: Callable[[float], str]
    target: float | None = None
    band: tuple[Line, Line] | None = None
    zero: bool = True  # the axis begins there


def svg(chart: Chart) -> str:
    """The graph; a note instead where nothing is known."""
    drawn = [(line.name, _points(chart, line)) for line in chart.lines]
    band = None if chart.band is None else [_points(chart, line) for line in chart.band]
    known = [v for _, points in drawn for v in points if math.isfinite(v)]
    known += [v for points in band or () for v in points if math.isfinite(v)]
    if not known:
        return '<p class="none">nothing is kept of this window</p>'
    low, high, step = _range(chart, known)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">',
        *_axes(chart, low, high, step),
    ]
    if band is not None:
        parts.append(_area(band[0], band[1], low, high))
    if chart.target is not None and low <= chart.target <= high:
        y = _y(chart.target, low, high)
        parts.append(
            f'<line class="target" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}">'
            f"<title>target {escape(chart.label(chart.target))}</title></line>"
        )
    parts += (
        _path(name, points, low, high, number % _COLOURS)
        for number, (name, points) in enumerate(drawn)
    )
    return "".join((*parts, "</svg>"))


def spark(line: Line, start: float, until: float) -> str:
    """A line alone, as high as text, from zero up."""
    points = resampled(
        line.times.tolist(), line.values.tolist(), start=start, until=until, count=60
    )
    top = max((value for value in points if math.isfinite(value)), default=0.0) or 1.0
    parts = (
        " ".join(f"{2 * i:.0f},{17 - 15 * value / top:.1f}" for i, value in piece)
        for piece in _pieces(points)
    )
    lines = "".join(f'<polyline points="{points}"/>' for points in parts)
    return f'<svg class="spark" viewBox="0 0 120 18" aria-hidden="true">{lines}</svg>'


def _points(chart: Chart, line: Line) -> list[float]:
    return resampled(
        line.times.tolist(),
        line.values.tolist(),
        start=chart.start,
        until=chart.until,
        count=_POINTS,
    )


def _range(chart: Chart, known: Iterable[float]) -> tuple[float, float, float]:
    """The lowest and highest value of the axis, and the step of its labels, all round numbers."""
    low, high = min(known), max(known)
    if chart.target is not None and chart.target <= 4 * max(high, 1e-12):
        high, low = max(high, chart.target), min(low, chart.target)
    if chart.zero:
        low = min(low, 0.0)
    if high == low:
        high = low + (abs(low) or 1.0) * (1.0 if chart.zero else 0.01)
    step = _round_step((high - low) / 2.5)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def _round_step(about: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, the next one above."""
    power = 10.0 ** math.floor(math.log10(about))
    return next(part * power for part in (1, 2, 2.5, 5, 10) if part * power >= about * (1 - 1e-9))


def _x(part: int) -> float:
    return _LEFT + (part + 0.5) / _POINTS * (WIDTH - _LEFT - _RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return _TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BOTTOM)


def _axes(chart: Chart, low: float, high: float, step: float) -> Iterator[str]:
    for number in range(round((high - low) / step) + 1):
        value = low + number * step
        y = _y(value, low, high)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        label = escape(chart.label(value))
        yield f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>'
    form = "%H:%M" if chart.until - chart.start <= 2 * 86_400 else "%d %b"
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x = _LEFT + share * (WIDTH - _LEFT - _RIGHT)
        moment = datetime.fromtimestamp(chart.start + share * (chart.until - chart.start), UTC)
        yield (f'<text x="{x:.0f}" y="{HEIGHT - 5}" text-anchor="{anchor}">{moment:{form}}</text>')


def _path(name: str, points: Sequence[float], low: float, high: float, colour: int) -> str:
    pieces = [
        " ".join(f"{_x(i):.1f},{_y(value, low, high):.1f}" for i, value in piece)
        for piece in _pieces(points)
    ]
    lines = "".join(f'<polyline points="{piece}"/>' for piece in pieces)
    return f'<g class="line c{colour}"><title>{escape(name)}</title>{lines}</g>'


def _area(lows: Sequence[float], highs: Sequence[float], low: float, high: float) -> str:
    found = []
    for piece in _pieces(highs):
        there = [(i, value) for i, value in piece if math.isfinite(lows[i])]
        back = [(i, lows[i]) for i, _ in reversed(there)]
        corners = " ".join(f"{_x(i):.1f},{_y(v, low, high):.1f}" for i, v in (*there, *back))
        found.append(f'<polygon class="band" points="{corners}"/>')
    return "".join(found)


def _pieces(points: Sequence[float]) -> list[list[tuple[int, float]]]:
    """Known points that follow each other; a gap no longer than between any two is none."""
    known = [(i, value) for i, value in enumerate(points) if math.isfinite(value)]
    if not known:
        return []
    gaps = sorted(b[0] - a[0] for a, b in itertools.pairwise(known)) or [1]
    usual = gaps[len(gaps) // 2] * _FRESH_PARTS
    pieces = [[known[0]]]
    for before, point in itertools.pairwise(known):
        if point[0] - before[0] > usual:
            pieces.append([])
        pieces[-1].append(point)
    # A value alone would be a line without length, which is not drawn.
    return [
        piece if len(piece) > 1 else [*piece, (piece[0][0] + 1, piece[0][1])] for piece in pieces
    ]
