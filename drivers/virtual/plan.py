"""What a rig says of a virtual stick: JSON in, plain values out, each mistake with the key that has it.

The keys K and OPc of the card are not here: who starts the stick hands in its authentication functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any, Literal

from drivers.errors import DriverError
from drivers.virtual.card_files import Subscription
from drivers.virtual.gadget import GadgetPlan
from drivers.virtual.models import Model, model
from drivers.virtual.network import Bearer, BearerAddress, Cell

Form = Literal["usb", "pty"]


@dataclass(frozen=True)
class NicPlan:
    """Where the gadget's end of the network device goes, and the network's own addresses on it.

    `index` is the number that it shall have there; 0 leaves it to the kernel.
    """

    namespace: str
    name: str
    addresses: tuple[str, ...] = ()
    index: int = 0


@dataclass(frozen=True)
class StickPlan:
    """One stick.  `form` "usb" is a gadget, "pty" the AT port alone, as a pseudo-terminal behind the link `link`."""

    name: str
    model: Model
    serial: str
    imei: str
    form: Form = "usb"
    link: str = ""
    subscription: Subscription | None = None
    fetches_response: bool = True
    boot_s: float = 1.0
    host_mac: str = "02:00:5e:00:01:01"
    own_mac: str = "02:00:5e:00:01:02"
    controller: str | None = None
    nic: NicPlan | None = None
    pdns: Mapping[str, Bearer] = field(default_factory=dict)
    cell: Cell = field(default_factory=Cell)
    roaming: bool = False
    attach_s: float = 0.2
    connect_s: float = 0.1

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StickPlan:
        """Raises DriverError that names what is wrong."""
        values = dict(data)
        try:
            values["model"] = model(values["model"])
            values["subscription"] = _subscription(values.pop("sim", None))
            nic = values.get("nic")
            values["nic"] = NicPlan(**{**nic, "addresses": tuple(nic.get("addresses", ()))}) if nic else None
            values["pdns"] = {apn.lower(): bearer(one) for apn, one in values.get("pdns", {}).items()}
            values["cell"] = Cell(**values.get("cell", {}))
            return cls(**values)
        except (KeyError, TypeError, ValueError) as wrong:
            name = data.get("name", "without a name")
            raise DriverError(f"its plan is wrong: {wrong}", where=f"virtual stick {name}") from wrong

    def gadget(self) -> GadgetPlan:
        return GadgetPlan(self.name, self.model, self.serial, self.host_mac, self.own_mac, self.controller)


def bearer(data: Mapping[str, Any]) -> Bearer:
    """`{"addresses": [["10.2.0.2/24", "10.2.0.1"], ...], "dns": [...], "pcscf": [...], "mtu": 1500}`."""
    addresses = tuple(BearerAddress(ip_interface(own), gateway) for own, gateway in data["addresses"])
    return Bearer(addresses, tuple(data.get("dns", ())), tuple(data.get("pcscf", ())), data.get("mtu", 1500))


def _subscription(data: Mapping[str, Any] | None) -> Subscription | None:
    if data is None:
        return None
    return Subscription(**{**data, "impus": tuple(data.get("impus", ()))})
