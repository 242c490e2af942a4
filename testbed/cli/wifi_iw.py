"""What `iw` prints, without I/O: devices, the link of a station, the results of a scan.

Source: iw's own interface.c, link.c and scan.c, version 5.19.  It says of itself that its output is not for programs;
what is read here has kept its form since 3.0, and what is not found is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.wifi.text import unescaped
from testbed.cli.wifi_networks import Network, security_of

_PHY, _DEVICE = re.compile(r"phy#(\d+)"), re.compile(r"\s+Interface (\S+)")
_CHANNEL, _POWER = re.compile(r"channel \d+ \((\d+) MHz\)"), re.compile(r"txpower (-?[0-9.]+) dBm")
_SIGNAL, _BSS = re.compile(r"signal: (-?[0-9.]+) dBm"), re.compile(r"BSS ([0-9a-f:]{17})")
_FREQUENCY = re.compile(r"freq: (\d+)")


@dataclass(frozen=True)
class Device:
    """A network device of a radio, as `iw dev` has it."""

    phy: int
    name: str
    mode: str  # managed, AP, monitor, mesh point, ...
    address: str | None
    ssid: str | None  # of an access point
    frequency_mhz: int | None
    power_dbm: float | None


@dataclass(frozen=True)
class Link:
    """What a station is associated with."""

    bssid: str
    ssid: str | None
    frequency_mhz: int | None
    signal_dbm: int | None


def devices(printed: str) -> list[Device]:
    """`iw dev`; what has no network device (P2P) is left out."""
    found, phy = [], -1
    for block in re.split(r"^(?=phy#|\t(?:Interface|Unnamed))", printed, flags=re.MULTILINE):
        if head := _PHY.match(block):
            phy = int(head[1])
        elif name := _DEVICE.match(block):
            words = dict(_words(block))
            channel, power = _CHANNEL.search(block), _POWER.search(block)
            ssid = words.get("ssid")
            found.append(
                Device(
                    phy,
                    name[1],
                    words.get("type", "unknown"),
                    words.get("addr"),
                    None if ssid is None else unescaped(ssid),
                    int(channel[1]) if channel else None,
                    float(power[1]) if power else None,
                )
            )
    return found


def link(printed: str) -> Link | None:
    """`iw dev DEVICE link`; None while it is not associated."""
    to = re.match(r"Connected to ([0-9a-f:]{17})", printed)
    if not to:
        return None
    ssid, signal = re.search(r"^\s+SSID: (.*)$", printed, re.MULTILINE), _SIGNAL.search(printed)
    frequency = _FREQUENCY.search(printed)
    return Link(
        to[1],
        unescaped(ssid[1]) if ssid else None,
        int(frequency[1]) if frequency else None,
        round(float(signal[1])) if signal else None,
    )


def scan(printed: str) -> list[Network]:
    """`iw dev DEVICE scan`, the strongest first."""
    found = []
    for block in re.split(r"^(?=BSS )", printed, flags=re.MULTILINE):
        if head := _BSS.match(block):
            signal, frequency = _SIGNAL.search(block), _FREQUENCY.search(block)
            ssid = re.search(r"^\tSSID: (.*)$", block, re.MULTILINE)
            suites = " ".join(re.findall(r"Authentication suites: (.*)", block))
            version = [name for name in ("RSN", "WPA") if re.search(rf"^\t{name}:", block, re.MULTILINE)]
            found.append(
                Network(
                    head[1],
                    unescaped(ssid[1]) if ssid else "",
                    int(frequency[1]) if frequency else 0,
                    round(float(signal[1])) if signal else None,
                    security_of(suites, version, private="Privacy" in block),
                    "FT/" in suites,
                )
            )
    return sorted(found, key=lambda one: -999 if one.signal_dbm is None else one.signal_dbm, reverse=True)


def _words(block: str) -> Iterator[tuple[str, str]]:
    """`key value` lines."""
    for line in block.splitlines():
        key, _, value = line.strip().partition(" ")
        yield key, value
