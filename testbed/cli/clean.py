"""`testbed clean`: undo what a dead run left behind, and only that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from testbed.errors import RigError
from testbed.rig.journal import Journal
from testbed.rig.kernel.guest_folder import leftovers, remove_leftovers
from testbed.rig.reservation import Reservation, check_name, state_folder


@click.command()
@click.option("--rig", "name", metavar="NAME", help="Only this rig.")
@click.option("--all", "every", is_flag=True, help="All rigs that nobody holds (as without --rig).")
@click.option("--dry-run", is_flag=True, help="Say what would be undone, and undo nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), help="Where rigs keep their journals.", hidden=True
)
def clean(name: str | None, every: bool, dry_run: bool, as_json: bool, state: Path | None) -> None:
    """Undo what a dead run left behind, and only that.

    A rig writes into a journal what it is about to make, so what a killed run or a loss of power left behind is known
    exactly: network namespaces with their links, SAs and queueing disciplines, processes, mounts.  A rig whose run is
    alive is left alone.  What a rig in a guest kernel made is gone with the guest; its temporary folder goes here.
    """
    if name and every:
        raise click.UsageError("--rig and --all exclude each other")
    folder = state or state_folder()
    rigs = [check_name(name)] if name else _rigs(folder)
    results = [_clean(rig, folder / rig, dry_run) for rig in rigs]
    guests = [] if name else [str(path) for path in (leftovers() if dry_run else remove_leftovers())]
    if as_json:
        click.echo(json.dumps({"rigs": results, "guests": guests}, indent=2))
    else:
        _print(results, guests, dry_run)
    if any(result["failed"] for result in results) or (name and results[0]["held"]):
        raise click.exceptions.Exit(RigError.exit_code)


def _rigs(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/lock"))


def _clean(rig: str, folder: Path, dry_run: bool) -> dict[str, Any]:
    """What was done with one rig, as `--json` shows it."""
    result: dict[str, Any] = {"rig": rig, "left_by": None, "held": None, "undone": [], "left": [], "failed": []}
    if not (folder / "lock").exists():
        return result
    reservation, journal = Reservation(rig, folder), Journal(folder / "journal.jsonl")
    before = reservation.holder()
    try:
        reservation.acquire(None if dry_run else "clean")
    except RigError as held:
        result["held"] = held.what
        return result
    try:
        if journal.entries():
            result["left_by"] = str(before) if before else None
        if dry_run:
            result["left"] = journal.there()
        else:
            result["failed"] = [failure.why for failure in journal.undo(result["undone"].append)]
    except RigError as unreadable:
        result["failed"] = [str(unreadable)]
    finally:
        reservation.release()
    return result


def _print(results: list[dict[str, Any]], guests: list[str], dry_run: bool) -> None:
    for result in results:
        rig = f"rig {result['rig']}"
        if result["held"]:
            click.echo(f"{rig} is left alone: {result['held']}", err=True)
        if result["left_by"]:
            click.echo(f"{rig} was left by {result['left_by']}")
        for line in result["undone"]:
            click.echo(f"{rig}: {line}")
        for line in result["left"]:
            click.echo(f"{rig}: would be undone: {line}")
        for line in result["failed"]:
            click.echo(f"{rig}: not undone: {line}", err=True)
    for folder in guests:
        click.echo(f"{folder}: a dead guest's folder {'would be ' if dry_run else ''}removed")
    if not guests and not any(result[key] for result in results for key in ("held", "undone", "left", "failed")):
        click.echo("nothing to undo" if not dry_run else "nothing would be undone")
