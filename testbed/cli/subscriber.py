"""`testbed subscriber`: who is known to the home network's HSS.  Keys are shown only where that is asked for."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from testbed.errors import UsageError

if TYPE_CHECKING:
    from testbed.core.subscribers import Subscriber, SubscriberStore

STORE = click.option(
    "--store", type=click.Path(path_type=Path, dir_okay=False), help="The SQLite file; one of your own when not given."
)
SECRETS = click.option("--show-secrets", is_flag=True, help="Show K and OPc too.")
JSON = click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")


@click.group()
def subscriber() -> None:
    """Subscribers of the home network's HSS.

    `testbed run --subscribers FILE` lets the HSS serve from such a file; without it every run makes subscribers of its
    own for the UEs of its topology, with keys that nobody keeps.
    """


@subscriber.command()
@click.argument("impi")
@click.option("--impu", "impus", multiple=True, metavar="URI", help="Public identity; the first is the explicit one.")
@click.option(
    "--keys",
    type=click.File(),
    metavar="FILE",
    help="Lines `k=HEX` and `opc=HEX` or `op=HEX`; `-` is standard input.  Random keys when not given.",
)
@click.option("--sqn", type=int, default=0, show_default=True, help="The last sequence number given out.")
@STORE
def add(impi: str, impus: tuple[str, ...], keys: IO[str] | None, sqn: int, store: Path | None) -> None:
    """Add the subscriber with the private identity IMPI.

    Keys never stand on the command line, where every user of the machine could read them.
    """
    from testbed.core.subscribers import Subscriber

    k, opc = _keys(keys) if keys else (secrets.token_bytes(16), secrets.token_bytes(16))
    made = Subscriber(impi, impus or (f"sip:{impi}",), k, opc, sqn=sqn)
    opened = _open(store)
    opened.add(made)
    said = "keys from the file" if keys else "random keys; --show-secrets shows them"
    click.echo(f"{impi} added to {opened.path} with {', '.join(made.impus)} ({said})", err=True)


@subscriber.command("list")
@STORE
@SECRETS
@JSON
def list_(store: Path | None, show_secrets: bool, as_json: bool) -> None:
    """List the subscribers."""
    opened = _open(store)
    _show(list(opened.list()), show_secrets, as_json, title=str(opened.path))


@subscriber.command()
@click.argument("impi")
@STORE
@SECRETS
@JSON
def show(impi: str, store: Path | None, show_secrets: bool, as_json: bool) -> None:
    """Show one subscriber."""
    _show([_open(store).get(impi)], show_secrets, as_json, title=impi)


@subscriber.command()
@click.argument("impi")
@STORE
def remove(impi: str, store: Path | None) -> None:
    """Remove a subscriber."""
    opened = _open(store)
    opened.remove(impi)
    click.echo(f"{impi} removed from {opened.path}", err=True)


def _open(store: Path | None) -> SubscriberStore:
    from testbed.core.subscribers import SubscriberStore, default_path

    return SubscriberStore(store or default_path())


def _keys(stream: IO[str]) -> tuple[bytes, bytes]:
    """K and OPc from `name=hex` lines.  Raises UsageError; no message repeats what a line holds."""
    from testbed.ims.milenage import opc_from_op

    where = getattr(stream, "name", "keys")
    found: dict[str, bytes] = {}
    for number, line in enumerate(stream, start=1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if not equals or name.lower() not in ("k", "op", "opc"):
                raise ValueError
            found[name.lower()] = bytes.fromhex(value.removeprefix("0x"))
        except ValueError:
            mend = "write `k=`, `op=` or `opc=` and 32 hexadecimal digits"
            raise UsageError("is no key", where=f"{where}, line {number}", mend=mend) from None
    if "k" not in found or not ({"op", "opc"} & found.keys()) or any(len(key) != 16 for key in found.values()):
        raise UsageError(
            "K and OPc (or OP) of 16 bytes each are wanted", where=where, mend="32 hexadecimal digits each"
        )
    return found["k"], found["opc"] if "opc" in found else opc_from_op(found["k"], found["op"])


def _show(subscribers: list[Subscriber], show_secrets: bool, as_json: bool, title: str) -> None:
    if as_json:
        click.echo(json.dumps({"subscribers": [_record(each, show_secrets) for each in subscribers]}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("private identity", "public identities", "SQN", title=title, title_justify="left")
    for name in ("K", "OPc") if show_secrets else ():
        table.add_column(name)
    for each in subscribers:
        keys = (each.k.hex(), each.opc.hex()) if show_secrets else ()
        table.add_row(each.impi, "\n".join(each.impus), str(each.sqn), *keys)
    Console().print(table)


def _record(one: Subscriber, show_secrets: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"impi": one.impi, "impus": list(one.impus), "sqn": one.sqn}
    if show_secrets:
        record |= {"k": one.k.hex(), "opc": one.opc.hex()}
    return record
