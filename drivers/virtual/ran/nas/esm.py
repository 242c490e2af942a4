"""EPS session management messages (3GPP TS 24.301 8.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from drivers.virtual.ran.nas.elements import Apn, PdnAddress
from drivers.virtual.ran.nas.pco import Pco
from drivers.virtual.ran.nas.wire import HALF, LV, Message, fixed, short, tlv, tv

INITIAL_REQUEST, HANDOVER = 1, 2  # request type, TS 24.008 10.5.6.17


@dataclass(frozen=True)
class PdnConnectivityRequest(Message):
    TYPE: ClassVar[int] = 0xD0
    request_type: Annotated[int, HALF]
    pdn_type: Annotated[int, HALF]
    information_later: Annotated[int | None, short(0xD)] = None  # ESM information transfer flag, 9.9.4.5
    apn: Annotated[Apn | None, tlv(0x28)] = None
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class PdnConnectivityReject(Message):
    TYPE: ClassVar[int] = 0xD1
    cause: Annotated[int, fixed(1)]
    pco: Annotated[Pco | None, tlv(0x27)] = None
    back_off: Annotated[bytes | None, tlv(0x37)] = None


@dataclass(frozen=True)
class PdnDisconnectRequest(Message):
    TYPE: ClassVar[int] = 0xD2
    linked_bearer: Annotated[int, HALF]
    spare: Annotated[int, HALF]
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class PdnDisconnectReject(Message):
    TYPE: ClassVar[int] = 0xD3
    cause: Annotated[int, fixed(1)]
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class ActivateDefaultBearerRequest(Message):
    TYPE: ClassVar[int] = 0xC1
    qos: Annotated[bytes, LV]  # 9.9.4.3; the first octet is the QCI
    apn: Annotated[Apn, LV]
    address: Annotated[PdnAddress, LV]
    transaction: Annotated[bytes | None, tlv(0x5D)] = None
    negotiated_qos: Annotated[bytes | None, tlv(0x30)] = None
    negotiated_sapi: Annotated[bytes | None, tv(0x32, 1)] = None
    radio_priority: Annotated[int | None, short(0x8)] = None
    flow: Annotated[bytes | None, tlv(0x34)] = None
    apn_ambr: Annotated[bytes | None, tlv(0x5E)] = None
    cause: Annotated[int | None, tv(0x58, 1)] = None
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class ActivateDefaultBearerAccept(Message):
    TYPE: ClassVar[int] = 0xC2
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class ActivateDefaultBearerReject(Message):
    TYPE: ClassVar[int] = 0xC3
    cause: Annotated[int, fixed(1)]
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class ActivateDedicatedBearerRequest(Message):
    TYPE: ClassVar[int] = 0xC5
    linked_bearer: Annotated[int, HALF]
    spare: Annotated[int, HALF]
    qos: Annotated[bytes, LV]
    tft: Annotated[bytes, LV]  # TS 24.008 10.5.6.12
    transaction: Annotated[bytes | None, tlv(0x5D)] = None
    negotiated_qos: Annotated[bytes | None, tlv(0x30)] = None
    negotiated_sapi: Annotated[bytes | None, tv(0x32, 1)] = None
    radio_priority: Annotated[int | None, short(0x8)] = None
    flow: Annotated[bytes | None, tlv(0x34)] = None
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class ActivateDedicatedBearerAccept(Message):
    TYPE: ClassVar[int] = 0xC6
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class ActivateDedicatedBearerReject(Message):
    TYPE: ClassVar[int] = 0xC7
    cause: Annotated[int, fixed(1)]
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class ModifyBearerRequest(Message):
    TYPE: ClassVar[int] = 0xC9
    new_qos: Annotated[bytes | None, tlv(0x5B)] = None
    tft: Annotated[bytes | None, tlv(0x36)] = None
    qos: Annotated[bytes | None, tlv(0x30)] = None
    negotiated_sapi: Annotated[bytes | None, tv(0x32, 1)] = None
    radio_priority: Annotated[int | None, short(0x8)] = None
    flow: Annotated[bytes | None, tlv(0x34)] = None
    apn_ambr: Annotated[bytes | None, tlv(0x5E)] = None
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class ModifyBearerAccept(Message):
    TYPE: ClassVar[int] = 0xCA
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class ModifyBearerReject(Message):
    TYPE: ClassVar[int] = 0xCB
    cause: Annotated[int, fixed(1)]
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class DeactivateBearerRequest(Message):
    TYPE: ClassVar[int] = 0xCD
    cause: Annotated[int, fixed(1)]
    pco: Annotated[Pco | None, tlv(0x27)] = None
    back_off: Annotated[bytes | None, tlv(0x37)] = None


@dataclass(frozen=True)
class DeactivateBearerAccept(Message):
    TYPE: ClassVar[int] = 0xCE
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class EsmInformationRequest(Message):
    TYPE: ClassVar[int] = 0xD9


@dataclass(frozen=True)
class EsmInformationResponse(Message):
    TYPE: ClassVar[int] = 0xDA
    apn: Annotated[Apn | None, tlv(0x28)] = None
    pco: Annotated[Pco | None, tlv(0x27)] = None


@dataclass(frozen=True)
class EsmStatus(Message):
    TYPE: ClassVar[int] = 0xE8
    cause: Annotated[int, fixed(1)]


ALL: tuple[type[Message], ...] = (
    PdnConnectivityRequest,
    PdnConnectivityReject,
    PdnDisconnectRequest,
    PdnDisconnectReject,
    ActivateDefaultBearerRequest,
    ActivateDefaultBearerAccept,
    ActivateDefaultBearerReject,
    ActivateDedicatedBearerRequest,
    ActivateDedicatedBearerAccept,
    ActivateDedicatedBearerReject,
    ModifyBearerRequest,
    ModifyBearerAccept,
    ModifyBearerReject,
    DeactivateBearerRequest,
    DeactivateBearerAccept,
    EsmInformationRequest,
    EsmInformationResponse,
    EsmStatus,
)
