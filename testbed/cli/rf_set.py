"""`testbed rf set`: one lever to one value, read back."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import click

from drivers.rf.attenuator import MiniCircuitsAttenuator
from testbed.cli.rf_bench import BENCH, JSON, Lever, as_record, read, said, state
from testbed.errors import UsageError

SWITCHED = {"on": True, "off": False}


@click.command("set", context_settings={"ignore_unknown_options": True})  # a value may begin with a minus
@click.argument("name")
@click.argument("value")
@BENCH
@JSON
def set(name: str, value: str, bench: Path, as_json: bool) -> None:
    """Set the lever NAME: an attenuator to VALUE dB, a relay or a USB port to `on` or `off`.

    It is read back; what it is then is printed.  dB are rounded to the attenuator's step.
    """
    spec = read(bench).named(name)
    wanted = _value(name, value, spec.kind == "attenuator")
    with closing(spec.open()) as lever:
        _set(lever, wanted)
        found = state(lever)
    if as_json:
        click.echo(json.dumps({"name": name, "asked": wanted, **as_record(found)}))
    else:
        rounded = f" ({wanted:g} dB rounded to its step)" if isinstance(found, list) and found[0] != wanted else ""
        click.echo(f"{name}: {said(found)}{rounded}")


def _value(name: str, text: str, attenuator: bool) -> float | bool:
    """Read before anything is opened."""
    if not attenuator:
        if text not in SWITCHED:
            raise UsageError(f"`{text}` is no state of {name}", where="VALUE", mend="say on or off")
        return SWITCHED[text]
    try:
        return float(text)
    except ValueError as unclear:
        mend = "give a number, as in `testbed rf set corridor 12.5`"
        raise UsageError(f"`{text}` is no attenuation in dB", where="VALUE", mend=mend) from unclear


def _set(lever: Lever, wanted: float | bool) -> None:
    if isinstance(lever, MiniCircuitsAttenuator):
        lever.set_attenuation_db(wanted)
    else:
        lever.set_on(bool(wanted))
