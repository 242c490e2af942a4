"""`result.json`: the record of one run (DESIGN "A run's folder").  New keys may come, these keep their meaning."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from testbed.measure.words import Phase, Procedure, TriggerKind, Verdict


class _Record(BaseModel):
    """Unknown keys of newer versions are kept, names in the file are those of DESIGN."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Kernel(_Record):
    name: str
    release: str
    clock: str = "real"


class Measured(_Record):
    """A figure in milliseconds with its standard uncertainty (JCGM 100:2008 2.3.1, coverage factor 1)."""

    value: float | None  # None: the call had no media in this direction to measure
    uncertainty: float | None = None
    gap: float | None = None  # the largest gap between received packets, as captured
    resumed: bool = True  # False: media never came back; the value is a lower bound


class MeasuredPair(_Record):
    uplink: Measured
    downlink: Measured


class CountPair(_Record):
    uplink: int
    downlink: int


class NumberPair(_Record):
    uplink: float | None
    downlink: float | None


class LossDetail(_Record):
    """`lost` taken apart: what left the sender and did not arrive, and what the sender never got out."""

    sent_not_received: CountPair
    never_sent: CountPair
    duplicates: CountPair
    reordered: CountPair


class Handoff(_Record):
    """One handoff; `from` and `to` are accesses."""

    trigger: TriggerKind
    from_access: str = Field(alias="from")
    to_access: str = Field(alias="to")
    procedure: Procedure
    transport: str = "udp"
    interruption_ms: MeasuredPair
    lost: CountPair
    loss_detail: LossDetail | None = None
    handoff_ms: float | None  # trigger until media in both directions; the phases sum to it
    phases_ms: dict[Phase, float | None]
    floor_ms: NumberPair
    over_floor: NumberPair  # interruption / floor; None where the floor is 0


class Connection(_Record):
    access: str
    pcscf: str
    state: str
    bindings: list[str] = []
    spi: list[int] = []


class LatenessRecord(_Record):
    p50: float | None
    p99: float | None


class Result(_Record):
    """One run."""

    schema_version: int = Field(1, alias="schema")
    id: str
    scenario: str
    topology: str
    kernel: Kernel
    started: str
    ended: str
    verdict: Verdict
    reasons: list[str] = []
    handoffs: list[Handoff] = []
    connections: list[Connection] = []
    sender_lateness_ms: LatenessRecord
    capture_drops: int | None
    artifacts: dict[str, str] = {}
    notes: list[str] = []

    def to_json(self) -> str:
        """The text of `result.json`."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
