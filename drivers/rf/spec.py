"""Levers as data: what a topology file, a command line or a journal says of one, and the lever itself from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from drivers.host.local import LocalHost
from drivers.protocols import Host
from drivers.rf.attenuator import MiniCircuitsAttenuator
from drivers.rf.errors import Unreachable
from drivers.rf.limits import Limits
from drivers.rf.numato import NumatoRelay
from drivers.rf.usb_power import UsbPortPower
from drivers.rf.usbrelay import UsbRelay
from drivers.rf.wires import HttpWire, TelnetWire, Wire

State = float | bool
PORTS = {"http": 80, "telnet": 23}


class Lever(Protocol):
    """What all levers have: how they are, and being put back."""

    where: str

    def states(self) -> list[Any]:
        """How it is, a value for each channel."""

    def restore(self, states: list[Any]) -> None:
        """Put it back as `states` found it."""

    def close(self) -> None:
        """Let go of it."""


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HostSpec(_Spec):
    """A host by SSH on which a tool is run."""

    address: str
    port: int = 22
    user: str = "root"
    key: Path | None = None
    known_hosts: Path | None = None

    def open(self) -> Host:
        from drivers.host.ssh import SshHost, SshTarget  # paramiko takes a second in a guest, and few need it

        return SshHost(SshTarget(self.address, self.port, self.user, self.key, self.known_hosts))


class AttenuatorSpec(_Spec):
    """A Mini-Circuits attenuator on the network."""

    kind: Literal["attenuator"] = "attenuator"
    address: str
    wire: Literal["http", "telnet"] = "http"
    port: int | None = None  # None: the wire's usual one
    channels: tuple[int, ...] = (1,)
    minimum_db: float = 0.0
    maximum_db: float | None = None  # None: what the model can
    step_db: float = 0.25
    rate_hz: Annotated[float, Field(gt=0)] = 20.0  # settings a second that it takes, each read back; for fades
    safe_db: float | None = None  # what it is put back to; None: what it was when the rig came
    password_file: Path | None = None  # the password stands in no topology and no journal
    timeout_s: float = 2.0

    def open(self) -> MiniCircuitsAttenuator:
        attenuator = MiniCircuitsAttenuator(self._wire(), self.channels, step_db=self.step_db)
        able = attenuator.limits.maximum_db
        limits = Limits(self.minimum_db, able if self.maximum_db is None else self.maximum_db, self.step_db)
        return MiniCircuitsAttenuator(self._wire(), self.channels, limits, self.step_db)

    def safe(self) -> list[State] | None:
        return None if self.safe_db is None else [self.safe_db] * len(self.channels)

    def _wire(self) -> Wire:
        port = self.port or PORTS[self.wire]
        if self.wire == "telnet":
            return TelnetWire(self.address, port, self.timeout_s)
        return HttpWire(self.address, port, self._password(), self.timeout_s)

    def _password(self) -> str | None:
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text().strip()
        except OSError as failed:
            raise Unreachable(f"its password cannot be read: {failed}", where=f"attenuator {self.address}") from failed


class _SwitchSpec(_Spec):
    safe_on: bool | None = None  # what it is put back to; None: what it was when the rig came
    host: HostSpec | None = None  # None: this machine

    def safe(self) -> list[State] | None:
        return None if self.safe_on is None else [self.safe_on == self._closed_is_on()]

    def _closed_is_on(self) -> bool:
        return True

    def _host(self) -> Host:
        return self.host.open() if self.host else LocalHost()


class NumatoSpec(_SwitchSpec):
    """A relay of a Numato module at this machine."""

    kind: Literal["numato"] = "numato"
    device: str
    relay: int
    closed_is_on: bool = True
    host: None = None

    def open(self) -> NumatoRelay:
        return NumatoRelay(self.device, self.relay, self.closed_is_on)

    def _closed_is_on(self) -> bool:
        return self.closed_is_on


class UsbRelaySpec(_SwitchSpec):
    """A relay of a USB HID module."""

    kind: Literal["usbrelay"] = "usbrelay"
    relay: str
    closed_is_on: bool = True

    def open(self) -> UsbRelay:
        return UsbRelay(self._host(), self.relay, self.closed_is_on, own_host=True)

    def _closed_is_on(self) -> bool:
        return self.closed_is_on


class UsbPowerSpec(_SwitchSpec):
    """The power of a USB port."""

    kind: Literal["usb-power"] = "usb-power"
    hub: str
    port: int

    def open(self) -> UsbPortPower:
        return UsbPortPower(self._host(), self.hub, self.port, own_host=True)


LeverSpec = Annotated[AttenuatorSpec | NumatoSpec | UsbRelaySpec | UsbPowerSpec, Field(discriminator="kind")]
LEVER: TypeAdapter[LeverSpec] = TypeAdapter(LeverSpec)
