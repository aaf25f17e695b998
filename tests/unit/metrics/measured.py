"""Small builders: what was measured, and a fleet that it was measured of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from phoenixctl.metrics.alert_questions import Question, questions
from phoenixctl.metrics.alert_rules import labels_of
from phoenixctl.metrics.alert_state import Standings
from phoenixctl.metrics.alerting import Evaluation, evaluate
from phoenixctl.metrics.series import History
from phoenixctl.model.alerting import Rule
from tests.builders import fleet, node

NOON = 1_800_000_000.0
FLEET = fleet(node("web-1", labels={"rack": "r1"}), node("web-2"), node("db-1", pool="db"))
Points = Mapping[float, float]  # values by seconds after NOON


def history(subjects: Mapping[str, Points]) -> History:
    times = sorted({at for points in subjects.values() for at in points})
    values = np.array(
        [[points.get(at, np.nan) for points in subjects.values()] for at in times], np.float32
    ).reshape(len(times), len(subjects))
    return History(np.array(times, np.float64) + NOON, tuple(subjects), values)


def within(found: History, question: Question, now: float) -> History:
    """The part of it that a store would give."""
    rows = (found.times >= question.start) & (found.times <= now)
    return History(found.times[rows], found.subjects, found.values[rows])


def evaluated(
    rules: Rule | Sequence[Rule],
    metrics: Mapping[str, Mapping[str, Points]],
    *,
    now: float,
    before: Standings | Evaluation | None = None,
) -> Evaluation:
    """An evaluation `now` seconds after NOON; every resolution holds the same."""
    rules = rules if isinstance(rules, Sequence) else [rules]
    old = before.standings if isinstance(before, Evaluation) else before or {}
    asked = questions(rules, old, NOON + now)
    answers = {q: within(history(metrics.get(q.metric, {})), q, NOON + now) for q in asked}
    return evaluate(rules, answers, old, NOON + now, labels_of=partial(labels_of, fleet=FLEET))


def told(evaluation: Evaluation) -> list[tuple[float, str, str, str]]:
    """The transitions: seconds after NOON, subject, before, after."""
    return [(t.at - NOON, t.subject, t.before.value, t.after.value) for t in evaluation.transitions]
