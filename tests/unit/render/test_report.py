"""The page: what it draws, what it says, and that nothing from elsewhere is markup in it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from phoenixctl.metrics.windows import Window
from phoenixctl.model.fleet import Targets
from phoenixctl.model.reading import Unit
from phoenixctl.performance.over_time import over_time
from phoenixctl.performance.verdict import judge
from phoenixctl.ports.records import Entry
from phoenixctl.render.report.chart import Chart, Line, spark, svg
from phoenixctl.render.report.page import Report, page
from phoenixctl.render.status import StatusView
from phoenixctl.render.targets import Period
from phoenixctl.render.values import in_unit
from tests.builders import agent, fleet, node, seen, snapshot

START, UNTIL = 1_000_000.0, 1_003_600.0
TIMES = START + np.arange(0, 3600, 60.0)


def line(values: object, name: str = "web-1") -> Line:
    return Line(name, TIMES, np.broadcast_to(np.asarray(values, np.float64), TIMES.shape))


def chart(*lines: Line, target: float | None = None, zero: bool = True) -> Chart:
    return Chart(
        "CPU", START, UNTIL, lines, lambda v: in_unit(v, Unit.RATIO), target=target, zero=zero
    )


def drawn(chart: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(svg(chart))


def labels(chart: Chart) -> list[str]:
    return [text.text or "" for text in drawn(chart).iter("text")]


def corners(points: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in points.split())]


def test_a_line_is_drawn_from_left_to_right_and_higher_values_are_further_up() -> None:
    found = drawn(chart(line(np.linspace(0.1, 0.9, 60))))
    (polyline,) = found.iter("polyline")
    points = corners(polyline.attrib["points"])
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert len(points) == 60


def test_the_axis_has_round_numbers_and_begins_at_nought_unless_it_is_told_not_to() -> None:
    assert labels(chart(line(np.linspace(0.1, 0.93, 60))))[:3] == ["0%", "50%", "100%"]
    near_one = labels(chart(line(np.r_[np.full(59, 1.0), 0.97]), zero=False))
    assert near_one[0] == "96%"
    assert "0%" not in near_one


def test_a_gap_in_what_is_known_is_a_gap_in_the_line() -> None:
    values = np.full(60, 0.5)
    values[20:40] = np.nan
    assert len(list(drawn(chart(line(values))).iter("polyline"))) == 2


def test_values_far_apart_are_joined_when_all_are() -> None:
    values = np.full(60, np.nan)
    values[::10] = 0.5
    assert len(list(drawn(chart(line(values))).iter("polyline"))) == 1


def test_the_target_is_in_sight_unless_it_is_far_away() -> None:
    classes = {each.get("class") for each in drawn(chart(line(0.5), target=0.75)).iter("line")}
    assert "target" in classes
    far = chart(line(0.001), target=0.75)
    assert "target" not in {each.get("class") for each in drawn(far).iter("line")}


def test_a_band_spans_from_the_lowest_to_the_highest() -> None:
    banded = Chart(
        "CPU", START, UNTIL, [line(0.5)], str, band=(line(0.2, "lowest"), line(0.8, "highest"))
    )
    (polygon,) = drawn(banded).iter("polygon")
    heights = {y for _, y in corners(polygon.attrib["points"])}
    (polyline,) = drawn(banded).iter("polyline")
    ((_, middle), *_) = corners(polyline.attrib["points"])
    assert len(heights) == 2
    assert min(heights) < middle < max(heights)


def test_nothing_known_is_said_and_not_drawn() -> None:
    assert svg(chart(line(np.nan))) == '<p class="none">nothing is kept of this window</p>'
    assert "<polyline" not in spark(line(np.nan), START, UNTIL)


def report_of(name: str = "shop", node_name: str = "web-1") -> Report:
    web = node(node_name)
    wanted = fleet(web)
    found = snapshot(seen(node_name, agent("api-0")))
    status = StatusView(wanted, found, judge(wanted, found), (), tuple(found.nodes.values()))
    return Report(
        status=status,
        window=name,
        start=START,
        until=UNTIL,
        periods=[Period("hour", over_time(Targets(), {}, Window(START, UNTIL)))],
        charts=[chart(line(0.5), target=0.75)],
        sparks={node_name: line(0.5)},
        operations=[Entry("1", "<script>alert(1)</script>\x1b[31m", "me", "now", "ok", 2, 0)],
    )


def test_the_page_says_how_the_fleet_is_and_shows_all_sections() -> None:
    text = page(report_of())
    for title in ("Targets", "The last shop", "Nodes, worst first", "Agents", "What was done"):
        assert f"<h2>{title}</h2>" in text
    assert text.count("<svg") == 2
    assert "api-0" in text


def test_text_from_elsewhere_is_text_in_the_page() -> None:
    text = page(report_of(name="<img src=x onerror=alert(1)>"))
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;" in text


def test_the_page_needs_nothing_from_elsewhere_and_may_load_nothing() -> None:
    text = page(report_of())
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|src=|@import|url\(", text)


@pytest.mark.parametrize("count", [1, 59, 60])
def test_a_spark_is_as_long_as_what_is_known(count: int) -> None:
    values = np.full(60, np.nan)
    values[:count] = 0.5
    assert len(re.findall(r"<polyline", spark(line(values), START, UNTIL))) == 1
