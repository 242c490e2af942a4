"""PDP contexts: +CGDCONT, +CGACT, +CGPADDR, +CGCONTRDP, +CGEV (3GPP TS 27.007 10.1), and Sierra's !SCACT."""

from __future__ import annotations

import re
from typing import Any

from drivers.modem.errors import ResponseError
from drivers.modem.responses import addresses
from drivers.modem.responses.addresses import Given
from drivers.modem.responses.text import Answer, Field, at, body, fields_of, integer, listed, needed, text

PDP_TYPES = {"IP": "IPV4", "IPV4": "IPV4", "IPV6": "IPV6", "IPV4V6": "IPV4V6"}  # others carry no IP


def definable(answer: str) -> Answer:
    """AT+CGDCONT=?: the contexts that can be defined, of types that carry IP."""
    contexts = []
    for line in listed(answer, "+CGDCONT"):
        fields = fields_of(line)
        cids = re.fullmatch(r"\(?([0-9]{1,3})(?:-([0-9]{1,3}))?\)?", fields[0].text)
        if not cids:
            raise ResponseError(f"{fields[0].text[:30]!r} is no range of <cid>")
        if pdp_type := PDP_TYPES.get(at(fields, 1).upper()):
            contexts.append({"cid_min": int(cids[1]), "cid_max": int(cids[2] or cids[1]), "pdp_type": pdp_type})
    return {"contexts": contexts}


def defined(answer: str) -> Answer:
    """AT+CGDCONT?: the contexts that are defined."""
    contexts = []
    for line in listed(answer, "+CGDCONT"):
        fields = fields_of(line)
        kind = at(fields, 1).upper()
        cid = needed(integer(fields[0].text), "<cid>")
        contexts.append({"cid": cid, "pdp_type": PDP_TYPES.get(kind, kind), "apn": text(at(fields, 2))})
    return {"contexts": contexts}


def activity(answer: str) -> Answer:
    """AT+CGACT? and AT!SCACT?: which contexts are active."""
    contexts = []
    for line in listed(answer, "+CGACT", "!SCACT"):
        fields = fields_of(line)
        cid, state = integer(fields[0].text), integer(at(fields, 1))
        contexts.append({"cid": needed(cid, "<cid>"), "active": needed(state, "<state>") == 1})
    return {"contexts": contexts}


def given_addresses(answer: str) -> Answer:
    """AT+CGPADDR: the addresses of contexts; `cid` and `addrs` are those of the first."""
    contexts = []
    for line in listed(answer, "+CGPADDR"):
        fields = fields_of(line)
        given = [addresses.read(part) for field in fields[1:] for part in field.text.split(",")]
        found = [str(one) for one in given if one.address]
        contexts.append({"cid": needed(integer(fields[0].text), "<cid>"), "addrs": found})
    first = contexts[0] if contexts else {"cid": None, "addrs": []}
    return {**first, "contexts": contexts}


# +CGCONTRDP (TS 27.007 10.1.23): <cid>,<bearer>,<apn>[,<address and mask>[,<gateway>[,<dns>[,<dns>[,<p-cscf>[,<p-cscf>
# [,<im_cn>[,<lipa>[,<mtu>]]]]]]]]].  Several lines of one <cid>: its families, and more servers than one line has.
_BEHIND_GATEWAY = ("dns", "dns", "pcscf", "pcscf")


def dynamic_parameters(answer: str) -> Answer:
    """AT+CGCONTRDP: what the network gave.  The keys outside `contexts` are those of the first context."""
    merged: dict[int, Answer] = {}
    for line in listed(answer, "+CGCONTRDP"):
        one = _parameters(fields_of(line))
        known = merged.setdefault(one["cid"], one)
        if known is not one:
            _merge(known, one)
    contexts = list(merged.values())
    return {**(contexts[0] if contexts else {}), "contexts": contexts}


def _merge(known: Answer, more: Answer) -> None:
    for key, value in more.items():
        if isinstance(value, list):
            known[key] += [one for one in value if one not in known[key]]
        elif known[key] is None:
            known[key] = value


def _parameters(fields: list[Field]) -> Answer:
    rest = fields[3:]
    local, mask, other, rest = _local(rest)
    gateway = addresses.read(at(rest, 0))
    servers: dict[str, list[str]] = {"dns": [], "pcscf": []}
    for place, kind in enumerate(_BEHIND_GATEWAY, start=1):
        if (server := addresses.read(at(rest, place))).address:
            servers[kind].append(str(server))
    own = {one.family: str(one) for one in (local, other) if one.address}
    first_dns, second_dns = addresses.read(at(rest, 1)), addresses.read(at(rest, 2))
    return {
        "cid": needed(integer(at(fields, 0)), "<cid>"),
        "bearer_id": integer(at(fields, 1)),
        "apn": text(at(fields, 2)),
        "local_address": _text(local),
        "subnet": str(mask) if mask else None,
        "gateway_address": _text(gateway),
        "dns_primary_address": _text(first_dns),
        "dns_secondary_address": _text(second_dns),
        "dns": servers["dns"],
        "pcscf": servers["pcscf"],
        "im_cn_signalling": integer(at(rest, 5)),
        "mtu": integer(at(rest, 7)),
        "subnet4": str(mask) if mask and local.family == 4 else None,
        "subnet6": str(mask) if mask and local.family == 6 else None,
        "ipv4": own.get(4),
        "ipv6": own.get(6),
        "gw4": str(gateway) if gateway.family == 4 else None,
        "gw6": str(gateway) if gateway.family == 6 else None,
    }


def _local(fields: list[Field]) -> tuple[Given, Any, Given, list[Field]]:
    """Our address, its mask, our address of the other family where it is on the same line, and what follows."""
    local = addresses.read(at(fields, 0))
    if local.mask or not local.address or len(fields) < 2:
        return local, local.mask, Given(), fields[1:]
    following = addresses.read(fields[1].text)
    if following.family == local.family and addresses.is_mask(following.address):
        return local, following.address, Given(), fields[2:]
    if following.address and following.family != local.family:  # a gateway has the family of what it is the gateway of
        return local, None, following, fields[2:]
    return local, None, Given(), fields[1:]


def _text(given: Given) -> str | None:
    return str(given) if given.address else None


# +CGEV (TS 27.007 10.1.19).  The words, then what the numbers behind them mean.
_EVENTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), event)
    for pattern, event in (
        (r"REJECT (?P<type>[^,]+),\s*(?P<addr>[^,]+)", "REJECT"),
        (r"NW REACT (?P<type>[^,]+),\s*(?P<addr>[^,]+)(?:,\s*(?P<cid>\d+))?", "NW_REACT"),
        (r"(?P<who>NW|ME) DEACT (?P<type>[^,\d][^,]*),\s*(?P<addr>[^,]+)(?:,\s*(?P<cid>\d+))?", "DEACT_PDP"),
        (r"(?P<who>NW|ME) PDN ACT (?P<cid>\d+)(?:,.*)?", "ACT_PRIMARY"),
        (r"(?P<who>NW|ME) PDN DEACT (?P<cid>\d+)(?:,.*)?", "DEACT_PRIMARY"),
        (r"(?P<who>NW|ME) ACT (?P<parent>\d+),\s*(?P<cid>\d+)(?:,.*)?", "ACT_SECONDARY"),
        (r"(?P<who>NW|ME) DEACT (?P<parent>\d+),\s*(?P<cid>\d+)(?:,.*)?", "DEACT_SECONDARY"),
        (r"(?P<who>NW|ME) MODIFY (?P<cid>\d+)(?:,.*)?", "MODIFY"),
        (r"(?P<who>NW|ME) DETACH", "DETACH"),
        (r"(?P<who>NW|ME) CLASS .*", "CLASS"),
    )
)


def packet_event(answer: str) -> Answer:
    """One +CGEV line: what happened to a context or to the attachment."""
    line = re.sub(r"\s+", " ", body(answer, "+CGEV")).strip()
    for pattern, event in _EVENTS:
        if found := pattern.fullmatch(line):
            parts = found.groupdict()
            return {
                "event": f"{parts['who']}_{event}" if "who" in parts else event,
                "pdp_type": _bare(parts.get("type")),
                "pdp_addr": _bare(parts.get("addr")),
                "cid": integer(parts.get("cid") or ""),
                "parent_cid": integer(parts.get("parent") or ""),
            }
    raise ResponseError(f"the event {line[:60]!r} is unknown")


def _bare(part: str | None) -> str | None:
    return part.strip().strip('"') if part else None
