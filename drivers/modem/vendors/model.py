"""What the driver must know of a vendor's modems, as data.

Commands are command lines with places: `{cid}` and `{apn}` in data calls; in band locks `{mask}`, a set of LTE bands as
a bit mask (band n is bit n - 1) that Python's format can print in any base, and `{bands}` as `{first}` + n with commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from drivers.modem.errors import ModemError, NoDataCall

Kind = Literal["ecm", "rndis", "ncm", "directip", "rmnet", "qmi", "mbim", "ppp"]
Rat = Literal["auto", "gsm", "umts", "lte", "nr"]
# What the kernel's driver of the modem's network interface says of how its data call is made.
KINDS: Mapping[str, Kind] = {
    "cdc_ether": "ecm",
    "rndis_host": "rndis",
    "cdc_ncm": "ncm",
    "huawei_cdc_ncm": "ncm",
    "sierra_net": "directip",
    "simcom_wwan": "rmnet",
    "GobiNet": "rmnet",
    "qmi_wwan": "qmi",
    "cdc_mbim": "mbim",
}
TOOLS: Mapping[Kind, str] = {"qmi": "qmicli", "mbim": "mbimcli", "ppp": "pppd"}


@dataclass(frozen=True)
class DataCall:
    """How a context is joined to the network interface; `state` is a command whose answer can be read."""

    kind: Kind
    up: str = ""
    down: str = ""
    state: str = "AT+CGACT?"
    timeout_s: float = 150.0  # TS 27.007 10.1.10 allows an activation so long
    note: str = ""

    @property
    def tool(self) -> str | None:
        """The program that can make this call where AT cannot."""
        return TOOLS.get(self.kind)


@dataclass(frozen=True)
class Vendor:
    """One vendor's modems.  What is empty cannot be done over AT, or is not known to us."""

    name: str
    source: str  # where the commands are from
    identity: str = ""  # a pattern of what ATI, +CGMI or +CGMM answers
    usb: tuple[tuple[int, int | None], ...] = ()  # vendor and product; None: every product
    products: Mapping[int, str] = field(default_factory=dict)
    signal: tuple[str, ...] = ("AT+CESQ", "AT+CSQ")  # asked in this order until one says something
    iccid: tuple[str, ...] = ("AT+CCID", "AT+ICCID")
    data_calls: tuple[DataCall, ...] = ()  # the first is taken where nothing else is known
    rats: Mapping[Rat, str] = field(default_factory=dict)
    band_lock: tuple[str, ...] = ()
    first_band: int = 0
    airplane_on: str = "AT+CFUN=4"
    airplane_off: str = "AT+CFUN=1"
    reset: str = "AT+CFUN=1,1"
    ims_off: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()  # result codes switched on when the port is opened; refusals do no harm
    note: str = ""

    def data_call(self, kind: Kind | None = None) -> DataCall:
        """The data call of a kind; raises NoDataCall where there is none, or none over AT."""
        found = [call for call in self.data_calls if kind in (None, call.kind)]
        if not found:
            kinds = ", ".join(call.kind for call in self.data_calls) or "none"
            raise NoDataCall(f"no {kind or ''} data call is known for {self.name}", mend=f"known: {kinds}")
        if tool := found[0].tool:
            what = f"a data call over {found[0].kind} cannot be made over AT"
            raise NoDataCall(what, where=self.name, mend=f"make it with {tool}, or switch the modem to ECM or NCM")
        return found[0]

    def lock_bands(self, bands: Iterable[int]) -> tuple[str, ...]:
        """The commands that leave only these LTE bands; raises ModemError where that is not known."""
        wanted = sorted(set(bands))
        if not self.band_lock or not wanted or not all(1 <= band <= 88 for band in wanted):
            raise ModemError(f"LTE bands {wanted} cannot be locked", where=self.name)
        mask = sum(1 << band - 1 for band in wanted)
        listed = ",".join(str(self.first_band + band) for band in wanted)
        return tuple(command.format(mask=mask, bands=listed) for command in self.band_lock)

    def select(self, rat: Rat) -> str:
        """The command that leaves only this radio access technology."""
        if rat not in self.rats:
            known = ", ".join(self.rats) or "none"
            raise ModemError(f"the technology {rat} cannot be selected", where=self.name, mend=f"known: {known}")
        return self.rats[rat]

    def is_named_in(self, said: str) -> bool:
        """Whether the answers to ATI and the like name this vendor."""
        return bool(self.identity) and re.search(self.identity, said, re.IGNORECASE) is not None

    def has_usb(self, vid: int, pid: int) -> bool:
        """Whether a USB identity is one of this vendor's."""
        return any(vid == own and product in (None, pid) for own, product in self.usb)
