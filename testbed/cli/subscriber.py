"""`testbed subscriber`: who may register in the home network, and with which keys.

Keys come from a prompt, a file or standard input: what stands on a command line is seen by every user of the machine.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import click

from testbed.core.subscribers import AMF, KEY_BYTES, Subscriber, SubscriberStore, default_path, from_line, to_lines
from testbed.errors import UsageError
from testbed.ims.milenage import opc_from_op

STORE = click.option("--store", type=click.Path(path_type=Path, dir_okay=False), help="The file of subscribers.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
SECRETS = click.option("--show-secrets", is_flag=True, help="Print keys, too.")


@click.group()
def subscriber() -> None:
    """Subscribers of the home network's HSS."""


@subscriber.command()
@click.argument("impi")
@click.argument("impus", nargs=-1)
@click.option("--random", "random_keys", is_flag=True, help="Make up K and OPc; they are printed with --show-secrets.")
@click.option("--keys-from", type=click.Path(path_type=Path, allow_dash=True), help="A file, or `-`: see below.")
@click.option("--set", "further_sets", multiple=True, metavar="IMPU,IMPU", help="A further implicit registration set.")
@click.option("--amf", default=AMF.hex(), show_default=True, help="Authentication management field, 4 hex digits.")
@click.option("--sqn", default=0, show_default=True, help="The last sequence number given out.")
@STORE
@JSON
@SECRETS
def add(
    impi: str,
    impus: tuple[str, ...],
    further_sets: tuple[str, ...],
    random_keys: bool,
    keys_from: Path | None,
    amf: str,
    sqn: int,
    store: Path | None,
    as_json: bool,
    show_secrets: bool,
) -> None:
    """Add a subscriber: private identity, then public ones.

    The first public identity is registered explicitly, the others follow it (implicit registration set).  Without any,
    it is sip:IMPI.  Each --set gives a set of its own beside it, its first identity again the one that is registered.

    The file has lines `k HEX` and `opc HEX`, or `op HEX` to have OPc computed; 32 hexadecimal digits each.  Without
    --random and --keys-from they are asked for.
    """
    if random_keys and keys_from:
        raise UsageError("--random and --keys-from exclude each other", where="testbed subscriber add")
    if random_keys:
        k, opc = os.urandom(KEY_BYTES), os.urandom(KEY_BYTES)
    else:
        k, opc = _keys(_read_keys(keys_from) if keys_from else _ask_keys())
    sets = (impus or (f"sip:{impi}",), *(tuple(one.split(",")) for one in further_sets))
    new = Subscriber(impi, tuple(chain.from_iterable(sets)), k, opc, _hexadecimal("AMF", amf), sqn, sets)
    _open(store).add(new)
    _print([new], as_json, show_secrets, one=True)


@subscriber.command("list")
@STORE
@JSON
@SECRETS
def list_(store: Path | None, as_json: bool, show_secrets: bool) -> None:
    """List all subscribers."""
    _print([*_open(store).list()], as_json, show_secrets)


@subscriber.command()
@click.argument("impi")
@STORE
@JSON
@SECRETS
def show(impi: str, store: Path | None, as_json: bool, show_secrets: bool) -> None:
    """Show one subscriber."""
    _print([_open(store).get(impi)], as_json, show_secrets, one=True)


@subscriber.command()
@click.argument("impi")
@STORE
def remove(impi: str, store: Path | None) -> None:
    """Remove a subscriber."""
    _open(store).remove(impi)
    click.echo(f"removed {impi}")


@subscriber.command("import")
@click.argument("file", type=click.File("r"))
@click.option("--replace", "replacing", is_flag=True, help="Subscribers that are there already are replaced.")
@STORE
def import_(file: Any, replacing: bool, store: Path | None) -> None:
    """Add the subscribers of a JSON list, as `list --json --show-secrets` prints it."""
    try:
        lines = json.load(file)
        new = [from_line(line) for line in lines]
    except (ValueError, TypeError) as wrong:
        raise UsageError(f"is no JSON list of subscribers: {wrong}", where=file.name) from wrong
    opened = _open(store)
    for one in new:
        if replacing and any(known.impi == one.impi for known in opened.list()):
            opened.remove(one.impi)
        opened.add(one)
    click.echo(f"imported {len(new)} subscribers")


def _open(store: Path | None) -> SubscriberStore:
    return SubscriberStore(store or default_path())


def _read_keys(source: Path) -> dict[str, str]:
    where = "standard input" if str(source) == "-" else str(source)
    try:
        text = sys.stdin.read() if str(source) == "-" else source.read_text()
    except (OSError, UnicodeDecodeError) as unreadable:
        raise UsageError(f"cannot be read: {unreadable}", where=where) from unreadable
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].replace("=", " ").replace(":", " ").split()
        if not words:
            continue
        name = words[0].lower()
        if len(words) != 2 or name not in ("k", "ki", "op", "opc"):
            # What stands there may be a key with a slip of the pen: it is not repeated.
            raise UsageError("is not `k HEX`, `opc HEX` or `op HEX`", where=f"{where}, line {number}")
        found["k" if name == "ki" else name] = words[1]
    return found


def _ask_keys() -> dict[str, str]:
    if not sys.stdin.isatty():
        mend = "give --random, or --keys-from FILE (`-` for standard input)"
        raise UsageError("no keys, and nobody to ask for them", where="testbed subscriber add", mend=mend)
    found = {"k": click.prompt("K (32 hexadecimal digits, not shown)", hide_input=True)}
    opc = click.prompt("OPc (empty: give OP instead)", hide_input=True, default="", show_default=False)
    if opc:
        return found | {"opc": opc}
    return found | {"op": click.prompt("OP", hide_input=True)}


def _keys(given: dict[str, str]) -> tuple[bytes, bytes]:
    if "k" not in given or not given.keys() & {"op", "opc"}:
        raise UsageError("K and one of OPc and OP are needed", where="keys", mend="give `k HEX` and `opc HEX`")
    keys = {name: _hexadecimal(name.upper(), text) for name, text in given.items()}
    for name, key in keys.items():
        if len(key) != KEY_BYTES:
            raise UsageError(f"has {len(key)} bytes instead of {KEY_BYTES}", where=name.upper())
    return keys["k"], keys["opc"] if "opc" in keys else opc_from_op(keys["k"], keys["op"])


def _hexadecimal(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:  # its message would repeat the digits
        raise UsageError("is not hexadecimal", where=name, mend="give pairs of 0-9 and a-f") from None


def _print(subscribers: list[Subscriber], as_json: bool, show_secrets: bool, one: bool = False) -> None:
    if as_json:
        plain = [*to_lines(subscribers)]
        if not show_secrets:
            plain = [{name: value for name, value in line.items() if name not in ("k", "opc")} for line in plain]
        click.echo(json.dumps(plain[0] if one else plain, indent=2))
        return
    if not subscribers:
        click.echo("there are no subscribers (`testbed subscriber add` makes one)")
    for each in subscribers:
        _print_one(each, show_secrets)


def _print_one(each: Subscriber, show_secrets: bool) -> None:
    click.echo(each.impi)
    for one in each.implicit_sets:
        for place, impu in enumerate(one):
            click.echo(f"  {'public' if place == 0 else '      '}  {impu}")
    click.echo(f"  AMF     {each.amf.hex()}   SQN {each.sqn:012x}")
    if show_secrets:
        click.echo(f"  K       {each.k.hex()}\n  OPc     {each.opc.hex()}")
