"""Whether a change stays, from what it did on canaries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.names import NodeName
from phoenixctl.performance.effect import Effect
from phoenixctl.performance.judgement import Aim, Fate, judge_change

NOTHING = Effect(0.01, -0.04, 0.06, 0.4, 0.6, harmful=False, useful=False, canaries=5, controls=15)
HARM = replace(NOTHING, ratio=0.2, low=0.1, high=0.3, worse=0.001, harmful=True)
GAIN = replace(NOTHING, ratio=-0.2, low=-0.3, high=-0.1, better=0.001, useful=True)


@pytest.mark.parametrize("aim", Aim)
@pytest.mark.parametrize("over", [False, True])
def test_harm_is_undone_at_once(aim: Aim, over: bool) -> None:
    found = judge_change(HARM, aim, over=over)
    assert found.fate is Fate.UNDO
    assert "+20.0% (+10.0% to +30.0%), 5 canaries beside 15 others" in found.why


@pytest.mark.parametrize("aim", Aim)
def test_lost_contact_is_undone_whatever_was_measured(aim: Aim) -> None:
    found = judge_change(GAIN, aim, over=True, lost=(NodeName("web-2"),))
    assert (found.fate, "web-2" in found.why) == (Fate.UNDO, True)


def test_a_tuning_that_helps_is_kept_without_waiting_for_the_end() -> None:
    assert judge_change(GAIN, Aim.IMPROVE, over=False).fate is Fate.KEEP


def test_a_tuning_without_benefit_is_undone_at_the_end_and_not_before() -> None:
    assert judge_change(NOTHING, Aim.IMPROVE, over=False).fate is Fate.WAIT
    found = judge_change(NOTHING, Aim.IMPROVE, over=True)
    assert (found.fate, found.why.startswith("no benefit was found")) == (Fate.UNDO, True)


def test_an_upgrade_that_does_no_harm_is_kept_at_the_end() -> None:
    assert judge_change(GAIN, Aim.NO_HARM, over=False).fate is Fate.WAIT
    assert judge_change(NOTHING, Aim.NO_HARM, over=True).fate is Fate.KEEP


def test_what_cannot_be_told_is_undone() -> None:
    assert judge_change(None, Aim.NO_HARM, over=False).fate is Fate.WAIT
    assert judge_change(None, Aim.NO_HARM, over=True).fate is Fate.UNDO
