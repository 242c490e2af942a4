"""S1AP messages (3GPP TS 36.413), encoded and decoded by pycrate's ASN.1 runtime.

A message is its name in the standard and its information elements by their numbers (9.3.6); values are pycrate's:
dicts, lists, bytes, and (name, value) for a CHOICE.  Criticalities are the standard's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address
from typing import Any, Literal

from drivers.virtual.ran.errors import PeerFault

PPID = 18  # S1AP's SCTP payload protocol identifier (TS 36.412)
PORT = 36412
IPV4_BITS, BOTH_BITS = 32, 160  # lengths of a transport layer address: IPv4, and IPv4 with IPv6 behind it

Kind = Literal["initiatingMessage", "successfulOutcome", "unsuccessfulOutcome"]
_CLASSES: dict[Kind, str] = {
    "initiatingMessage": "InitiatingMessage",
    "successfulOutcome": "SuccessfulOutcome",
    "unsuccessfulOutcome": "UnsuccessfulOutcome",
}

# Protocol IE identifiers (9.3.7)
MME_UE_ID, ENB_UE_ID = 0, 8
CAUSE = 2
NAS_PDU = 26
S_TMSI, UE_PAGING_ID = 96, 43
TAI, CELL, ESTABLISHMENT_CAUSE = 67, 100, 134
UE_IDS = 99
GLOBAL_ENB_ID, ENB_NAME, SUPPORTED_TAS, PAGING_DRX = 59, 60, 64, 137
MME_NAME = 61
BEARERS_TO_SET_UP, BEARERS_SET_UP, BEARERS_NOT_SET_UP = 16, 28, 29
CONTEXT_BEARERS, CONTEXT_BEARERS_SET_UP, CONTEXT_BEARERS_NOT_SET_UP = 24, 51, 48
BEARERS_TO_RELEASE, BEARERS_RELEASED, BEARERS_NOT_RELEASED = 33, 69, 34
RESET_TYPE, RESET_CONNECTIONS, RESET_ITEM = 92, 93, 91
BEARER_ITEM_SET_UP, CONTEXT_ITEM_SET_UP, BEARER_ITEM_FAILED, BEARER_ITEM_RELEASED = 39, 50, 35, 15


@dataclass(frozen=True)
class S1apMessage:
    """A message by its name, such as "S1SetupRequest"."""

    name: str
    elements: Mapping[int, Any] = field(default_factory=dict)

    def __getitem__(self, number: int) -> Any:
        """An element that must be there; raises PeerFault."""
        if number not in self.elements:
            raise PeerFault(f"{self.name} lacks information element {number}", where="S1AP")
        return self.elements[number]

    def items(self, number: int) -> list[Any]:
        """What the containers of a list hold; nothing where there is no list.  Raises PeerFault for unknown ones."""
        found = [item["value"][1] for item in self.elements.get(number, ())]
        if not all(isinstance(one, dict) for one in found):
            raise PeerFault(f"{self.name} holds an item that is not known in list {number}", where="S1AP")
        return found

    def some(self, number: int) -> list[Any]:
        """The items of a list that must not be empty."""
        if found := self.items(number):
            return found
        raise PeerFault(f"{self.name} has nothing in list {number}", where="S1AP")

    @property
    def cause(self) -> str:
        """The cause in the standard's words."""
        group, value = self.elements.get(CAUSE, ("misc", "unspecified"))
        return f"{group}: {value}"


def ipv4(address: tuple[int, int]) -> IPv4Address:
    """The IPv4 part of a transport layer address, a number and its length in bits (TS 36.414 5.3)."""
    number, bits = address
    if bits not in (IPV4_BITS, BOTH_BITS):
        raise PeerFault(f"a transport layer address of {bits} bits has no IPv4 address", where="TS 36.414 5.3")
    return IPv4Address(number >> (bits - IPV4_BITS))


def item(number: int, name: str, value: Any) -> dict[str, Any]:
    """An entry of a list (a ProtocolIE-SingleContainer)."""
    return {"id": number, "criticality": "ignore", "value": (name, value)}


def encode(message: S1apMessage) -> bytes:
    """The message in aligned PER; elements in the standard's order."""
    kind, code, criticality, known = _messages()[message.name]
    elements = [
        {"id": number, "criticality": weight, "value": (name, message.elements[number])}
        for number, weight, name in known
        if number in message.elements
    ]
    body = {"procedureCode": code, "criticality": criticality, "value": (message.name, {"protocolIEs": elements})}
    pdu = _asn1().S1AP_PDU_Descriptions.S1AP_PDU
    pdu.set_val((kind, body))
    data: bytes = pdu.to_aper()
    return data


def decode(data: bytes) -> S1apMessage:
    """Raises PeerFault for what is no S1AP message, or one that the standard's release in use does not know."""
    pdu = _asn1().S1AP_PDU_Descriptions.S1AP_PDU
    try:
        pdu.from_aper(data)
        _, body = pdu.get_val()
        name, value = body["value"]
        elements = {one["id"]: one["value"][1] for one in value["protocolIEs"]}
    except Exception as unreadable:  # whatever the runtime meets in bytes that are no message
        raise PeerFault(f"{len(data)} octets are no S1AP message: {unreadable}", where="S1AP") from unreadable
    return S1apMessage(name, elements)


@cache
def _asn1() -> Any:
    """Imported where it is used: it takes a good part of a second."""
    from pycrate_asn1dir import S1AP

    return S1AP


@cache
def _messages() -> dict[str, tuple[Kind, int, str, list[tuple[int, str, str]]]]:
    """For each message: its kind, procedure code and criticality, and its elements in order."""
    found = {}
    for procedure in _asn1().S1AP_PDU_Descriptions.S1AP_ELEMENTARY_PROCEDURES._val.root:
        for kind, name in _CLASSES.items():
            if name in procedure:
                message = procedure[name]._typeref.called[1]
                found[message] = (kind, procedure["procedureCode"], procedure["criticality"], _elements(message))
    return found


def _elements(message: str) -> list[tuple[int, str, str]]:
    """Number, criticality and type of each element of a message."""
    content = getattr(_asn1().S1AP_PDU_Contents, message.replace("-", "_"))._cont
    if "protocolIEs" not in content:
        return []
    table = content["protocolIEs"]._cont._cont["id"]._const_tab
    return [(one["id"], one["criticality"], one["Value"]._typeref.called[1]) for one in table._val.root]
