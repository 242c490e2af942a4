"""The safe state of a lever, kept as plain data so that a journal can put it back when we are no more.

Before a lever is first moved, :func:`announcement` looks how it is and says what is to be written down; :func:`undo`
and :func:`there` need nothing but that.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from drivers.rf.spec import LEVER, LeverSpec


def announcement(spec: LeverSpec) -> dict[str, Any]:
    """`{"lever": ..., "states": [...]}`: the lever, and what it is to be put back to."""
    states: list[Any] | None = spec.safe()
    if states is None:
        with closing(spec.open()) as lever:
            states = lever.states()
    return {"lever": spec.model_dump(mode="json"), "states": states}


def there(values: Mapping[str, Any]) -> list[str]:
    """A sentence when the lever is not in its safe state.  Raises LeverError when it cannot be asked."""
    with closing(LEVER.validate_python(values["lever"]).open()) as lever:
        states = lever.states()
        return (
            []
            if states == values["states"]
            else [f"{lever.where} is at {_said(states)}, not {_said(values['states'])}"]
        )


def undo(values: Mapping[str, Any]) -> list[str]:
    """Put the lever back; a sentence when it was elsewhere.  Raises LeverError when it stays elsewhere."""
    with closing(LEVER.validate_python(values["lever"]).open()) as lever:
        if lever.states() == values["states"]:
            return []
        lever.restore(values["states"])
        return [f"put {lever.where} back to {_said(values['states'])}"]


def _said(states: list[Any]) -> str:
    words = {True: "closed or on", False: "open or off"}
    return ", ".join(words[state] if isinstance(state, bool) else f"{state:g} dB" for state in states)
