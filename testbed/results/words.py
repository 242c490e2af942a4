"""Figures and verdicts in words: the same in the terminal and in the report."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatch

from testbed.measure.words import Phase, Procedure, TriggerKind, Verdict
from testbed.results.model import Handoff, Measured, Result

VERDICT = {
    Verdict.PASSED: "the handoff did what the scenario expects",
    Verdict.FAILED: "the system under test did not do what was expected",
    Verdict.RIG_ERROR: "the bench failed, the system under test is not to blame",
    Verdict.INVALID: "the figures cannot be trusted",
}
PHASE = {
    Phase.DETECT: "the UE notices",
    Phase.ACCESS: "the new access is up",
    Phase.REGISTER: "registered over it",
    Phase.SESSION: "the session is moved",
    Phase.MEDIA: "media both ways",
}
PROCEDURE = {
    Procedure.GLOBAL_REREGISTRATION: "global re-registration and re-INVITE",
    Procedure.EXPLICIT_REREGISTRATION: "re-registration of each identity and re-INVITE",
    Procedure.REPLACES: "global re-registration and INVITE with Replaces",
    Procedure.MAKE_BEFORE_BREAK: "make before break",
    Procedure.RELEASE7: "release 7: the call is lost and dialled again",
}
TRIGGER = {
    TriggerKind.CARRIER_LOSS: "loss of carrier",
    TriggerKind.BLACKHOLE: "a black hole",
    TriggerKind.AP_POWER_OFF: "its access point was switched off",
    TriggerKind.AP_SILENT: "its access point fell silent",
    TriggerKind.AP_DEAUTH: "its access point sent the UE away",
    TriggerKind.FADE: "a signal that faded",
    TriggerKind.STICK_PULLED: "its stick was pulled out",
    TriggerKind.USB_PORT_DISABLED: "its USB port was disabled",
    TriggerKind.COVERAGE_LOSS: "loss of coverage",
    TriggerKind.SIGNAL_LOW: "a weak signal",
    TriggerKind.CONTEXT_DEACTIVATED: "the network deactivated its context",
    TriggerKind.NETWORK_DETACH: "detach by the network",
    TriggerKind.CONTEXT_GIVEN_UP: "the UE deactivated its context",
    TriggerKind.AIRPLANE_MODE: "airplane mode",
}
# What the files of a run are, by their path; the first pattern that matches tells.
ARTIFACTS = (
    ("captures/ue.pcapng", "what passed the UE"),
    ("captures/far.pcapng", "what passed the far end"),
    (
        "captures/esp_sa",
        "the keys with which Wireshark and tshark read the protected SIP; of this run only, keep it private",
    ),
    ("captures/*.pcapng", "what passed this server"),
    ("captures/*.log", "what dumpcap said"),
    ("result.json", "the figures and the verdict, for programs"),
    ("timeline.jsonl", "every event in order, one a line"),
    ("report.html", "this page"),
    ("topology.yaml", "the topology, as run"),
    ("scenario.yaml", "the scenario, as run"),
    ("context.json", "what the runner knew; `testbed report` analyses the run again with it"),
    ("logs/*", "what a process said"),
)


def artifact(path: str) -> str:
    """What a file of a run's folder is."""
    return next((text for pattern, text in ARTIFACTS if fnmatch(path, pattern)), "")


def moment(text: str) -> str:
    """A time of `result.json` as a person writes it."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except ValueError:
        return text


def headline(result: Result) -> str:
    """The scenario and what it was about: `global-reregistration: lte to wifi after loss of carrier`."""
    if not result.handoffs:
        return f"{result.scenario} on {result.topology}"
    first = result.handoffs[0]
    return f"{result.scenario}: {first.from_access} to {first.to_access} after {TRIGGER[first.trigger]}"


def procedure(handoff: Handoff) -> str:
    return f"{PROCEDURE[handoff.procedure]}, SIP over {handoff.transport.upper()}"


def handoff_time(handoff: Handoff) -> str:
    """What the phases sum to."""
    if handoff.handoff_ms is None:
        return "media never flowed both ways over the new access"
    if handoff.procedure == Procedure.MAKE_BEFORE_BREAK:
        return f"the session had been moved before the trigger; all was over {handoff.handoff_ms:.1f} ms after it"
    return f"{handoff.handoff_ms:.1f} ms from the trigger to media both ways"


def whose(name: str) -> str:
    """Whose milliseconds above the floor are, so that it explains itself."""
    if name == "measurement":
        return "packet grid (nobody's)"
    if name.startswith("pcscf"):  # servers are called like their capture
        return f"P-CSCF {name[5:].strip('-')}".strip()
    return "S-CSCF and HSS" if name.startswith("scscf") else name


def milliseconds(value: float | None, *, signed: bool = False) -> str:
    """`83.0 ms`, and a dash for what is not known."""
    if value is None:
        return "–"
    text = f"{value:+.1f}" if signed and abs(value) >= 0.05 else f"{value:.1f}".replace("-0.0", "0.0")
    return f"{text.replace('-', '−')} ms"


def interruption(figure: Measured) -> str:
    """`105.0 ± 8.2 ms`; a lower bound says so."""
    if figure.value is None:
        return "no media"
    if not figure.resumed:
        return f"over {figure.value:.0f} ms, media never came back"
    return f"{figure.value:.1f} ± {figure.uncertainty or 0:.1f} ms"


def outage(value: float | None, ratio: float | None) -> str:
    """`83.0 ms (×1.04)`: how long the path was dead, and that over the floor."""
    return milliseconds(value) + (f" (×{ratio:.2f})" if value is not None and ratio is not None else "")


def above(value: float | None, ratio: float | None) -> str:
    """`22.0 ms, 1.27 times the floor`, in the short form of a table's cell."""
    if value is None:
        return "–"
    return milliseconds(value, signed=True) + (f" (×{ratio:.2f})" if ratio is not None else "")
