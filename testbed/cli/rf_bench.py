"""The bench file of `testbed rf`: levers by name; and how they are said to a person and to a script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from drivers.errors import DriverError
from drivers.rf.attenuator import MiniCircuitsAttenuator
from drivers.rf.limits import Limits
from drivers.rf.numato import NumatoRelay
from drivers.rf.spec import AttenuatorSpec, LeverSpec
from drivers.rf.usb_power import UsbPortPower
from drivers.rf.usbrelay import UsbRelay
from testbed.errors import UsageError
from testbed.topology import files
from testbed.topology.faults import Complaint, nearest

DEFAULT = Path("rf.yaml")
Lever = MiniCircuitsAttenuator | NumatoRelay | UsbRelay | UsbPortPower
State = list[float] | bool  # dB, channel by channel; or on
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=40)]

BENCH = click.option(
    "--bench",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT,
    show_default=True,
    help="The file that names the levers.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Bench(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    levers: Annotated[dict[Name, LeverSpec], Field(min_length=1)]

    def named(self, name: str) -> LeverSpec:
        """One lever; raises UsageError with the names that there are."""
        if name not in self.levers:
            mend = nearest(name, list(self.levers), "name one")
            raise UsageError(f"there is no lever {name}", where="NAME", mend=mend)
        return self.levers[name]


def read(path: Path) -> Bench:
    """Read and check a bench file; raises UsageError with file and line of all that is wrong."""
    if path == DEFAULT and not path.exists():
        mend = "write one (`testbed rf --help` shows how), or name another with --bench"
        raise UsageError("there is no bench file in this folder", where=str(path), mend=mend)
    return files.read(path, Bench, _complaints)


def _complaints(bench: Bench) -> Iterator[Complaint]:
    for name, spec in bench.levers.items():
        if isinstance(spec, AttenuatorSpec) and spec.maximum_db is not None and spec.maximum_db < spec.minimum_db:
            what = f"{spec.maximum_db:g} dB is less than minimum_db, {spec.minimum_db:g} dB"
            yield Complaint(("levers", name, "maximum_db"), what, "exchange them")


def state(lever: Lever) -> State:
    """How it is; raises DriverError."""
    return lever.states() if isinstance(lever, MiniCircuitsAttenuator) else lever.is_on()


def safe_state(spec: LeverSpec) -> State | None:
    """What it is to be put back to; None where the bench file does not say."""
    if isinstance(spec, AttenuatorSpec):
        return None if spec.safe_db is None else [spec.safe_db] * len(spec.channels)
    return spec.safe_on


def said(state: State) -> str:
    """`12.25 dB`, `0 dB, 3 dB` of channels that differ, `on`."""
    if isinstance(state, bool):
        return "on" if state else "off"
    return ", ".join(f"{db:g} dB" for db in (state[:1] if len(set(state)) == 1 else state))


def said_limits(limits: Limits) -> str:
    return f"{limits.minimum_db:g} to {limits.maximum_db:g} dB by {limits.step_db:g}"


def as_record(state: State | None) -> dict[str, Any]:
    """`{"db": [12.25]}` or `{"on": true}`."""
    return {} if state is None else {"on": state} if isinstance(state, bool) else {"db": state}


def trouble(error: DriverError) -> dict[str, Any]:
    """For --json."""
    return {"kind": type(error).__name__, "what": error.what, "where": error.where, "mend": error.mend}
