"""The language told to whoever writes a scenario: its words from the models that read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, RootModel
from pydantic_core import PydanticUndefined

from testbed.errors import UsageError
from testbed.scenario.language.step import SUBJECTS, VERBS, Step
from testbed.topology.faults import nearest


def words() -> dict[str, type[BaseModel]]:
    """Every verb, and every subject as `expect NAME`, with the model that reads it."""
    fields = {field.alias or name: field for name, field in Step.model_fields.items() if name != "figure"}
    found: dict[str, type[BaseModel]] = {}
    for verb in VERBS:
        found[verb] = next(each for each in get_args(fields[verb].annotation) if each is not type(None))
    del found["expect"]
    return found | {f"expect {name}": subject for name, subject in SUBJECTS.items()}


def all_words() -> Iterator[str]:
    """A line for each."""
    found = words()
    width = max(map(len, found))
    for word, model in found.items():
        yield f"{word:{width}}  {_summary(model)}"


def one_word(word: str) -> Iterator[str]:
    """A verb or a subject with its keys.  Raises UsageError for what is neither."""
    found = words()
    model = found.get(word) or found.get(f"expect {word}")
    if model is None:
        raise UsageError(f"there is no verb or subject `{word}`", mend=nearest(word, [*VERBS, *SUBJECTS], "there are"))
    yield _summary(model)
    if issubclass(model, RootModel):
        yield f"  {word}: NAME"
        return
    for name, field in model.model_fields.items():
        need = "must be given" if field.default is PydanticUndefined else f"else {_shown(field.default)}"
        about = f"; {field.description}" if field.description else ""
        yield f"  {field.alias or name}: {_kind(field.annotation)} ({need}){about}"


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _shown(value: Any) -> str:
    return "nothing" if value is None or value == [] or value == {} else str(value).lower()


def _kind(annotation: Any) -> str:
    """A type in a word, or the values that are allowed."""
    if values := [value for value in get_args(annotation) if isinstance(value, str)]:
        return " | ".join(values)
    members = [each for each in get_args(annotation) if each is not type(None)]
    if members:
        inner = _kind(members[0])
        return f"[{inner}, ...]" if getattr(annotation, "__origin__", None) is list else inner
    return {"str": "text", "int": "number", "float": "number", "bool": "true | false"}.get(
        getattr(annotation, "__name__", ""), "text"
    )
