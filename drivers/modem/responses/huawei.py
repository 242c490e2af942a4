"""Huawei: ^HCSQ, ^DHCP, ^NDISSTAT, ^SYSINFO, ^SYSINFOEX (ME909 and E3372 AT command guides)."""

from __future__ import annotations

from drivers.modem.errors import ResponseError
from drivers.modem.responses.text import Answer, Columns, at, bodies, body, fields_of, hexadecimal, integer, needed

# technology -> for each raw level its name, unit and how it is scaled: value = first + step * raw
_SCALES: dict[str, tuple[tuple[str, float, float], ...]] = {
    "LTE": (("rssi_dbm", -121, 1), ("rsrp_dbm", -141, 1), ("sinr_db", -20.2, 0.2), ("rsrq_db", -20, 0.5)),
    "WCDMA": (("rssi_dbm", -121, 1), ("rscp_dbm", -121, 1), ("ecio_db", -32.5, 0.5)),
    "GSM": (("rssi_dbm", -121, 1),),
}
_UNKNOWN = 255


def levels(answer: str) -> Answer:
    """^HCSQ, read or by itself: raw levels, and what they mean where the guide says it (LTE, WCDMA, GSM)."""
    fields = fields_of(body(answer, "^HCSQ"))
    rat = fields[0].text
    if rat in ("NOSERVICE", ""):
        return {"service": False, "rat": None, "raw_values": [], "derived": None}
    raw = [needed(integer(field.text), "a level") for field in fields[1:]]
    scaled: Answer = {}
    for level, (name, first, step) in zip(raw, _SCALES.get(rat, ()), strict=False):
        scaled[name] = None if level == _UNKNOWN else round(first + step * level, 1)
    return {"service": True, "rat": rat, "raw_values": raw, "derived": scaled, **scaled}


def lease(answer: str) -> Answer:
    """^DHCP: addresses as hexadecimal numbers, the first octet the lowest."""
    fields = fields_of(body(answer, "^DHCP"))
    octets = [_octets(at(fields, place)) for place in range(6)]
    address, _, gateway, _, dns1, dns2 = (".".join(map(str, each)) for each in octets)
    mask = int.from_bytes(octets[1], "big")
    return {"addr": address, "prefix": mask.bit_count(), "gw": gateway, "dns1": dns1, "dns2": dns2}


def _octets(value: str) -> bytes:
    number = needed(hexadecimal(value), "an address")
    if number > 0xFFFFFFFF:
        raise ResponseError(f"{value[:30]!r} is no IPv4 address")
    return number.to_bytes(4, "little")


def data_call(answer: str) -> Answer:
    """^NDISSTAT and ^NDISSTATQRY: whether each family is connected; None where nothing is said of it.

    Four fields a family: state, error, -, type.  A state without a type is that of IPv4, all there was at first.
    """
    result: dict[str, bool | None] = {"ipv4": None, "ipv6": None}
    lines = bodies(answer, "^NDISSTAT", "^NDISSTATQRY")
    if not lines:
        raise ResponseError("no line begins with ^NDISSTAT: or ^NDISSTATQRY:")
    for line in lines:
        fields = fields_of(line)
        for start in range(0, len(fields), 4):
            family = at(fields, start + 3).lower() or "ipv4"
            if family not in result:
                raise ResponseError(f"the family {family[:20]!r} is unknown")
            result[family] = needed(integer(at(fields, start)), "a state") == 1
    return dict(result)


_SYSTEM = Columns("srv_status:d srv_domain:d roam_status:d sys_mode:d sim_state:d")
_SYSTEM_EX = Columns("srv_status:d srv_domain:d roam_status:d sim_state:d _ sys_mode:d sys_mode_name sys_submode:d")


def system(answer: str) -> Answer:
    """AT^SYSINFO"""
    return _SYSTEM.read(fields_of(body(answer, "^SYSINFO")))


def system_extended(answer: str) -> Answer:
    """AT^SYSINFOEX"""
    return _SYSTEM_EX.read(fields_of(body(answer, "^SYSINFOEX")))
