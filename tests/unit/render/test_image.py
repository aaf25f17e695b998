"""Pictures of metrics."""

from __future__ import annotations

import builtins
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import History, Tier
from phoenixctl.metrics.windows import Window
from phoenixctl.model.errors import UsageError
from phoenixctl.render.image import image
from phoenixctl.render.metrics import Shown

TIMES = np.arange(0.0, 3600.0, 60.0)


def metric(name: str = "cpu_utilization", subjects: tuple[str, ...] = ("web-1", "web-2")) -> Shown:
    values = np.tile(np.linspace(0.1, 0.9, TIMES.size)[:, None], (1, len(subjects)))
    history = History(TIMES, subjects, values.astype(np.float32))
    return Shown(name, Kind.GAUGE, Tier.SECOND, history, Window(0.0, 3600.0))


def texts(svg: bytes) -> str:
    """What is drawn of text: glyphs are paths, with what they say in comments."""
    return svg.decode()


def test_a_png_is_one() -> None:
    assert image([metric()], "png").startswith(b"\x89PNG\r\n\x1a\n")


def test_an_svg_has_a_graph_for_each_metric_and_names_its_lines() -> None:
    found = image([metric(), metric("rss", ("web-1/api-0",))], "svg")
    root = ElementTree.fromstring(found)
    axes = [e for e in root.iter() if e.get("id", "").startswith("axes_")]
    assert len(axes) == 2
    for text in ("cpu_utilization", "rss", "web-2", "60%"):
        assert f"<!-- {text} -->" in texts(found)


def test_the_same_values_make_the_same_file() -> None:
    assert image([metric()], "svg") == image([metric()], "svg")


def test_names_are_text_and_no_formula() -> None:
    assert "$x_$" in texts(image([metric('m{a="$x_$"}')], "svg"))


def test_of_many_lines_the_first_are_named() -> None:
    found = texts(image([metric(subjects=tuple(f"n{i:02}" for i in range(30)))], "svg"))
    assert "<!-- n11 -->" in found
    assert "<!-- n12 -->" not in found


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError) as caught:
        image([metric()], "png")
    assert "phoenixctl[plot]" in (caught.value.hint or "")
