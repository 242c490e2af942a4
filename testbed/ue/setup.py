"""What the controller tells a UE process about itself, as one JSON object; it holds keys and is sent, never stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from drivers.protocols import AccessAddress, Family
from testbed.ue.config import Subscription, UeConfig

MAX_ORDER = 1 << 18  # bytes of one order, result or event between controller and UE process


@dataclass(frozen=True)
class ModemSetup:
    """The modem of an access: the name of its AT port, and the APN."""

    port: str
    apn: str
    low_dbm: float | None = None


@dataclass(frozen=True)
class WifiSetup:
    """The Wi-Fi of an access; `folder` is for the sockets of its wpa_supplicant and DHCP client."""

    ssid: str
    security: Literal["open", "wpa2-psk", "wpa3-sae"]
    passphrase: str = field(repr=False)
    channels: tuple[int, ...]  # of its access points: a scan of all takes seconds
    folder: str
    low_dbm: int | None = None


@dataclass(frozen=True)
class AccessSetup:
    """An access network of the UE: its device in the namespace, its routing table, what attaching gives.

    With a modem the addresses are those that are expected; attaching tells what they are.
    """

    name: str
    device: str
    table: int
    addresses: tuple[AccessAddress, ...]
    info: str = "IEEE-802.3"
    modem: ModemSetup | None = None
    wifi: WifiSetup | None = None

    def address(self, family: Family) -> AccessAddress:
        return next(address for address in self.addresses if address.family == family)


@dataclass(frozen=True)
class UeSetup:
    """Everything a UE process needs."""

    config: UeConfig
    accesses: tuple[AccessSetup, ...]
    family: Family = 4
    esp_sa: str | None = None  # where to write the keys of the security associations, for reading the captures
    card: str | None = None  # the access whose modem computes AKA while it is there; None: software
    radio_timers: bool = True  # T1 of 2 s (TS 24.229 table 7.7.1); False: RFC 3261's, made for wired networks

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        for name in ("k", "opc"):
            data["config"]["subscription"][name] = data["config"]["subscription"][name].hex()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> UeSetup:
        config = dict(data["config"])
        subscription = dict(config["subscription"])
        for name in ("k", "opc"):
            subscription[name] = bytes.fromhex(subscription[name])
        subscription["impus"] = tuple(subscription["impus"])
        subscription["implicit_sets"] = tuple(tuple(each) for each in subscription["implicit_sets"])
        config["subscription"] = Subscription(**subscription)
        return cls(
            UeConfig(**config),
            tuple(_access(access) for access in data["accesses"]),
            data["family"],
            data["esp_sa"],
            data["card"],
            data["radio_timers"],
        )


def _access(data: Mapping[str, Any]) -> AccessSetup:
    addresses = tuple(AccessAddress(**each) for each in data["addresses"])
    modem = ModemSetup(**data["modem"]) if data["modem"] else None
    wifi = WifiSetup(**data["wifi"]) if data["wifi"] else None
    return AccessSetup(**{**data, "addresses": addresses, "modem": modem, "wifi": wifi})


@dataclass(frozen=True)
class HandoffOrder:
    """What a UE shall do by itself once its access fails.

    `move` names the registration (`global`, `explicit`, `none`), `session` how sessions follow: `re-invite`,
    `replaces`, or `redial` (release 7: the call is lost and made again).
    """

    to: str
    move: str = "global"
    session: str = "re-invite"
    silence_ms: float = 0.0  # media silence after which the access counts as gone; 0: only the kernel's word counts
    patience_s: float = 20.0  # for each step: sessions do not linger much longer than that
