"""Changes in lanes: so many at once, the next one when one has ended well."""

from __future__ import annotations

from collections.abc import Sequence


def before_next(earlier: Sequence[str], width: int) -> tuple[str, ...]:
    """The key of the step that has to end before the next one begins, if any.

    `earlier` has the last step of each change that goes before, in order. Each lane is a chain, so
    that at most `width` changes are under way, and one that fails keeps its lane from going on.
    """
    return (earlier[-width],) if len(earlier) >= width else ()
