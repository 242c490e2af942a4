"""YAML text to plain data with the line and column of every key and value.

Only what a person would write in such a file is let in: one document of mappings, lists and scalars.  Tags, anchors,
aliases and duplicate keys are faults, so no file makes an object, refers to itself or grows in memory.  Scalars are
read by the core schema of YAML 1.2 (clause 10.3.2): `no` and `10:30` are text.  Infinity and NaN are text too, since
nothing in a rig is either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from testbed.topology.faults import Fault, FileFaults, KeyPath, dotted, shown

DEEPEST = 20
NO_KEY = "?"  # stands for a key that is no scalar
SCALARS = (
    (re.compile(r"|~|null|Null|NULL"), lambda text: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]{1,18}"), int),
    (re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,25})?)([eE][-+]?[0-9]{1,2})?"), float),
)
# A scanner's or parser's words -> what a person does about it.
SYNTAX_MENDS = (
    ("\\t", "indent with spaces, not with tabs"),
    (
        "mapping values are not allowed",
        "check the indentation, and put quotes around a value with `: ` in it",
    ),
    ("expected <block end>", "keys of one mapping begin in the same column: check the indentation"),
    ("could not find expected ':'", "every line of a mapping reads `key: value`"),
    ("quoted scalar", "close the quotes"),
    ("expected ',' or", "close the bracket or brace, and put commas between its items"),
    ("that cannot start any token", "put quotes around the value"),
)


@dataclass
class Mark:
    """Where something stands, counted from 1."""

    line: int
    column: int


@dataclass
class Document:
    """A file's data, plain, with the place of every key and value by its path."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    keys: dict[KeyPath, Mark] = field(default_factory=dict)
    values: dict[KeyPath, Mark] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, path: KeyPath, what: str, mend: str, *, at_key: bool = False) -> Fault:
        """A fault at a path; where the path is not in the file, at the nearest mapping around it."""
        places = (self.keys, self.values) if at_key else (self.values, self.keys)
        around = path
        mark = None
        while mark is None:
            mark = places[0].get(around) or places[1].get(around)
            if mark is None and not around:
                mark = Mark(0, 0)
            around = around[:-1]
        return Fault(mark.line, mark.column, self.file, dotted(path), what, mend)


def parse(text: str, file: str) -> Document:
    """Read YAML.  Raises FileFaults for what is no YAML or no mapping; lesser faults are collected in the document."""
    composer = _Composer(Document(file))
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            composer.feed(event)
    except MarkedYAMLError as error:
        raise FileFaults([*composer.document.faults, _syntax_fault(error, file)]) from error
    except (YAMLError, ValueError, OverflowError) as error:  # the reader's, and chr() of an impossible escape
        raise FileFaults([_whole(file, f"is not YAML: {shown(str(error).splitlines()[0])}")]) from error
    return composer.finish()


def _whole(file: str, what: str, mend: str = "write it as `key: value` lines of plain text") -> Fault:
    return Fault(0, 0, file, "", what, mend)


def _syntax_fault(error: MarkedYAMLError, file: str) -> Fault:
    context, problem = error.context or "", error.problem or "unreadable"
    begun = "quoted" in context or "flow" in context  # what was begun and never ended: its beginning says more
    mark = (begun and error.context_mark) or error.problem_mark or error.context_mark
    words = f"{context} {problem}"
    mend = next((mend for part, mend in SYNTAX_MENDS if part in words), "check this line and the one above it")
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return Fault(line, column, file, "", f"is not YAML: {shown(problem, 100)}", mend)


@dataclass
class _Open:
    """A mapping or list whose end has not come."""

    path: KeyPath
    value: dict[str, Any] | list[Any]
    key: str | None = None  # the key whose value comes next


class _Composer:
    """Builds the document from the parser's events, without recursion."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._open: list[_Open] = []
        self._root: Any = None
        self._documents = 0

    def feed(self, event: Any) -> None:
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._complain((), event, "begins a second document", "keep one document in a file: remove the `---`")
                raise FileFaults(self.document.faults)
        elif isinstance(event, CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, NodeEvent):
            self._node(event)

    def finish(self) -> Document:
        file = self.document.file
        if self._root is None:
            raise FileFaults(
                [*self.document.faults, _whole(file, "is empty", "begin with a file that ships with the project")]
            )
        if not isinstance(self._root, dict):
            raise FileFaults([*self.document.faults, _whole(file, "is not a mapping of keys to values")])
        self.document.data = self._root
        return self.document

    def _node(self, event: NodeEvent) -> None:
        frame = self._open[-1] if self._open else None
        if frame is not None and isinstance(frame.value, dict) and frame.key is None:
            self._key(frame, frame.value, event)
            return
        path = self._path(frame)
        self._check(path, event)
        value = self._value(event)
        nothing = (
            isinstance(event, ScalarEvent) and event.value == "" and event.implicit[0]
        )  # its mark is the next line's
        self.document.values[path] = (nothing and self.document.keys.get(path)) or _mark(event)
        if frame is None:
            self._root = value
        elif isinstance(frame.value, list):
            frame.value.append(value)
        else:
            assert frame.key is not None
            frame.value[frame.key] = value
            frame.key = None
        self._descend(path, value, event)

    def _path(self, frame: _Open | None) -> KeyPath:
        if frame is None:
            return ()
        return (*frame.path, len(frame.value) if isinstance(frame.value, list) else frame.key or "")

    def _key(self, frame: _Open, mapping: dict[str, Any], event: NodeEvent) -> None:
        self._check((*frame.path, NO_KEY), event)
        frame.key = event.value if isinstance(event, ScalarEvent) else NO_KEY
        path = (*frame.path, frame.key)
        if not isinstance(event, ScalarEvent):
            self._complain(path, event, "a key is not a plain word", "write `key: value`")
            self._descend(path, self._value(event), event)
        elif frame.key in mapping:
            first = self.document.keys[path].line
            self._complain(path, event, f"the key stands here a second time, first in line {first}", "keep one of them")
        else:
            self.document.keys[path] = _mark(event)

    def _descend(self, path: KeyPath, value: Any, event: NodeEvent) -> None:
        if not isinstance(value, dict | list):
            return
        self._open.append(_Open(path, value))
        if len(self._open) > DEEPEST:
            self._complain(path[:2], event, f"is nested more than {DEEPEST} deep", "nothing here needs so many levels")
            raise FileFaults(self.document.faults)

    def _value(self, event: NodeEvent) -> Any:
        if isinstance(event, MappingStartEvent):
            return {}
        if isinstance(event, SequenceStartEvent):
            return []
        if not isinstance(event, ScalarEvent):
            return None
        plain = event.implicit[0]
        readers = (read for pattern, read in SCALARS if plain and pattern.fullmatch(event.value))
        return next(readers, str)(event.value)

    def _check(self, path: KeyPath, event: NodeEvent) -> None:
        """Refuse what a plain file does not need."""
        if isinstance(event, AliasEvent) or event.anchor is not None:
            sign = ("*" if isinstance(event, AliasEvent) else "&") + str(event.anchor)
            self._complain(
                path, event, f"anchors and aliases (`{shown(sign)}`) are not read here", "write the value out"
            )
        if tag := getattr(event, "tag", None):
            self._complain(
                path, event, f"tags (`{shown(str(tag))}`) are not read here", "write the value without its tag"
            )
        if isinstance(event, ScalarEvent) and any("\ud800" <= c <= "\udfff" for c in event.value):
            self._complain(path, event, "holds half a character (a surrogate)", "write the character itself")
            event.value = event.value.encode("utf-8", "replace").decode()
            event.value = event.value.encode("utf-8", "replace").decode()

    def _complain(self, path: KeyPath, event: Any, what: str, mend: str) -> None:
        mark = _mark(event)
        self.document.faults.append(Fault(mark.line, mark.column, self.document.file, dotted(path), what, mend))


def _mark(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)
