"""A round as a document, for the next one to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from phoenixctl.balancing.weights import COLUMNS, Round, first_round


def round_document(of: Round) -> dict[str, Any]:
    """Plain numbers; unknown ones are None."""
    return {
        "at_seconds": of.at_seconds,
        "names": list(of.names),
        **{column: _plain(getattr(of, column)) for column in COLUMNS},
    }


def round_from(document: Mapping[str, Any]) -> Round | None:
    """The round that was kept; None when it is not one, so that weights begin anew."""
    try:
        found = first_round(document["names"], at_seconds=float(document["at_seconds"]))
        for column in COLUMNS:
            into = getattr(found, column)
            into[...] = np.array(document[column], float).reshape(into.shape)
    except (KeyError, TypeError, ValueError):
        return None
    return found if np.all(found.weight > 0) else None


def _plain(values: np.ndarray[Any, Any]) -> list[Any]:
    plain = values.astype(object)
    plain[np.isnan(values.astype(float))] = None
    listed: list[Any] = plain.tolist()
    return listed
