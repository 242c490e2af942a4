"""What scenarios of both kinds say: of themselves, of the core and of SIP, and what is expected of every run."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints

from drivers.protocols import Family
from testbed.errors import UsageError
from testbed.scenario.rows import LAST_ROW
from testbed.topology import files
from testbed.topology.document import Document
from testbed.topology.faults import Complaint, Fault, FileFaults
from testbed.topology.model import Name, Strict
from testbed.topology.plan import Plan

MOVING, FAR = "ue", "far"  # the two UEs that a topology must have
DEFAULT_TOPOLOGY = "two-access"
OPTIONS = "the command line"
# `ealg: null` is YAML for nothing, and the name of an algorithm (RFC 2410): both mean the algorithm.
Encryption = Annotated[
    Literal["null", "aes-cbc"],
    BeforeValidator(lambda value: "null" if value is None else value),
    PlainSerializer(str, return_type=str),
]
Row = Annotated[int, Field(ge=1, le=LAST_ROW)]


class Expect(Strict):
    """What is expected beyond what follows from procedure and trigger; a key that is not given is not judged."""

    max_lost: int | None = Field(default=None, ge=0, description="Packets lost in each direction.")
    max_over_floor: float | None = Field(default=None, ge=1, description="Interruption over floor, in one run.")
    max_interruption_ms: float | None = Field(default=None, ge=0, description="Interruption in each direction.")
    detection_tolerance_ms: float | None = Field(
        default=None, ge=0, description="How far from the stated silence a black hole may be noticed."
    )
    protected: bool = Field(
        default=True, description="Nothing but REGISTERs, and their refusals, may pass the UEs outside ESP."
    )
    max_lateness_p99_ms: float = Field(default=10.0, gt=0, description="A media sender's; more makes a run invalid.")
    required_markers: list[Name] = Field(default=[], description="Markers that must have been captured.")


class Common(Strict):
    """What every scenario has."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)] = Field(
        description="A short name, that of its runs."
    )
    title: str = Field(min_length=1, max_length=200, pattern=r"^\P{C}*$", description="What it shows, in a sentence.")
    rows: list[Row] = Field(default=[], description="The rows of the proposal's table that it shows.")
    topology: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)] = Field(
        default=DEFAULT_TOPOLOGY, description="The topology that it was written for."
    )
    far_end: Name = Field(
        default=FAR, description="Who talks to the UE that moves, and is captured: the UE `far`, or a peer's server."
    )
    profile: Literal["seamless", "release7", "plain", "stock"] = Field(
        default="seamless", description="What the core knows."
    )
    transport: Literal["udp", "tcp"] = Field(default="udp", description="Of SIP between UE and P-CSCF.")
    ip: Family = Field(default=4, description="IP version of the accesses.")
    alg: Literal["hmac-sha-1-96", "hmac-md5-96"] = Field(default="hmac-sha-1-96", description="ESP integrity.")
    ealg: Encryption = Field(default="null", description="ESP encryption.")
    linger_s: float = Field(
        default=20.0, ge=0.1, le=86_400, description="How long sessions live on a connection without bindings."
    )
    seed: int | None = Field(
        default=None, ge=0, lt=2**32, description="Makes keys, tags and ports repeat; random without."
    )
    expect: Expect = Field(default=Expect(), description="What the run must show.")

    def fit(self, plan: Plan) -> None:
        """Raises UsageError when this scenario cannot run on that topology."""
        for name in (MOVING, FAR):
            if name not in plan.ues:
                mend = f"a scenario wants the UEs `{MOVING}`, which moves, and `{FAR}`, whom it talks to"
                raise UsageError(f"there is no UE `{name}`", where=f"topology {plan.topology}", mend=mend)
        if self.far_end != FAR and self.far_end not in plan.servers:
            mend = f"write far_end: {FAR}, or the name of a server of role peer"
            raise UsageError(f"there is no server `{self.far_end}`", where=f"topology {plan.topology}", mend=mend)
        if self.ip == 6 and plan.wifis:
            what = f"access `{plan.wifis[0].name}` is Wi-Fi, whose DHCP gives IPv4 addresses alone"
            raise UsageError(what, where=f"topology {plan.topology}", mend="use --ip 4, or another topology")

    def far_addresses(self, plan: Plan) -> tuple[str, ...]:
        """Those of the far end."""
        if self.far_end in plan.servers:
            return tuple(plan.servers[self.far_end].addresses.values())
        accesses = plan.ues[self.far_end].accesses
        return tuple(address.address for access in accesses for address in plan.accesses[access].addresses)

    def far_delay_ms(self, plan: Plan) -> float:
        """One way, from the far end to its server."""
        if self.far_end in plan.servers:
            return 0.0
        return plan.accesses[plan.ues[self.far_end].accesses[0]].shape.delay_ms

    def complaints(self) -> Iterator[Complaint]:
        """What does not fit together in a scenario whose values are each well formed."""
        return iter(())

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """This scenario with other values, by the names of the fields.  Raises UsageError for what is no such value."""
        data = self.as_data() | {self._key(name): value for name, value in changes.items()}
        kind = type(self)
        try:
            return files.validate(Document(OPTIONS, json.loads(json.dumps(data))), kind, kind.complaints)
        except FileFaults as wrong:
            raise FileFaults(_of_option(fault) for fault in wrong.faults) from wrong

    @classmethod
    def _key(cls, name: str) -> str:
        return cls.model_fields[name].alias or name

    def as_data(self) -> dict[str, Any]:
        """As plain data, with the keys of a file."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        data["expect"] = self.expect.model_dump(mode="json", exclude_defaults=True)
        return data

    def to_yaml(self) -> str:
        """As a file that `find` reads again, every key spelt out."""
        from ruamel.yaml import YAML

        stream = io.StringIO()
        writer = YAML()
        writer.width = 1000
        writer.dump(_short(self.as_data()), stream)
        return stream.getvalue()


def _of_option(fault: Fault) -> Fault:
    option = "--" + fault.key.removesuffix("_access").replace("_", "-")
    return Fault(0, 0, OPTIONS, option, fault.what, fault.mend)


def _short(value: Any) -> Any:
    """Whole numbers without `.0`."""
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
