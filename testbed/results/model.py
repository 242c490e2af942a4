"""`result.json`: the record of one run (DESIGN "A run's folder").  New keys may come, these keep their meaning."""

from __future__ import annotations

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from testbed.measure.words import EXIT_CODE, Direction, Phase, Procedure, TriggerKind, Verdict


class _Record(BaseModel):
    """Unknown keys of newer versions are kept, names in the file are those of DESIGN."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Kernel(_Record):
    name: str
    release: str
    clock: str = "real"
    build: str | None = None  # of a uml: debian | rig


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


class AboveFloor(_Record):
    """Some milliseconds above the floor, and whose they are; those of a direction sum to interruption less floor."""

    what: str
    ms: float
    whose: str  # UE | far UE | core+network | a server | network | measurement | unknown
    directions: list[Direction]


class DelayRecord(_Record):
    """The topology's one-way delays that the floor is made of, in milliseconds."""

    old_access: float
    new_access: float
    far_access: float
    core: float


class Handoff(_Record):
    """One handoff; `from` and `to` are accesses."""

    trigger: TriggerKind
    from_access: str = Field(validation_alias=AliasChoices("from", "from_access"), serialization_alias="from")
    to_access: str = Field(validation_alias=AliasChoices("to", "to_access"), serialization_alias="to")
    procedure: Procedure
    transport: str = "udp"
    interruption_ms: MeasuredPair
    lost: CountPair
    loss_detail: LossDetail | None = None
    handoff_ms: float | None  # trigger until media in both directions; the phases sum to it
    phases_ms: dict[Phase, float | None]
    floor_ms: NumberPair
    over_floor: NumberPair  # interruption / floor; None where the floor is 0
    # How long the path carried no media: the interruption without what the packet grid gave or took (see above_floor).
    outage_ms: NumberPair | None = None
    outage_over_floor: NumberPair | None = None
    above_floor: list[AboveFloor] = []
    detection_ms: float = 0.0  # the stated time of media silence, part of the floor
    delays_ms: DelayRecord | None = None
    t_ms: float = 0.0  # its trigger, from the first one


class Connection(_Record):
    access: str
    pcscf: str
    state: str
    bindings: list[str] = []
    spi: list[int] = []


class StepResult(_Record):
    """A step of a scenario: what it was, and what came of it."""

    number: int
    verb: str
    text: str
    state: str  # passed | failed | not reached
    found: str = ""  # what there was to tell of it
    fault: str = ""  # what was expected and what was there
    figure: str | None = None  # what its duration is called
    t_ms: float | None = None  # its begin, from the first trigger, or else from the first step
    took_ms: float | None = None  # by the kernel's stamps


class LatenessRecord(_Record):
    """Of the worse end; `ends` has both."""

    p50: float | None
    p99: float | None
    ends: dict[str, dict[str, float | None]] = {}


class CaptureRecord(_Record):
    """One end's capture as dumpcap counted it."""

    received: int | None
    dropped: int | None


class Result(_Record):
    """One run."""

    schema_version: int = Field(
        default=1, validation_alias=AliasChoices("schema", "schema_version"), serialization_alias="schema"
    )
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
    rows: list[int] = []  # of the proposal's table
    steps: list[StepResult] = []
    sender_lateness_ms: LatenessRecord
    capture_drops: int | None
    captures: dict[str, CaptureRecord] = {}
    artifacts: dict[str, str] = {}
    timings_s: dict[str, float] = {}  # bring-up, core, registration ...: how long this bench took, not a measurement
    notes: list[str] = []

    @property
    def exit_code(self) -> int:
        """What the command line ends with."""
        return EXIT_CODE[self.verdict]

    def to_json(self) -> str:
        """The text of `result.json`."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
