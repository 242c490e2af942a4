"""A virtual modem with the stand-in network behind it, and a clock that the test turns: no port, no waiting."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any

from drivers.virtual.card import Card
from drivers.virtual.card_files import Subscription
from drivers.virtual.firmware import Action, Firmware
from drivers.virtual.models import model
from drivers.virtual.network import Bearer, BearerAddress, ConfiguredNetwork, Interface
from testbed.ims.aka import SoftwareSim
from testbed.rig.stick import software_aka

K = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc")
OPC = bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf")
IMEI, IMSI, ICCID = "356938035643809", "001010000000001", "8900101000000000012"
IMPI, DOMAIN = "001010000000001@ims.mnc001.mcc001.3gppnetwork.org", "ims.mnc001.mcc001.3gppnetwork.org"
IMPUS = ("sip:ue@ims.mnc001.mcc001.3gppnetwork.org", "tel:+15550001")
SUBSCRIPTION = Subscription(IMSI, ICCID, IMPI, IMPUS, DOMAIN)
LONGEST_S = 60.0  # nothing that a modem does takes longer


def interface(text: str) -> Interface:
    return ip_interface(text)


INTERNET = Bearer((BearerAddress(interface("10.1.0.2/24"), "10.1.0.1"),), ("10.9.0.53",))
IMS = Bearer(
    (
        BearerAddress(interface("10.2.0.2/24"), "10.2.0.1"),
        BearerAddress(interface("2001:db8:2::2/64"), "2001:db8:2::1"),
    ),
    ("10.9.0.53", "2001:db8:9::53"),
    ("10.2.0.10", "10.2.0.11", "10.2.0.12", "2001:db8:2::10"),
    1428,
)


def card(subscription: Subscription = SUBSCRIPTION) -> Card:
    return Card(subscription, software_aka(SoftwareSim(K, OPC)))


class VirtualModem:
    """Types commands, and lets time pass until the modem has answered, or until nothing more is due."""

    def __init__(
        self, name: str = "quectel-ec25", sim: Card | None = None, *, boot: bool = True, **options: Any
    ) -> None:
        self.network = ConfiguredNetwork({"internet": INTERNET, "ims": IMS})
        self.firmware = Firmware(model(name), IMEI, sim, **options)
        self.now = 100.0
        self.actions: list[Action] = []
        if boot:
            self.firmware.power_on(self.now)
            self.settle()

    def type(self, text: str) -> bytes:
        """Bytes as they are; what comes back before any time has passed."""
        self.firmware.receive(text.encode("latin-1"), self.now)
        return self._exchange()

    def at(self, command: str) -> list[str]:
        """A command, and the lines that come until its final result code, without the echo."""
        heard = self.type(command + "\r")
        limit = self.now + LONGEST_S
        while not _ended(heard):
            if (due := self._due()) is None or due > limit:
                break
            self.now = max(due, self.now)
            heard += self._tick()
        return [line for line in heard.decode("latin-1").replace("\n", "\r").split("\r") if line not in ("", command)]

    def settle(self, seconds: float = LONGEST_S) -> list[str]:
        """Let time pass; what the modem says by itself."""
        heard, end = b"", self.now + seconds
        heard += self._exchange()
        while (due := self._due()) is not None and due <= end:
            self.now = max(due, self.now)
            heard += self._tick()
        self.now = end
        return [line for line in heard.decode("latin-1").replace("\n", "\r").split("\r") if line]

    def _due(self) -> float | None:
        return min((one for one in (self.firmware.deadline, self.network.deadline) if one is not None), default=None)

    def _tick(self) -> bytes:
        for event in self.network.tick(self.now):
            self.firmware.told(event, self.now)
        self.firmware.tick(self.now)
        return self._exchange()

    def _exchange(self) -> bytes:
        for request in self.firmware.requests():
            self.network.ask(request, self.now)
        data = self.firmware.data_to_send(self.now)
        self.actions += self.firmware.actions()
        return data


def _ended(heard: bytes) -> bool:
    lines = heard.replace(b"\n", b"\r").split(b"\r")
    return any(line in (b"OK", b"ERROR", b"0", b"4") or line.startswith(b"+CME ERROR") for line in lines)
