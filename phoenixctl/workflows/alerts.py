"""An evaluation from the store of metrics to whoever has to know.

What is to be told is kept before anything is sent, and what was told as soon as it was: killed at
any moment, the next evaluation tells it again rather than never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from phoenixctl.metrics.alert_notices import Delivery, Notice, notices
from phoenixctl.metrics.alert_questions import questions
from phoenixctl.metrics.alert_round import Round, Told
from phoenixctl.metrics.alert_rules import labels_of, rules_of
from phoenixctl.metrics.alert_words import Message
from phoenixctl.metrics.alerting import Evaluation, evaluate
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rates import rates
from phoenixctl.metrics.series import History, Tier
from phoenixctl.model.alerting import AlertSettings
from phoenixctl.model.errors import ConfigError, NotDelivered, PhoenixError

if TYPE_CHECKING:
    from phoenixctl.model.fleet import Fleet
    from phoenixctl.ports.alerts import AlertStore, Memory
    from phoenixctl.ports.metrics import MetricStore
    from phoenixctl.ports.notifier import Notifier

_LEAST_SECONDS = 0.001  # the store's resolution: what is of this moment is read too


def look(fleet: Fleet, metrics: MetricStore, memory: Memory, *, now: float) -> Evaluation:
    """How things stand now. Nothing is kept and nobody is told."""
    rules = rules_of(fleet.alerts)
    kinds = metrics.kinds()
    histories = {}
    for question in questions(rules, memory.standings, now):
        metric, start, tier = question
        found = metrics.read(metric, start=start, until=now + _LEAST_SECONDS, tier=tier)
        if kinds.get(metric) is Kind.COUNTER and tier is Tier.SECOND:
            found = per_second(found)
        histories[question] = found
    labels = partial(labels_of, fleet=fleet)
    return evaluate(rules, histories, memory.standings, now, labels_of=labels)


def per_second(totals: History) -> History:
    """A counter's growth since the value before, at each of its times."""
    grown = rates(totals.times, totals.values.astype(np.float64))
    return replace(totals, values=grown.astype(np.float32))


def due(fleet: Fleet, evaluation: Evaluation, memory: Memory, *, now: float) -> tuple[Notice, ...]:
    """What would have to be sent now."""
    settings = fleet.alerts or AlertSettings()
    return notices(settings, evaluation.alerts, memory.silences, memory.deliveries, now)


async def evaluate_and_tell(
    fleet: Fleet,
    metrics: MetricStore,
    store: AlertStore,
    notifiers: Mapping[str, Notifier],
    *,
    now: float,
) -> Round:
    """One evaluation, by the one who holds the store's lock."""
    memory = store.recall()
    evaluation = look(fleet, metrics, memory, now=now)
    sending = due(fleet, evaluation, memory, now=now)
    owing: dict[tuple[str, str], Delivery | None] = {
        (receiver, group): None
        for receiver, group in memory.deliveries
        if receiver not in notifiers  # it left the configuration
    }
    owing |= {(notice.receiver, notice.group): notice.owing() for notice in sending}
    store.keep(evaluation.standings, owing, evaluation.transitions, now=now)
    told = await _sent(fleet, store, notifiers, sending, now=now)
    return Round(now, evaluation, memory.silences, tuple(told))


async def _sent(
    fleet: Fleet,
    store: AlertStore,
    notifiers: Mapping[str, Notifier],
    sending: Sequence[Notice],
    *,
    now: float,
) -> list[Told]:
    """Receivers side by side, one's notices one after the other: who fails costs only itself.

    Who did not answer is not asked for the rest: it would take as long again for each of them.
    """

    async def tell(receiver: str) -> list[Told]:
        found: list[Told] = []
        error: PhoenixError | None = None
        for notice in sending:
            if notice.receiver == receiver:
                if not (isinstance(error, NotDelivered) and error.passing):
                    error = await _tell(notifiers[receiver], Message(fleet.name, now, notice))
                if error is None:
                    delivery = notice.delivered(now)
                    known = delivery if delivery.alerts else None
                    store.note(notice.receiver, notice.group, known)
                found.append(Told(notice, error))
        return found

    receivers = dict.fromkeys(notice.receiver for notice in sending)
    return [told for several in await asyncio.gather(*map(tell, receivers)) for told in several]


async def tell_test(notifier: Notifier, message: Message) -> PhoenixError | None:
    """Try one receiver; nothing is kept of it."""
    return await _tell(notifier, message)


async def _tell(notifier: Notifier, message: Message) -> PhoenixError | None:
    if message.notice.says_nothing:
        return None
    try:
        await notifier.send(message)
    except PhoenixError as error:
        return error
    except (ValueError, OSError) as error:  # of what the settings name, such as a port in use
        return ConfigError(f"{message.notice.receiver}: {type(error).__name__}")
    return None
