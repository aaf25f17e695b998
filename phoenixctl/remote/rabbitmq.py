"""RabbitMQ's queues, by `rabbitmqctl` on its node. Written after RabbitMQ 3.10's documentation.

All other figures come from its plugin rabbitmq_prometheus, by a collector of kind prometheus.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.measuring import Sample

PROGRAM: Final = ("rabbitmqctl",)
_COLUMNS: Final = {
    "messages": "rabbitmq_queue_messages",
    "messages_ready": "rabbitmq_queue_messages_ready",
    "messages_unacknowledged": "rabbitmq_queue_messages_unacknowledged",
    "consumers": "rabbitmq_queue_consumers",
    "memory": "rabbitmq_queue_memory_bytes",
}


def asking(program: tuple[str, ...]) -> Command:
    options = ("-q", "--formatter", "json", "list_queues", "name", *_COLUMNS)
    return Command(*(program or PROGRAM), *options)


def parse_queues(answer: bytes) -> tuple[Sample, ...]:
    """A sample of each queue and figure, and how many queues there are. CommandFailed when it
    cannot be read.
    """
    try:
        queues = json.loads(answer)
    except ValueError:
        queues = None
    if not isinstance(queues, list) or not all(isinstance(queue, dict) for queue in queues):
        raise CommandFailed("what rabbitmqctl printed is not a list of queues")
    figures = tuple(sample for queue in queues for sample in _samples(queue))
    return (Sample("rabbitmq_queues", float(len(queues))), *figures)


def _samples(queue: dict[str, Any]) -> Iterator[Sample]:
    labels = (("queue", str(queue.get("name", ""))),)
    for column, name in _COLUMNS.items():
        value = queue.get(column)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield Sample(name, float(value), labels)
