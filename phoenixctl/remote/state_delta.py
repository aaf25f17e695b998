"""What has to be done on a node so that its state folder becomes like another one.

An order is five words: what, size, checksum, argument, path. Words are plain ASCII, so that they
need no quotes however many shells they go through: any other byte is `@` and three octal digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from phoenixctl.model.units import Bytes
from phoenixctl.remote.state_listing import BLOCK, Entry, Kind, Listing

# So much travels as the arguments of one command, and so much waits aside before it is placed.
_WORDS: Final = 30_000
BATCH: Final = 64 * 1024**2
_OWNER_CHANGES: Final = 0o700
_NONE: Final = "-"


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file at the source: `size` of them from the block of that number."""

    path: bytes
    block: int
    size: Bytes


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to do at the target, and the bytes that it needs."""

    words: tuple[str, str, str, str, str]
    path: bytes = b""
    part: Part | None = None


@dataclass(slots=True)
class Batch:
    """Orders that travel together; in the end all of their bytes have arrived, or none is used."""

    orders: list[Order] = field(default_factory=list)
    words: int = 0
    bytes: int = 0

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(order.part for order in self.orders if order.part and order.part.size)


def encoded(raw: bytes) -> str:
    """The bytes as one plain word."""
    return "".join(chr(b) if b in _PLAIN else f"@{b:03o}" for b in raw)


_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+,-")


def batches(orders: Iterable[Order]) -> Iterator[Batch]:
    """The orders in commands that are short enough."""
    batch = Batch()
    for order in orders:
        words = sum(map(len, order.words)) + len(order.words)
        size = order.part.size if order.part else 0
        if batch.orders and (batch.words + words > _WORDS or batch.bytes + size > BATCH):
            yield batch
            batch = Batch()
        batch.orders.append(order)
        batch.words += words
        batch.bytes += size
    if batch.orders:
        yield batch


def differences(source: Listing, target: Listing) -> tuple[bytes, ...]:
    """Paths that are not the same on both, by name."""
    paths = source.entries.keys() | target.entries.keys()
    return tuple(sorted(p for p in paths if source.entries.get(p) != target.entries.get(p)))


def room_needed(source: Listing, target: Listing) -> tuple[Bytes, int]:
    """How many more bytes and files the target takes at most while it becomes like the source."""
    kept = _kept(source, target)
    fresh = {path: entry for path, entry in source.entries.items() if path not in kept}
    blocks = sum(_on_disk(entry.size) for entry in fresh.values())
    grown = sum(max(0, source.entries[path].size - target.entries[path].size) for path in kept)
    gone = sum(_on_disk(e.size) for path, e in target.entries.items() if path not in kept)
    sent = sum(_sent(entry, target.entries.get(path)) for path, entry in source.entries.items())
    return Bytes(max(0, blocks - gone) + grown + min(BATCH, sent)), len(fresh)


def _sent(entry: Entry, there: Entry | None) -> int:
    """How many bytes of it travel; all of them where nothing is known but its size."""
    if there is None or not entry.sums:
        return entry.size
    if len(entry.sums) == 1:
        return 0 if (there.size, there.sums) == (entry.size, entry.sums) else entry.size
    return sum(
        part.size
        for part, total in _parts(b"", entry)
        if there.sums[part.block : part.block + 1] != (total,)
    )


def orders(source: Listing, target: Listing) -> list[Order]:
    """Everything to do, in this order; nothing when both are the same.

    Folders are opened for their owner as long as something is done in them.
    """
    if target.exists and not target.has_aside and not differences(source, target):
        return []
    kept = _kept(source, target)
    return [
        _order("begin"),
        *_opened(target, kept),
        *_removed(target, kept),
        *_made(source, kept),
        *_filled(source, target, kept),
        *_closed(source, target, kept),
        _order("end"),
    ]


def _kept(source: Listing, target: Listing) -> frozenset[bytes]:
    """What stays in its place: the same kind of thing is there on both."""
    return frozenset(
        path
        for path, entry in target.entries.items()
        if path in source.entries
        and source.entries[path].kind is entry.kind
        and source.entries[path].link == entry.link
    )


def _opened(target: Listing, kept: frozenset[bytes]) -> Iterator[Order]:
    for path in sorted(kept):
        entry = target.entries[path]
        if entry.kind is Kind.FOLDER and entry.mode & _OWNER_CHANGES != _OWNER_CHANGES:
            yield _order("mode", argument="700", path=path)


def _removed(target: Listing, kept: frozenset[bytes]) -> Iterator[Order]:
    for path in sorted(target.entries.keys() - kept):
        parent = path.rpartition(b"/")[0]
        if parent == b"." or parent in kept:  # what is in a folder goes with it
            yield _order("gone", path=path)


def _made(source: Listing, kept: frozenset[bytes]) -> Iterator[Order]:
    for path, entry in source.entries.items():
        if path not in kept and entry.kind is Kind.FOLDER:
            yield _order("folder", path=path)
        elif path not in kept and entry.kind is Kind.LINK:
            # Its target is a word too; an empty one there cannot be.
            yield _order("link", size=encoded(entry.link), path=path)


def _filled(source: Listing, target: Listing, kept: frozenset[bytes]) -> Iterator[Order]:
    for number, (path, entry) in enumerate(source.entries.items()):
        if entry.kind is not Kind.FILE:
            continue
        there = target.entries[path] if path in kept else None
        if there is not None and there.size == entry.size and there.sums == entry.sums:
            if there.mode != entry.mode:
                yield _order("mode", argument=f"{entry.mode:o}", path=path)
        elif len(entry.sums) <= 1:
            part = Part(path, 0, entry.size)
            yield _order("file", str(entry.size), entry.sums[0], f"{entry.mode:o}", path, part=part)
        elif there is None or not there.size:
            yield from _grown(path, entry, str(number))
        else:
            yield from _patched(path, entry, there)


def _grown(path: bytes, entry: Entry, number: str) -> Iterator[Order]:
    """A large file that is not there yet: it grows aside and is then put in its place."""
    for part, total in _parts(path, entry):
        yield _order("grow", str(part.size), total, number, path, part=part)
    yield _order("put", number, argument=f"{entry.mode:o}", path=path)


def _patched(path: bytes, entry: Entry, there: Entry) -> Iterator[Order]:
    """A large file that is there: its blocks are written over, once they have arrived."""
    if there.mode & 0o600 != 0o600:
        yield _order("mode", argument="600", path=path)
    for part, total in _parts(path, entry):
        if there.sums[part.block : part.block + 1] != (total,):
            yield _order("block", str(part.size), total, str(part.block), path, part=part)
    yield _order("cut", str(entry.size), path=path)
    if there.mode != entry.mode or there.mode & 0o600 != 0o600:
        yield _order("mode", argument=f"{entry.mode:o}", path=path)


def _parts(path: bytes, entry: Entry) -> Iterator[tuple[Part, str]]:
    for block, total in enumerate(entry.sums):
        size = Bytes(min(BLOCK, entry.size - block * BLOCK))
        yield Part(path, block, size), total


def _closed(source: Listing, target: Listing, kept: frozenset[bytes]) -> Iterator[Order]:
    """Folders get their modes last, the deepest first."""
    for path in sorted(source.entries, reverse=True):
        entry = source.entries[path]
        if entry.kind is not Kind.FOLDER:
            continue
        before = target.entries[path].mode if path in kept else 0o700
        opened = before & _OWNER_CHANGES != _OWNER_CHANGES
        if opened or before != entry.mode:
            yield _order("mode", argument=f"{entry.mode:o}", path=path)


def _order(
    what: str,
    size: str = _NONE,
    total: str = _NONE,
    argument: str = _NONE,
    path: bytes = b"",
    *,
    part: Part | None = None,
) -> Order:
    return Order((what, size, total, argument, encoded(path) or _NONE), path, part)


def _on_disk(size: int) -> int:
    return -(-size // 4096) * 4096
