"""What hostapd and wpa_supplicant tell by themselves, as typed events.

The texts are those of their wpa_ctrl.h; what is not in the table of this file comes as :class:`Other`, unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from drivers.wifi.errors import Unreadable
from drivers.wifi.text import mac, number, pairs_in, unescaped


@dataclass(frozen=True)
class Connected:
    """The station is associated and its keys are installed."""

    bssid: str


@dataclass(frozen=True)
class Disconnected:
    """The station is no longer associated."""

    bssid: str
    reason: int | None  # reason code (IEEE 802.11-2020 table 9-49); None where none was told
    by_itself: bool  # it left; otherwise the access point sent it away


@dataclass(frozen=True)
class SignalChange:
    """The signal of the access point went over a threshold that was asked for."""

    above: bool
    signal_dbm: int
    noise_dbm: int | None


@dataclass(frozen=True)
class BeaconLoss:
    """The station has heard no beacon for some time, and is about to look whether the access point is there."""


@dataclass(frozen=True)
class ScanStarted:
    pass


@dataclass(frozen=True)
class ScanResults:
    """A scan has ended; what it found can be asked for."""


@dataclass(frozen=True)
class ScanFailed:
    errno: int | None


@dataclass(frozen=True)
class NetworkNotFound:
    """A scan has ended, and no network that is configured was in it."""


@dataclass(frozen=True)
class TemporarilyDisabled:
    """The station gives a network a rest because it could not get in."""

    network: int
    ssid: str
    failures: int | None
    duration_s: int | None
    reason: str  # WRONG_KEY, CONN_FAILED, AUTH_FAILED, NO_PSK_AVAILABLE


@dataclass(frozen=True)
class Reenabled:
    network: int


@dataclass(frozen=True)
class AssociationRejected:
    bssid: str | None
    status: int | None  # status code (IEEE 802.11-2020 table 9-50)


@dataclass(frozen=True)
class AuthenticationRejected:
    bssid: str
    status: int | None
    of_confirm: bool  # of SAE: the second of its two steps, where each shows that it has the password


@dataclass(frozen=True)
class Terminating:
    """The daemon is about to end."""


@dataclass(frozen=True)
class InterfaceDisabled:
    """The device was switched off: rfkill, or somebody took it down."""


@dataclass(frozen=True)
class InterfaceEnabled:
    pass


@dataclass(frozen=True)
class StationConnected:
    """A station is associated with our access point."""

    station: str


@dataclass(frozen=True)
class StationDisconnected:
    station: str


@dataclass(frozen=True)
class ApEnabled:
    pass


@dataclass(frozen=True)
class ApDisabled:
    pass


@dataclass(frozen=True)
class ChannelChanged:
    """The access point is on another channel, and so are the stations that followed."""

    frequency_mhz: int | None


@dataclass(frozen=True)
class TransitionAnswered:
    """A station's BSS Transition Management Response (IEEE 802.11-2020 9.6.13.10)."""

    station: str
    status: int | None  # 0: it accepts
    target: str | None


@dataclass(frozen=True)
class Other:
    """Anything else, as it was written."""

    text: str


Event = (
    Connected
    | Disconnected
    | SignalChange
    | BeaconLoss
    | ScanStarted
    | ScanResults
    | ScanFailed
    | NetworkNotFound
    | TemporarilyDisabled
    | Reenabled
    | AssociationRejected
    | AuthenticationRejected
    | Terminating
    | InterfaceDisabled
    | InterfaceEnabled
    | StationConnected
    | StationDisconnected
    | ApEnabled
    | ApDisabled
    | ChannelChanged
    | TransitionAnswered
    | Other
)
NO_NOISE_DBM = 9999  # told where the driver does not know the noise
SAE, SAE_CONFIRM = "3", "2"  # IEEE 802.11-2020 9.4.1.1, 12.4.7.4
_CONNECTION = re.compile(r"Connection to (\S+) completed")


def _connected(rest: str) -> Event:
    found = _CONNECTION.search(rest)
    if not found:
        raise Unreadable(f"CTRL-EVENT-CONNECTED without an access point: {rest!r}")
    return Connected(mac(found[1]))


def _disconnected(rest: str) -> Event:
    values = pairs_in(rest)
    return Disconnected(
        mac(values.get("bssid", "")), number(values, "reason", int), values.get("locally_generated") == "1"
    )


def _signal_change(rest: str) -> Event:
    values = pairs_in(rest)
    signal, noise = number(values, "signal", int), number(values, "noise", int)
    if signal is None:
        raise Unreadable(f"CTRL-EVENT-SIGNAL-CHANGE without a signal: {rest!r}")
    return SignalChange(values.get("above") == "1", signal, None if noise == NO_NOISE_DBM else noise)


def _temporarily_disabled(rest: str) -> Event:
    values = pairs_in(rest)
    return TemporarilyDisabled(
        _network(values),
        unescaped(values.get("ssid", "")),
        number(values, "auth_failures", int),
        number(values, "duration", int),
        values.get("reason", ""),
    )


def _association_rejected(rest: str) -> Event:
    values = pairs_in(rest)
    bssid = values.get("bssid")
    return AssociationRejected(mac(bssid) if bssid else None, number(values, "status_code", int))


def _authentication_rejected(rest: str) -> Event:
    values = pairs_in(rest)
    of_confirm = (values.get("auth_type"), values.get("auth_transaction")) == (SAE, SAE_CONFIRM)
    return AuthenticationRejected(_first_mac(rest), number(values, "status_code", int), of_confirm)


def _transition_answered(rest: str) -> Event:
    values = pairs_in(rest)
    target = values.get("target_bssid")
    return TransitionAnswered(_first_mac(rest), number(values, "status_code", int), mac(target) if target else None)


def _network(values: dict[str, str]) -> int:
    network = number(values, "id", int)
    if network is None:
        raise Unreadable("no network's number in an event")
    return network


def _first_mac(rest: str) -> str:
    return mac(rest.split()[0] if rest.split() else "")


_EVENTS: dict[str, Callable[[str], Event]] = {
    "CTRL-EVENT-CONNECTED": _connected,
    "CTRL-EVENT-DISCONNECTED": _disconnected,
    "CTRL-EVENT-SIGNAL-CHANGE": _signal_change,
    "CTRL-EVENT-BEACON-LOSS": lambda _: BeaconLoss(),
    "CTRL-EVENT-SCAN-STARTED": lambda _: ScanStarted(),
    "CTRL-EVENT-SCAN-RESULTS": lambda _: ScanResults(),
    "CTRL-EVENT-SCAN-FAILED": lambda rest: ScanFailed(number(pairs_in(rest), "ret", int)),
    "CTRL-EVENT-NETWORK-NOT-FOUND": lambda _: NetworkNotFound(),
    "CTRL-EVENT-SSID-TEMP-DISABLED": _temporarily_disabled,
    "CTRL-EVENT-SSID-REENABLED": lambda rest: Reenabled(_network(pairs_in(rest))),
    "CTRL-EVENT-ASSOC-REJECT": _association_rejected,
    "CTRL-EVENT-AUTH-REJECT": _authentication_rejected,
    "CTRL-EVENT-TERMINATING": lambda _: Terminating(),
    "INTERFACE-DISABLED": lambda _: InterfaceDisabled(),
    "INTERFACE-ENABLED": lambda _: InterfaceEnabled(),
    "AP-STA-CONNECTED": lambda rest: StationConnected(_first_mac(rest)),
    "AP-STA-DISCONNECTED": lambda rest: StationDisconnected(_first_mac(rest)),
    "AP-ENABLED": lambda _: ApEnabled(),
    "AP-DISABLED": lambda _: ApDisabled(),
    "AP-CSA-FINISHED": lambda rest: ChannelChanged(number(pairs_in(rest), "freq", int)),
    "CTRL-EVENT-CHANNEL-SWITCH": lambda rest: ChannelChanged(number(pairs_in(rest), "freq", int)),
    "BSS-TM-RESP": _transition_answered,
}
_PREFIX = re.compile(r"(?:IFNAME=\S+ )?<\d+>")


def is_event(datagram: str) -> bool:
    """Whether a datagram of the control interface is an event (it begins with its level, `<3>`), and no answer."""
    return _PREFIX.match(datagram) is not None


def parse(datagram: str) -> Event:
    """An event with or without its level; raises Unreadable when it lacks what such an event has."""
    text = _PREFIX.sub("", datagram, count=1).strip()
    name, _, rest = text.partition(" ")
    reader = _EVENTS.get(name)
    return reader(rest) if reader else Other(text)
