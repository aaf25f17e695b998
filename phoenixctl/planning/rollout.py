"""Rolling changes: no more at once than allowed, each over before the next one begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from phoenixctl.model.fleet import Rollout
from phoenixctl.planning.draft import Draft, Turn
from phoenixctl.planning.lanes import before_next


@dataclass(frozen=True, slots=True)
class Group:
    """What is rolled: how, how many there are in all, which do not serve now. `setting` is where
    the configuration says so."""

    rollout: Rollout
    total: int
    down: frozenset[str]
    setting: str


def allowance(rollout: Rollout, total: int) -> int:
    """How many of so many may be down at a time: the stricter of both rules."""
    return min(rollout.max_unavailable.of(total), total - rollout.min_healthy.of(total))


def roll(draft: Draft, groups: Mapping[str, Group]) -> None:
    """Give every turn its place in a lane. What would take more down than is allowed is left out,
    with a warning that says what to change."""
    refusing = True
    while refusing:  # what is left out may have been what another group counted on
        refusing = False
        for name, group in groups.items():
            if refused := _refused(draft.live_turns(name), group):
                _refuse(draft, group, refused)
                refusing = True
    for name, group in groups.items():
        turns = draft.live_turns(name)
        _line_up(draft, turns, max(1, _width(turns, group)))


def _width(turns: Iterable[Turn], group: Group) -> int:
    """How many turns may be under way: those that are down and stay so use up the allowance, and
    those whose own turn comes only after others."""
    helped = {turn.subject for turn in turns if turn.down and not turn.rank}
    return allowance(group.rollout, group.total) - len(group.down - helped)


def _refused(turns: list[Turn], group: Group) -> list[Turn]:
    """The turns that would take more down than is allowed, however long they waited."""
    width = _width(turns, group)
    taking = [turn for turn in turns if turn.takes_down and not turn.down]
    if width <= 0:
        return taking
    together: dict[str, list[Turn]] = {}
    for turn in taking:
        if turn.together is not None:
            together.setdefault(turn.together, []).append(turn)
    return [turn for node in together.values() if len(node) > width for turn in node]


def _refuse(draft: Draft, group: Group, refused: list[Turn]) -> None:
    may = allowance(group.rollout, group.total)
    subjects = ", ".join(turn.subject for turn in refused)
    down = f", {len(group.down)} are already" if group.down else ""
    draft.leave_out(
        [key for turn in refused for key in turn.firsts],
        f"{subjects}: left as they are, for {max(0, may)} of {group.total} may be down at once"
        f"{down}; see {group.setting} (order: surge, or another max_unavailable or min_healthy)",
    )


def _line_up(draft: Draft, turns: list[Turn], width: int) -> None:
    """What is down already waits for nothing; the others follow it in lanes."""
    ended = [turn.last for turn in turns if turn.down and not turn.rank]
    healing = tuple(ended) if len(ended) > width else ()
    following = [turn for turn in turns if not turn.down]
    for number, turn in enumerate(following):
        earlier = healing if healing and number < width else before_next(ended, width)
        for key in turn.firsts:
            draft.wait(key, earlier)
        ended.append(turn.last)
