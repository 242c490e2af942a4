"""Fades from files and from the words of a scenario; what is wrong in them is said with file, line and the mend."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML, YAMLError

from drivers.errors import DriverError
from drivers.rf.fade import KINDS, Points, Profile, Reversed, Then, Together

WORDS = [*KINDS, "points", "file", "together", "then"]


class FadeError(DriverError):
    """A fade that is written wrongly."""

    exit_code = 2


def read_fade(path: Path) -> Profile:
    """A fade from a file: `.csv` with lines `seconds,dB` (a first line of words is passed over), else YAML."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as failed:
        raise FadeError(f"cannot be read: {getattr(failed, 'strerror', None) or failed}", where=str(path)) from failed
    if path.suffix == ".csv":
        return _points(_rows(text, path), str(path))
    try:
        data = YAML(typ="safe").load(text)
    except YAMLError as failed:
        raise FadeError(f"is no YAML: {failed}", where=str(path)) from failed
    return fade(data, str(path), path.parent)


def fade(data: Any, where: str, folder: Path = Path()) -> Profile:
    """A fade from its words (see :mod:`drivers.rf.fade`); files are found from `folder`."""
    if not isinstance(data, dict):
        raise FadeError(f"a fade is written as one of {', '.join(WORDS)}, not as {data!r}", where=where)
    words = dict(data)
    backwards = words.pop("reverse", False)
    if backwards not in (True, False):
        raise FadeError(f"reverse: {backwards!r} is neither true nor false", where=where)
    if len(words) != 1 or (word := next(iter(words))) not in WORDS:
        mend = f"write exactly one of {', '.join(WORDS)}"
        raise FadeError(f"there is {', '.join(map(str, words)) or 'nothing'}", where=where, mend=mend)
    profile = _one(word, words[word], f"{where}: {word}", folder)
    return Reversed(profile) if backwards else profile


def _one(word: str, value: Any, where: str, folder: Path) -> Profile:
    if word == "file":
        if not isinstance(value, str):
            raise FadeError("a file is a name", where=where)
        return read_fade(folder / value)
    if word == "points":
        return _points(value, where)
    if word in ("together", "then"):
        if not isinstance(value, list) or not value:
            raise FadeError("is a list of fades", where=where)
        parts = [fade(each, f"{where} {number}", folder) for number, each in enumerate(value, 1)]
        return Together(parts) if word == "together" else Then(parts)
    try:
        profile: Profile = KINDS[word].model_validate(value)
    except ValidationError as wrong:
        raise FadeError(_said(wrong), where=where) from wrong
    if profile.duration_s == 0:
        raise FadeError("takes no time: both ends are the same", where=where)
    return profile


def _points(value: Any, where: str) -> Points:
    try:
        return Points(points=value)
    except ValidationError as wrong:
        raise FadeError(_said(wrong), where=where) from wrong


def _rows(text: str, path: Path) -> list[tuple[float, float]]:
    found = []
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        if not row or row[0].lstrip().startswith("#"):
            continue
        try:
            t_s, db = map(float, row)
        except ValueError as unclear:
            if number == 1:
                continue  # the names of the columns
            mend = "write `seconds,dB`, with points for decimals"
            raise FadeError(f"`{','.join(row)}` is no point", where=f"{path}:{number}", mend=mend) from unclear
        found.append((t_s, db))
    return found


def _said(wrong: ValidationError) -> str:
    first = wrong.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"].removeprefix("Value error, ")
