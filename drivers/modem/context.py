"""A PDP context for an APN: defined, activated, and what the network gave in it (3GPP TS 27.007 10.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drivers.modem.at.command import Command
from drivers.modem.errors import ContextRefused, ModemError, Refused
from drivers.modem.responses.table import parse
from drivers.modem.responses.text import Answer
from drivers.protocols import Family

Run = Callable[[Command], Awaitable[list[str]]]
ACTIVATION_S = 150.0  # 10.1.10
PREFIXES: dict[Family, int] = {4: 32, 6: 64}  # where the modem tells no mask: a point-to-point link


@dataclass(frozen=True)
class ContextAddress:
    """One family of a context."""

    family: Family
    address: str
    prefix: int
    gateway: str | None
    dns: tuple[str, ...]
    pcscf: tuple[str, ...]


@dataclass(frozen=True)
class Context:
    """An active context."""

    cid: int
    apn: str | None
    mtu: int | None
    addresses: tuple[ContextAddress, ...]

    @classmethod
    def of(cls, answer: Answer) -> Context:
        """From what +CGCONTRDP said of one context."""
        addresses = tuple(found for family in (4, 6) if (found := _family(answer, family)))
        return cls(answer["cid"], answer["apn"], answer["mtu"], addresses)

    @property
    def pcscf(self) -> tuple[str, ...]:
        """P-CSCFs of both families in the network's order."""
        return tuple(address for each in self.addresses for address in each.pcscf)


def _family(answer: Answer, family: Family) -> ContextAddress | None:
    address = answer[f"ipv{family}"]
    if address is None:
        return None

    def of_family(name: str) -> tuple[str, ...]:
        return tuple(one for one in answer[name] if ipaddress.ip_address(one).version == family)

    return ContextAddress(
        family, address, _prefix(answer, family), answer[f"gw{family}"], of_family("dns"), of_family("pcscf")
    )


def _prefix(answer: Answer, family: Family) -> int:
    subnet = answer[f"subnet{family}"]
    return int(ipaddress.ip_address(subnet)).bit_count() if subnet else PREFIXES[family]


async def define(run: Run, cid: int, apn: str, pdp_type: str = "IPV4V6") -> None:
    """Define a context unless it is so already.  With P-CSCF discovery and the IM CN flag where the modem has them."""
    if '"' in apn or not apn.isascii():
        raise ModemError(f"{apn!r} is no APN", mend="letters, digits, dots and hyphens (TS 23.003 9.1)")
    answer = parse("AT+CGDCONT?", "\r\n".join(await run(Command("AT+CGDCONT?"))))
    wanted = {"cid": cid, "pdp_type": pdp_type.replace("IP", "IPV4") if pdp_type == "IP" else pdp_type, "apn": apn}
    if wanted in answer["contexts"]:
        return
    plain = f'AT+CGDCONT={cid},"{pdp_type}","{apn}"'
    try:
        # <PDP_addr>,<d_comp>,<h_comp>,<IPv4AddrAlloc>,<request_type>,<P-CSCF_discovery>=1 (NAS),<IM_CN_flag>=1
        await run(Command(f'{plain},"",0,0,0,0,1,1'))
    except Refused:
        await run(Command(plain))


async def activate(run: Run, cid: int, timeout_s: float = ACTIVATION_S) -> Context:
    """Activate a context and read what the network gave; raises ContextRefused with the network's reason."""
    try:
        await run(Command(f"AT+CGACT=1,{cid}", timeout_s))
    except Refused as refused:
        reason = await _reason(run)
        mend = "is the APN right, and does the subscription allow it?"
        raise ContextRefused(f"context {cid} was refused: {reason or refused.what}", mend=mend) from refused
    return await read(run, cid)


async def deactivate(run: Run, cid: int, timeout_s: float = ACTIVATION_S) -> None:
    """Deactivate a context; one that is not active is none to complain of."""
    try:
        await run(Command(f"AT+CGACT=0,{cid}", timeout_s))
    except Refused:
        if cid in await active(run):
            raise


async def active(run: Run) -> set[int]:
    """The contexts that are active."""
    answer = parse("AT+CGACT?", "\r\n".join(await run(Command("AT+CGACT?"))))
    return {one["cid"] for one in answer["contexts"] if one["active"]}


async def read(run: Run, cid: int) -> Context:
    """What the network gave in an active context."""
    answer = parse("AT+CGCONTRDP", "\r\n".join(await run(Command(f"AT+CGCONTRDP={cid}", 10.0))))
    found = next((one for one in answer["contexts"] if one["cid"] == cid), None)
    if found is None:
        raise ContextRefused(f"context {cid} is not active", mend="activate it first")
    context = Context.of(found)
    if not context.addresses:
        raise ContextRefused(f"context {cid} is active without an address", mend="give it another PDP type")
    return context


async def _reason(run: Run) -> str | None:
    """Why the last activation failed, in the modem's words (+CEER, TS 27.007 6.10)."""
    try:
        lines = await run(Command("AT+CEER"))
    except ModemError:
        return None
    words = " ".join(line.partition(":")[2].strip() or line for line in lines).strip().strip('"')
    return words or None
