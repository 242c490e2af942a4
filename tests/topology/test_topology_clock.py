"""A topology with a physical radio is not run in simulated time, whatever kinds of access there will be."""

from __future__ import annotations

from typing import Literal

import pytest
from click.testing import CliRunner

from testbed.cli.run import run
from testbed.errors import UsageError
from testbed.topology.clock import refuse_simulated
from testbed.topology.load import load, shipped
from testbed.topology.model import Access, WiredAccess


class Radio(Access):
    """A kind as the drivers for radios will bring it."""

    kind: Literal["radio"]

    @property
    def is_physical(self) -> bool:
        return True


def test_a_physical_radio_is_refused_by_name_with_the_mend() -> None:
    topology = load(shipped()["two-access"])
    radio = Radio(kind="radio", pcscf="pcscf-lte")
    with_radio = topology.model_copy(update={"accesses": {**topology.accesses, "lte": radio}})
    with pytest.raises(UsageError) as raised:
        refuse_simulated(with_radio)
    assert raised.value.what.endswith("not in this machine: `lte` (radio)")
    assert raised.value.mend == "use --clock real, or a topology without physical accesses"
    assert raised.value.exit_code == 2


def test_the_command_line_refuses_it_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WiredAccess, "is_physical", property(lambda _: True))
    refused = CliRunner().invoke(run, ["global-reregistration", "--clock", "simulated"])
    assert isinstance(refused.exception, UsageError)
    assert "`lte` (wired), `wifi` (wired), `far` (wired)" in refused.exception.what


def test_what_ships_and_runs_in_this_machine_is_not_refused() -> None:
    for path in shipped().values():
        topology = load(path)
        if not any(access.is_physical for access in topology.accesses.values()):
            refuse_simulated(topology)
    refuse_simulated(load(shipped()["two-access"]))


def test_a_kind_that_does_not_say_whether_it_is_physical_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="Forgetful: say whether an access of this kind is_physical"):

        class Forgetful(Access):
            kind: Literal["forgetful"]
