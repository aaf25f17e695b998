"""YAML text to a tree in which every key and value knows its place.

Built from parser events, not with PyYAML's composer: that one recurses in C and a file of a
hundred thousand brackets ends the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from phoenixctl.settings.places import KeyPath, Place, Problem, refuse, shown
from phoenixctl.settings.scalars import Plain, Unreadable, read_plain

_DEEPEST: Final = 64  # levels of nesting
_ALIASED: Final = 10_000  # values that all aliases of a document may stand for
_LARGEST: Final = 16 * 1024 * 1024  # bytes of a file
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Scalar:
    """`text` is as written (quotes and folding undone); `plain`: it had no quotes."""

    place: Place
    text: str
    plain: bool
    value: Plain | Unreadable
    size: int = 1


@dataclass(slots=True)
class Entry:
    place: Place  # of the key
    value: Tree


@dataclass(slots=True)
class Mapping:
    place: Place
    entries: dict[str, Entry] = field(default_factory=dict)
    merged: list[Tree] = field(default_factory=list)  # what `<<` named, where that is allowed
    size: int = 1


@dataclass(slots=True)
class Sequence:
    place: Place
    items: list[Tree] = field(default_factory=list)
    size: int = 1


Tree: TypeAlias = Scalar | Mapping | Sequence


def read_tree(
    text: bytes | str, source: str, problems: list[Problem], *, strict: bool = True
) -> Tree | None:
    """The tree of the only document in `text`, or None when it is empty.

    What can be read past is appended to `problems`; ConfigError when the text is no YAML. Not
    `strict`: YAML 1.1 as an Ansible inventory has it, with merge keys, and scalars kept as text.
    """
    try:
        decoded = _decode(text, source)
        return _Builder(source, problems, strict).build(yaml.parse(decoded, Loader=_Loader))
    except yaml.YAMLError as error:
        problem = _syntax_problem(error, source, decoded)
    except _Stop as stop:
        problem = stop.problem
    refuse([*problems, problem])
    raise AssertionError("refuse raises when there is a problem")


def plain(tree: Tree) -> Any:
    """The tree as dict, list and scalars, for a validator."""
    match tree:
        case Scalar():
            return tree.value
        case Mapping():
            return {key: plain(entry.value) for key, entry in tree.entries.items()}
        case Sequence():
            return [plain(item) for item in tree.items]


def find(tree: Tree, path: KeyPath) -> tuple[Tree, Place, int]:
    """The deepest value on `path` that is written, the place of its key, and how deep it is."""
    place, depth = tree.place, 0
    for part in path:
        match tree:
            case Mapping() if part in tree.entries:
                entry = tree.entries[str(part)]
                tree, place = entry.value, entry.place
            case Sequence() if isinstance(part, int) and part < len(tree.items):
                tree = tree.items[part]
                place = tree.place
            case _:
                break
        depth += 1
    return tree, place, depth


class _Stop(Exception):
    def __init__(self, place: Place, what: str) -> None:
        super().__init__(what)
        self.problem = Problem(place, (), what)


def _decode(text: bytes | str, source: str) -> str:
    if len(text) > _LARGEST:
        raise _Stop(Place(source, 1, 1), f"larger than {_LARGEST // 1024**2} MiB")
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = Place(source, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
        raise _Stop(place, f"byte 0x{data[error.start]:02x} is not UTF-8 text") from None


def _syntax_problem(error: yaml.YAMLError, source: str, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
    if mark is None:
        offset = getattr(error, "position", 0) or 0
        before = text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace")
        place = Place(source, before.count("\n") + 1, len(before) - before.rfind("\n"))
        return Problem(place, (), f"{what}; remove it or write it as an escape in double quotes")
    place = Place(source, mark.line + 1, mark.column + 1)
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent:
        place = Place(source, mark.line + 1, indent.index("\t") + 1)
        return Problem(place, (), "a tab in the indentation; use spaces")
    context = getattr(error, "context", None)
    return Problem(place, (), f"{what}{f' ({context})' if context else ''}")


def _merge(into: Mapping, merged: Tree) -> None:
    """What YAML 1.1 does with `<<: *defaults` and `<<: [*a, *b]`: keys already there stay."""
    for source in merged.items if isinstance(merged, Sequence) else [merged]:
        if isinstance(source, Mapping):
            for key, entry in source.entries.items():
                into.entries.setdefault(key, entry)


class _Builder:
    def __init__(self, source: str, problems: list[Problem], strict: bool) -> None:
        self._source = source
        self._problems = problems
        self._strict = strict
        self._anchors: dict[str, Tree | None] = {}  # None: still open, an alias would recurse
        self._aliased = 0
        self._open: list[tuple[Mapping | Sequence, str | None]] = []
        self._key: Scalar | None = None
        self._keys: list[Scalar | None] = []

    def build(self, events: Iterator[Any]) -> Tree | None:
        root: Tree | None = None
        documents = 0
        for event in events:
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise _Stop(
                            self._place(event), "a second document; keep one, without `---`"
                        )
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._start(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    root = self._add(self._end())
                case yaml.ScalarEvent():
                    root = self._add(self._scalar(event))
                case yaml.AliasEvent():
                    root = self._add(self._alias(event))
        return root

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(self._source, mark.line + 1, mark.column + 1)

    def _start(self, event: Any) -> None:
        place = self._place(event)
        self._refuse_tag(event, place)
        if len(self._open) == _DEEPEST:
            raise _Stop(place, f"nested deeper than {_DEEPEST} levels")
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._open.append((Mapping(place) if mapping else Sequence(place), event.anchor))
        if event.anchor:
            self._anchors[event.anchor] = None
        self._keys.append(self._key)
        self._key = None

    def _end(self) -> Tree:
        tree, anchor = self._open.pop()
        self._key = self._keys.pop()
        if isinstance(tree, Mapping):
            for merged in tree.merged:
                _merge(tree, merged)
        if anchor:
            self._anchors[anchor] = tree
        return tree

    def _scalar(self, event: Any) -> Scalar:
        place = self._place(event)
        unquoted = not event.style
        value: Plain | Unreadable = event.value
        if self._refuse_tag(event, place):
            value = Unreadable.VALUE
        elif unquoted and self._strict:
            try:
                value = read_plain(event.value)
            except ValueError as error:
                self._problems.append(Problem(place, self._here(), str(error)))
                value = Unreadable.VALUE
        scalar = Scalar(place, event.value, unquoted, value)
        if event.anchor:
            self._anchors[event.anchor] = scalar
        return scalar

    def _alias(self, event: Any) -> Tree:
        place = self._place(event)
        if event.anchor not in self._anchors:
            raise _Stop(place, f"alias *{event.anchor} without its anchor &{event.anchor}")
        target = self._anchors[event.anchor]
        if target is None:
            raise _Stop(place, f"alias *{event.anchor} contains itself")
        self._aliased += target.size
        if self._aliased > _ALIASED:
            raise _Stop(place, f"aliases stand for more than {_ALIASED} values; write them out")
        return target

    def _refuse_tag(self, event: Any, place: Place) -> bool:
        if event.tag is None or not self._strict:
            return False
        what = f"tag {shown(event.tag)} is not supported; quotes make a value text"
        self._problems.append(Problem(place, self._here(), what))
        return True

    def _here(self) -> KeyPath:
        if not self._open:
            return ()
        path: list[str | int] = []
        for (container, _), key in zip(self._open, [*self._keys[1:], self._key], strict=True):
            if isinstance(container, Sequence):
                path.append(len(container.items))
            elif key is not None:
                path.append(key.text)
        return tuple(path)

    def _add(self, tree: Tree) -> Tree:
        if not self._open:
            return tree
        container = self._open[-1][0]
        if isinstance(container, Sequence):
            container.items.append(tree)
            container.size += tree.size
        elif self._key is not None:
            key, self._key = self._key, None
            container.size += tree.size + 1
            self._set(container, key, tree)
        elif isinstance(tree, Scalar):
            self._key = tree
        else:
            raise _Stop(tree.place, "a key must be text, not a list or mapping")
        return container

    def _set(self, mapping: Mapping, key: Scalar, tree: Tree) -> None:
        what = ""
        if key.plain and key.text == "<<":
            mapping.merged.append(tree)
            what = "merge keys (<<) are not supported; write the keys out"
        elif key.value is None:
            what = "a key is missing before the colon"
        elif key.text in mapping.entries and self._strict:
            first = mapping.entries[key.text].place
            what = f"written twice; first on line {first.line}"
        elif key.value is not Unreadable.VALUE:
            mapping.entries[key.text] = Entry(key.place, tree)
            return
        if what and self._strict:
            self._key = key
            self._problems.append(Problem(key.place, self._here(), what))
            self._key = None
