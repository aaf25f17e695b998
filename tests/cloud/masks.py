"""DescribeInstances as EC2 answers it: a little behind what has happened."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from xml.etree import ElementTree

_NS = "http://ec2.amazonaws.com/doc/2016-11-15"
ElementTree.register_namespace("", _NS)


@dataclass(frozen=True)
class Mask:
    """How one look shows an instance: not at all, or in another state than it is in."""

    state: str | None = None  # None: not at all
    code: str = ""  # of the StateReason
    words: str = ""


HIDDEN = Mask()


class Masks:
    """What the next looks at each instance show; then the truth, or the last mask if it is kept."""

    def __init__(self) -> None:
        self._next: dict[str, deque[Mask]] = {}
        self._kept: dict[str, Mask] = {}
        self._lock = threading.Lock()

    def put(self, instance: str, *masks: Mask, keep: bool = False) -> None:
        with self._lock:
            self._next[instance] = deque(masks)
            if keep:
                self._kept[instance] = masks[-1]

    def clear(self) -> None:
        with self._lock:
            self._next.clear()
            self._kept.clear()

    def take(self, instance: str) -> Mask | None:
        """The mask for one more look; None: the truth."""
        with self._lock:
            waiting = self._next.get(instance)
            return waiting.popleft() if waiting else self._kept.get(instance)

    def over(self, answer: bytes) -> tuple[bytes, list[str]]:
        """The answer with its masks on, and the ids that it does not show."""
        root = ElementTree.fromstring(answer)
        hidden = []
        for reservation in root.findall("{*}reservationSet/{*}item"):
            instances = reservation.find("{*}instancesSet")
            for item in list(instances if instances is not None else ()):
                instance = item.findtext("{*}instanceId", "")
                mask = self.take(instance)
                if mask is not None and mask.state is None and instances is not None:
                    instances.remove(item)
                    hidden.append(instance)
                elif mask is not None:
                    _disguise(item, mask)
        return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True), hidden


def _disguise(item: ElementTree.Element, mask: Mask) -> None:
    name = item.find("{*}instanceState/{*}name")
    assert name is not None
    name.text = mask.state
    if mask.code:
        for old in item.findall("{*}stateReason"):
            item.remove(old)
        reason = ElementTree.SubElement(item, f"{{{_NS}}}stateReason")
        ElementTree.SubElement(reason, f"{{{_NS}}}code").text = mask.code
        ElementTree.SubElement(reason, f"{{{_NS}}}message").text = mask.words
