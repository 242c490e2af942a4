"""A file of ours, read and held against a model, with every fault that it has in one error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from testbed.topology import sentences
from testbed.topology.document import Document, parse
from testbed.topology.faults import Complaint, Fault, FileFaults, KeyPath

LARGEST = 1 << 20
Model = TypeVar("Model", bound=BaseModel)


def read_text(path: Path) -> str:
    """The text of a file.  Raises FileFaults when it cannot be read, is too large or is no text."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileFaults([_whole(path, f"cannot be read: {reason}", "check the path and its permissions")]) from error
    except ValueError as error:  # a NUL in the path
        raise FileFaults([_whole(path, "is no path", "give the path of a file")]) from error
    if len(raw) > LARGEST:
        raise FileFaults([_whole(path, f"is larger than {LARGEST} bytes", "give a file of a page or two")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 text (byte {error.start + 1} is 0x{raw[error.start]:02x})"
        raise FileFaults([_whole(path, what, "give a YAML file, saved as UTF-8")]) from error
    if "\0" in text:
        what = f"is not text (character {text.index(chr(0)) + 1} is NUL)"
        raise FileFaults([_whole(path, what, "give a YAML file, saved as UTF-8")])
    return text


def validate(
    document: Document, model: type[Model], checks: Callable[[Model], Iterable[Complaint]] = lambda _: ()
) -> Model:
    """The document as a model, checked; raises FileFaults with all that is wrong."""
    found: list[Fault] = list(document.faults)
    left_out: set[KeyPath] = set()
    made, details = _attempt(document.data, model)
    if details is not None:
        known = {fault.key for fault in found}  # what YAML's own fault already says
        found += [fault for fault in sentences.faults(details, document, model) if fault.key not in known]
        # What is wrong with one part must not hide what is wrong between the others: leave the faulty values out.
        left_out = {sentences.place(detail, document) for detail in details.errors()}
        if all(sentences.spares(detail, model) for detail in details.errors()):
            made, _ = _attempt(_without(document.data, left_out), model)
    if made is not None:
        for complaint in checks(made):
            if not any(_touch(need, path) for need in complaint.needs for path in left_out):
                found.append(document.fault(complaint.path, complaint.what, complaint.mend, at_key=complaint.at_key))
    if found or made is None:
        raise FileFaults(found)
    return made


def read(path: Path, model: type[Model], checks: Callable[[Model], Iterable[Complaint]] = lambda _: ()) -> Model:
    """Read and check a file."""
    return validate(parse(read_text(path), str(path)), model, checks)


def _attempt(data: object, model: type[Model]) -> tuple[Model | None, ValidationError | None]:
    try:
        return model.model_validate_json(json.dumps(data)), None  # JSON's rules: strict, but lists and enums are theirs
    except ValidationError as error:
        return None, error


def _without(original: object, paths: Iterable[KeyPath]) -> object:
    """The data without what stands at the paths."""
    data = json.loads(json.dumps(original))
    for path in sorted(paths, key=len, reverse=True):
        around = data
        for part in path[:-1]:
            around = around[part]
        if path and isinstance(around, dict):
            around.pop(path[-1], None)
    return data


def _touch(one: KeyPath, other: KeyPath) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _whole(path: Path, what: str, mend: str) -> Fault:
    return Fault(0, 0, str(path), "", what, mend)
