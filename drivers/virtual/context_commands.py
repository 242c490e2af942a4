"""Packet domain commands: contexts, their state, and what the network gave them (TS 27.007 10.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from drivers.virtual import radio
from drivers.virtual.answers import (
    BAD_PARAMETERS,
    CME_TEXTS,
    INVALID_INDEX,
    LAST_PDN,
    NO_SERVICE,
    NOT_ALLOWED,
    CmeError,
    Reply,
    Wait,
    of_cause,
)
from drivers.virtual.at_line import Call
from drivers.virtual.network import BearerAddress
from drivers.virtual.state import Context

if TYPE_CHECKING:
    from drivers.virtual.firmware import Firmware

HIGHEST_CID = 16
ACTIVATE_S = 30.0
PDP_TYPES = ("IP", "IPV6", "IPV4V6")


def _cgdcont(modem: Firmware, call: Call) -> Reply:
    """+CGDCONT (10.1.1)."""
    contexts = modem.state.contexts
    if call.form == "?":
        return [f'+CGDCONT: {c.cid},"{c.pdp_type}","{c.apn}","",0,0,0,0' for c in contexts.values()]
    if call.form == "=?":
        return [f'+CGDCONT: (1-{HIGHEST_CID}),"{kind}",,,(0-2),(0-4),(0,1),(0,1)' for kind in PDP_TYPES]
    cid = _cid(call, 0)
    if (old := contexts.get(cid)) and old.active:
        # The default bearer's context may be changed while it is up, for the next attach.
        if cid != radio.DEFAULT_CID or len(call.parameters) == 1:
            raise CmeError(NOT_ALLOWED)
        old.pdp_type, old.apn = _pdp_type(call), call.text(2)
    elif len(call.parameters) == 1:
        contexts.pop(cid, None)
    else:
        contexts[cid] = Context(cid, _pdp_type(call), call.text(2))
        modem.state.contexts = dict(sorted(contexts.items()))
    return []


def _cgact(modem: Firmware, call: Call) -> Reply:
    """+CGACT (10.1.10)."""
    contexts = modem.state.contexts
    if call.form == "?":
        return [f"+CGACT: {context.cid},{int(context.active)}" for context in contexts.values()]
    if call.form == "=?":
        return ["+CGACT: (0,1)"]
    up = call.number(0)
    if up not in (0, 1):
        raise CmeError(BAD_PARAMETERS)
    cids = [_cid(call, index) for index in range(1, len(call.parameters))] or list(contexts)
    if any(cid not in contexts for cid in cids):
        raise CmeError(INVALID_INDEX)
    wanted = [contexts[cid] for cid in cids]
    return activate(modem, wanted) if up else _deactivate(modem, wanted)


def activate(modem: Firmware, wanted: Sequence[Context], then: Callable[[], Reply] = list) -> Reply:
    """Bring contexts up, and answer when all of them are up, or one was refused; `then` gives the answer's lines."""
    if not modem.state.stat.registered:
        raise CmeError(NO_SERVICE)
    for context in wanted:
        if not context.active:
            radio.connect(modem, context)

    def until() -> Sequence[str] | None:
        for context in wanted:
            if context.cause is not None:
                raise of_cause(context.cause)
        if not modem.state.stat.registered:
            raise CmeError(NO_SERVICE)
        if not all(context.active for context in wanted):
            return None
        reply = then()
        assert not isinstance(reply, Wait)
        return reply

    return Wait(until, ACTIVATE_S)


def _deactivate(modem: Firmware, wanted: Sequence[Context]) -> Reply:
    up = [context for context in modem.state.contexts.values() if context.active]
    if up and all(context in wanted for context in up):
        raise CmeError(LAST_PDN)  # in LTE the last one goes with the registration only (TS 24.301 6.5.2.3)
    for context in wanted:
        if context.active:
            radio.disconnect(modem, context)
    return Wait(lambda: None if any(context.active for context in wanted) else [], ACTIVATE_S)


def _cgpaddr(modem: Firmware, call: Call) -> Reply:
    """+CGPADDR (10.1.14)."""
    if call.form == "=?":
        return [f"+CGPADDR: ({','.join(map(str, modem.state.contexts))})"]
    lines = []
    for context in _chosen(modem, call):
        own = [f'"{_dotted(modem, str(one.own.ip))}"' for one in (context.bearer.addresses if context.bearer else ())]
        lines.append(",".join([f"+CGPADDR: {context.cid}", *own]))
    return lines


def _cgcontrdp(modem: Firmware, call: Call) -> Reply:
    """+CGCONTRDP (10.1.23): at least a line for each family, and more where a line's two DNS or P-CSCFs are too few."""
    active = [context for context in _chosen(modem, call) if context.active]
    if call.form == "=?":
        return [f"+CGCONTRDP: ({','.join(str(context.cid) for context in active)})"]
    lines = []
    for context in active:
        assert context.bearer
        for address in context.bearer.addresses:
            lines += _dynamic(modem, context, address)
    return lines


def _dynamic(modem: Firmware, context: Context, address: BearerAddress) -> list[str]:
    """The lines of one family."""
    bearer = context.bearer
    assert bearer
    dns = _of_family(bearer.dns, address.family)
    pcscf = _of_family(bearer.pcscf, address.family)
    head = f'+CGCONTRDP: {context.cid},{context.bearer_id},"{context.bearer_apn}"'
    shown = modem.dialect.address_and_mask(_dotted(modem, str(address.own.ip)), _mask(modem, address))
    gateway = f'"{_dotted(modem, address.gateway)}"'
    lines = []
    for servers, proxies in zip_longest(_pairs(dns) or [("", "")], _pairs(pcscf), fillvalue=("", "")):
        quoted = [f'"{_dotted(modem, one)}"' if one else '""' for one in (*servers, *proxies)]
        lines.append(",".join([head, shown, gateway, *quoted]) + f",0,0,{bearer.mtu}")
    return lines


def _cgpiaf(modem: Firmware, call: Call) -> Reply:
    """+CGPIAF (10.1.30): IPv6 addresses as 16 decimal numbers, or as everybody writes them."""
    settings = modem.state.settings
    if call.form == "?":
        return [f"+CGPIAF: {int(settings.ipv6_colons)},0,0,0"]
    if call.form == "=":
        settings.ipv6_colons = call.number(0, 0) == 1
    return []


def _cgerep(modem: Firmware, call: Call) -> Reply:
    """+CGEREP (10.1.19)."""
    settings = modem.state.settings
    if call.form == "?":
        return [f"+CGEREP: {settings.cgerep},0"]
    if call.form == "=?":
        return ["+CGEREP: (0-2),(0,1)"]
    settings.cgerep = call.number(0, 0)
    return []


def _ceer(modem: Firmware, call: Call) -> Reply:
    """+CEER (6.10): why the last context was refused."""
    causes = [context.cause for context in modem.state.contexts.values() if context.cause is not None]
    return [
        f"+CEER: {CME_TEXTS.get(of_cause(causes[-1]).code, 'ESM cause ' + str(causes[-1]))}" if causes else "+CEER: "
    ]


CONTEXT_COMMANDS: Mapping[str, Callable[[Firmware, Call], Reply]] = {
    "+CGDCONT": _cgdcont,
    "+CGACT": _cgact,
    "+CGPADDR": _cgpaddr,
    "+CGCONTRDP": _cgcontrdp,
    "+CEER": _ceer,
    "+CGPIAF": _cgpiaf,
    "+CGEREP": _cgerep,
}


def _cid(call: Call, index: int) -> int:
    cid = call.number(index)
    if not 1 <= cid <= HIGHEST_CID:
        raise CmeError(INVALID_INDEX)
    return cid


def _pdp_type(call: Call) -> str:
    kind = call.text(1, "IP").upper()
    if kind not in PDP_TYPES:
        raise CmeError(BAD_PARAMETERS)
    return kind


def _chosen(modem: Firmware, call: Call) -> list[Context]:
    contexts = modem.state.contexts
    if call.form != "=":
        return list(contexts.values())
    cids = [_cid(call, index) for index in range(len(call.parameters))]
    if any(cid not in contexts for cid in cids):
        raise CmeError(INVALID_INDEX)
    return [contexts[cid] for cid in cids]


def _of_family(addresses: Sequence[str], family: int) -> list[str]:
    return [one for one in addresses if ipaddress.ip_address(one).version == family]


def _pairs(values: Sequence[str]) -> list[tuple[str, str]]:
    padded = [*values, ""]
    return [(padded[index], padded[index + 1]) for index in range(0, len(values), 2)]


def _dotted(modem: Firmware, address: str) -> str:
    """An address as the standard has it: IPv6 as 16 decimal numbers, unless +CGPIAF=1."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4 or modem.state.settings.ipv6_colons:
        return str(parsed)
    return ".".join(map(str, parsed.packed))


def _mask(modem: Firmware, address: BearerAddress) -> str:
    return _dotted(modem, str(address.own.netmask))
