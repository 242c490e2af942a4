"""The words that a measurement is described by: procedures, triggers, directions, phases (DESIGN "Words")."""

from __future__ import annotations

from enum import StrEnum


class Procedure(StrEnum):
    """How the session gets to the new access (C1-062198 clause 2; `release7` is what the core did before it)."""

    GLOBAL_REREGISTRATION = "global-reregistration"  # one REGISTER moves all bindings, then re-INVITE (figure 5)
    EXPLICIT_REREGISTRATION = "explicit-reregistration"  # a REGISTER for each identity (2.2), then re-INVITE
    REPLACES = "replaces"  # the same, the session moved by INVITE with Replaces (RFC 3891)
    MAKE_BEFORE_BREAK = "make-before-break"  # access 2 registered and session moved before access 1 is cut
    RELEASE7 = "release7"  # the new registration removes the old binding; the call is lost and dialled again


class TriggerKind(StrEnum):
    """The physical event that forces the switch."""

    CARRIER_LOSS = "carrier-loss"  # the link goes down and the kernel says so
    BLACKHOLE = "blackhole"  # packets just vanish; the UE notices by media silence
    # Of a Wi-Fi access:
    AP_POWER_OFF = "ap-power-off"  # the access point is switched off, and says so
    AP_SILENT = "ap-silent"  # nothing leaves its antenna any more
    AP_DEAUTH = "ap-deauth"  # it sends the UE away
    FADE = "fade"  # the signal goes, step by step
    # Of an access by a modem:
    STICK_PULLED = "stick-pulled"  # out of its port
    USB_PORT_DISABLED = "usb-port-disabled"  # to this machine the same, but the stick has its power
    COVERAGE_LOSS = "coverage-loss"  # its cells are gone
    SIGNAL_LOW = "signal-low"  # the signal falls below the topology's threshold, and nothing is lost yet
    CONTEXT_DEACTIVATED = "context-deactivated"  # by the network
    NETWORK_DETACH = "network-detach"  # the network ends the registration
    CONTEXT_GIVEN_UP = "context-given-up"  # by the UE
    AIRPLANE_MODE = "airplane-mode"  # the user switches the radio off


class Direction(StrEnum):
    """Media as the UE that moves sees it: uplink is judged at the far end's capture, downlink at the UE's."""

    UPLINK = "uplink"
    DOWNLINK = "downlink"


class Phase(StrEnum):
    """Where the time between the trigger and media in both directions went, in this order."""

    DETECT = "detect"
    ACCESS = "access"
    REGISTER = "register"
    SESSION = "session"
    MEDIA = "media"


class Verdict(StrEnum):
    """What a run says (DESIGN "What never changes", 3)."""

    PASSED = "passed"
    FAILED = "failed"  # the product
    RIG_ERROR = "rig-error"  # the bench
    INVALID = "invalid"  # the measurement


EXIT_CODE: dict[Verdict, int] = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.RIG_ERROR: 3, Verdict.INVALID: 4}
