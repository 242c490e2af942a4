"""The virtual LTE sticks of a rig: each a process of its own, plugged into this machine's USB (see drivers/virtual/).

The far end of a stick's network device is the access's `ue0`, where a cable would end.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from drivers.errors import DriverError
from drivers.modem.usb_port import UsbPort
from drivers.virtual.gadget import Gadget
from drivers.virtual.orders import Client
from drivers.virtual.plan import StickPlan
from drivers.virtual.state import Signal
from testbed.errors import RigError
from testbed.rig.blueprint import UE_CABLE_INDEX, cable_mac
from testbed.rig.journal import Entry
from testbed.topology.plan import UE_CABLE, AccessPlan

PLUG_DEADLINE_S = 20.0
END_DEADLINE_S = 5.0
# The default bearer's APN, which attaching brings (TS 23.401 5.3.2): no use is made of it.
INTERNET = {"internet": {"addresses": [["192.0.2.2/24", "192.0.2.1"]]}}


@dataclass(frozen=True)
class CardSecrets:
    """What is on the card in a stick, and what it computes with; `sqn` is the highest that it has accepted."""

    impi: str
    impus: tuple[str, ...]
    domain: str
    k: bytes = field(repr=False)
    opc: bytes = field(repr=False)
    sqn: int = 0


class Spawn(Protocol):
    """Starts a process of the rig."""

    def __call__(self, host: str, argv: Sequence[str], *, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]: ...


class RigStick:
    """The stick of one access."""

    def __init__(self, rig: str, access: AccessPlan, number: int, card: CardSecrets) -> None:
        assert access.modem is not None
        assert access.modem.stick is not None
        self.access, self._stick, self._low_dbm = access, access.modem.stick, access.modem.low_dbm
        self._plan = _plan(rig, access, number, card)
        self._client: Client | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._usb_port: UsbPort | None = None
        self._attenuator = StickAttenuator(self)

    def entries(self) -> list[Entry]:
        """What is to be journalled before it is made."""
        plan = StickPlan.from_json({**self._plan, "sim": None})
        return [Entry(kind, values) for kind, values in Gadget(plan.gadget()).undo_entries()]

    def start(self, spawn: Spawn) -> None:
        """Start it and plug it in; it has been enumerated, and its network device is in place, when this returns."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, "-m", "testbed.rig.stick", str(theirs.fileno())]
            self._process = spawn(self.access.namespace, argv, pass_fds=(theirs.fileno(),))
        self._client = Client(ours)
        self.order("setup", plan=self._plan)
        self.order("plug")
        self._client.wait_for("usb", deadline_s=PLUG_DEADLINE_S, state="configured")

    def port_entry(self) -> Entry:
        """The USB port that it sits in, to be journalled before anything switches it off."""
        return Entry("usb-port", self._port.undo_values())

    def __str__(self) -> str:
        return f"{self._stick.model} {self._stick.serial} of {self.access.name}"

    @property
    def _port(self) -> UsbPort:
        if self._usb_port is None:
            self._usb_port = UsbPort.of(self._stick.serial)
        return self._usb_port

    def stop(self) -> None:
        """Let it go; what it made is taken away by the journal."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is not None:
            try:
                self._process.wait(END_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def order(self, verb: str, **arguments: Any) -> Any:
        """What :mod:`drivers.virtual.stick` can do.  Raises RigError with the stick's own words."""
        if self._client is None:
            raise RigError("its stick is not running", where=f"access {self.access.name}")
        try:
            return self._client.order(verb, **arguments)
        except DriverError as refused:
            raise RigError(refused.what, where=f"access {self.access.name}", mend=refused.mend) from refused

    # What breaks and mends it

    def power(self, on: bool) -> None:
        """Switch the USB port that it sits in off or on."""
        self._port.set_on(on)

    def attenuator(self) -> StickAttenuator:
        """What its signal fades by."""
        return self._attenuator

    def pull(self) -> None:
        """Out of its port."""
        self.order("unplug")

    def plug(self) -> None:
        """In again; it boots."""
        self.order("plug")

    def deactivate(self) -> None:
        """The network deactivates the context that carries packets."""
        cid = self.order("state")["data_cid"]
        if cid is None:
            raise RigError("no context carries packets", where=f"access {self.access.name}")
        self.order("deactivate", cid=cid)

    def detach(self) -> None:
        """The network ends the registration."""
        self.order("detach")

    def cover(self, covered: bool) -> None:
        """Take its cells away, or bring them back."""
        self.order("coverage", covered=covered)

    def weaken(self, weak: bool) -> None:
        """Have the signal fall 5 dB below what the UE calls low, or be as it was."""
        if self._low_dbm is None:
            mend = "give the access low_dbm in the topology"
            raise RigError("the UE calls no signal low", where=f"access {self.access.name}", mend=mend)
        self._attenuator.set_attenuation_db(Signal().rsrp_dbm - (self._low_dbm - 5) if weak else 0.0)


class StickAttenuator:
    """An :class:`drivers.protocols.Attenuator` between a stick and its cell."""

    def __init__(self, stick: RigStick) -> None:
        self._stick, self._db = stick, 0.0

    def set_attenuation_db(self, db: float) -> float:
        self._stick.order("signal", rsrp_dbm=round(Signal().rsrp_dbm - db))
        self._db = db
        return db

    def attenuation_db(self) -> float:
        return self._db


def _plan(rig: str, access: AccessPlan, number: int, card: CardSecrets) -> dict[str, Any]:
    """What the stick's process is told, keys included: sent, never stored."""
    assert access.modem is not None
    stick, apn = access.modem.stick, access.modem.apn
    assert stick is not None
    bearer = {
        "addresses": [[f"{own.address}/{own.prefix}", own.gateway] for own in access.addresses],
        "pcscf": [own.pcscf for own in access.addresses],
    }
    sim: Mapping[str, Any] = {
        "imsi": stick.imsi,
        "iccid": f"89001{stick.imsi[-13:]}",
        "impi": card.impi,
        "impus": list(card.impus),
        "domain": card.domain,
        "k": card.k.hex(),
        "opc": card.opc.hex(),
        "sqn": card.sqn,
    }
    return {
        "name": f"{rig}-{access.name}",
        "model": stick.model,
        "serial": stick.serial,
        "imei": stick.imei,
        "host_mac": stick.mac,
        "own_mac": cable_mac(number),
        "nic": {"namespace": f"{rig}-{access.namespace}", "name": UE_CABLE, "index": UE_CABLE_INDEX},
        "pdns": {**INTERNET, apn: bearer},
        "attach_s": stick.attach_ms / 1000,
        "connect_s": stick.connect_ms / 1000,
        "sim": sim,
    }
