"""Metrics over time as a picture, PNG or SVG, by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from phoenixctl.metrics.kinds import Kind
from phoenixctl.model.errors import UsageError
from phoenixctl.render.metric_values import shown, unit_of
from phoenixctl.render.metrics import Shown
from phoenixctl.render.neutral import one_line

FORMS: Final = ("png", "svg")
_NAMED: Final = 12  # lines with a name beside the graph; more would hide it
_INCHES: Final = (9.0, 3.0)  # of one graph


def image(found: Sequence[Shown], form: str) -> bytes:
    """One graph below the other, each of one metric with a line for each of its subjects.

    `form`: png or svg. UsageError without matplotlib.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure  # no window and no state, unlike pyplot
    except ImportError:
        raise UsageError(
            "pictures need matplotlib, which is not installed",
            hint="pip install 'phoenixctl[plot]', or metrics get --plot",
        ) from None
    with mpl.rc_context({"svg.hashsalt": "phoenixctl", "font.size": 9}):
        figure = Figure(figsize=(_INCHES[0], _INCHES[1] * len(found)), layout="constrained")
        for one, axes in zip(found, figure.subplots(len(found), squeeze=False)[:, 0], strict=True):
            _draw(one, axes)
        content = io.BytesIO()
        # Without a date: the same values make the same file.
        about = {"Date": None} if form == "svg" else {}
        figure.savefig(content, format=form, dpi=150, metadata=about)
    return content.getvalue()


def _draw(one: Shown, axes: Any) -> None:
    from matplotlib import dates
    from matplotlib.ticker import FuncFormatter

    moments = [datetime.fromtimestamp(at, UTC) for at in one.history.times.tolist()]
    course = one.course()
    for number, subject in enumerate(one.history.subjects):
        values = course[:, number]
        known = np.flatnonzero(~np.isnan(values))
        label = _literal(subject) if number < _NAMED else "_"
        axes.plot([moments[n] for n in known], values[known], linewidth=1.2, label=label)
    axes.set_title(_literal(one.metric), loc="left", fontweight="bold")
    axes.set_xlim(*(datetime.fromtimestamp(at, UTC) for at in (one.window.start, one.window.until)))
    axes.xaxis_date(tz=UTC)
    axes.xaxis.set_major_formatter(_concise(dates, axes.xaxis.get_major_locator()))
    counter = one.kind is Kind.COUNTER
    if counter or unit_of(one.metric) is not None:
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: shown(one.metric, value, per_second=counter))
        )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    if len(one.history.subjects) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _concise(dates: Any, locator: Any) -> Any:
    return dates.ConciseDateFormatter(locator, tz=UTC)


def _literal(text: str) -> str:
    """A dollar sign would begin a formula."""
    return one_line(text).replace("$", r"\$")
