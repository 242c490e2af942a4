"""EPS mobility management messages (3GPP TS 24.301 8.2), those that an attach, a detach and what lies between need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from drivers.virtual.ran.nas.elements import EpsIdentity, Tai, Timer
from drivers.virtual.ran.nas.wire import HALF, LV, LVE, Message, fixed, short, tlv, tlve, tv

NO_KEY = 7  # NAS key set identifier: no key is available (9.9.3.21)
EPS_ATTACH = 1  # 9.9.3.11
EPS_DETACH, SWITCH_OFF = 1, 8  # 9.9.3.7, from the UE
REATTACH_REQUIRED, REATTACH_NOT_REQUIRED, IMSI_DETACH = 1, 2, 3  # 9.9.3.7, from the network
TA_UPDATING, PERIODIC_UPDATING, ACTIVE = 0, 3, 8  # 9.9.3.14


@dataclass(frozen=True)
class AttachRequest(Message):
    TYPE: ClassVar[int] = 0x41
    attach_type: Annotated[int, HALF]
    key_set: Annotated[int, HALF]
    identity: Annotated[EpsIdentity, LV]
    capability: Annotated[bytes, LV]  # UE network capability, 9.9.3.34
    esm: Annotated[bytes, LVE]
    last_tai: Annotated[Tai | None, tv(0x52, 5)] = None


@dataclass(frozen=True)
class AttachAccept(Message):
    TYPE: ClassVar[int] = 0x42
    result: Annotated[int, HALF]
    spare: Annotated[int, HALF]
    t3412: Annotated[Timer, fixed(1)]
    tai_list: Annotated[bytes, LV]
    esm: Annotated[bytes, LVE]
    guti: Annotated[EpsIdentity | None, tlv(0x50)] = None
    location_area: Annotated[bytes | None, tv(0x13, 5)] = None
    ms_identity: Annotated[bytes | None, tlv(0x23)] = None
    cause: Annotated[int | None, tv(0x53, 1)] = None
    t3402: Annotated[Timer | None, tv(0x17, 1)] = None
    t3423: Annotated[Timer | None, tv(0x59, 1)] = None
    equivalent_plmns: Annotated[bytes | None, tlv(0x4A)] = None
    emergency_numbers: Annotated[bytes | None, tlv(0x34)] = None
    features: Annotated[bytes | None, tlv(0x64)] = None  # EPS network feature support, 9.9.3.12A


@dataclass(frozen=True)
class AttachComplete(Message):
    TYPE: ClassVar[int] = 0x43
    esm: Annotated[bytes, LVE]


@dataclass(frozen=True)
class AttachReject(Message):
    TYPE: ClassVar[int] = 0x44
    cause: Annotated[int, fixed(1)]
    esm: Annotated[bytes | None, tlve(0x78)] = None


@dataclass(frozen=True)
class DetachRequestByUe(Message):
    TYPE: ClassVar[int] = 0x45
    detach_type: Annotated[int, HALF]
    key_set: Annotated[int, HALF]
    identity: Annotated[EpsIdentity, LV]


@dataclass(frozen=True)
class DetachRequestByNetwork(Message):
    TYPE: ClassVar[int] = 0x45
    detach_type: Annotated[int, HALF]
    spare: Annotated[int, HALF]
    cause: Annotated[int | None, tv(0x53, 1)] = None


@dataclass(frozen=True)
class DetachAccept(Message):
    TYPE: ClassVar[int] = 0x46


@dataclass(frozen=True)
class TrackingAreaUpdateRequest(Message):
    TYPE: ClassVar[int] = 0x48
    update_type: Annotated[int, HALF]
    key_set: Annotated[int, HALF]
    identity: Annotated[EpsIdentity, LV]
    capability: Annotated[bytes | None, tlv(0x58)] = None
    last_tai: Annotated[Tai | None, tv(0x52, 5)] = None
    bearers: Annotated[bytes | None, tlv(0x57)] = None  # EPS bearer context status, 9.9.2.1


@dataclass(frozen=True)
class TrackingAreaUpdateAccept(Message):
    TYPE: ClassVar[int] = 0x49
    result: Annotated[int, HALF]
    spare: Annotated[int, HALF]
    t3412: Annotated[Timer | None, tv(0x5A, 1)] = None
    guti: Annotated[EpsIdentity | None, tlv(0x50)] = None
    tai_list: Annotated[bytes | None, tlv(0x54)] = None
    bearers: Annotated[bytes | None, tlv(0x57)] = None
    location_area: Annotated[bytes | None, tv(0x13, 5)] = None
    ms_identity: Annotated[bytes | None, tlv(0x23)] = None
    cause: Annotated[int | None, tv(0x53, 1)] = None
    t3402: Annotated[Timer | None, tv(0x17, 1)] = None
    t3423: Annotated[Timer | None, tv(0x59, 1)] = None


@dataclass(frozen=True)
class TrackingAreaUpdateComplete(Message):
    TYPE: ClassVar[int] = 0x4A


@dataclass(frozen=True)
class TrackingAreaUpdateReject(Message):
    TYPE: ClassVar[int] = 0x4B
    cause: Annotated[int, fixed(1)]


@dataclass(frozen=True)
class ServiceReject(Message):
    TYPE: ClassVar[int] = 0x4E
    cause: Annotated[int, fixed(1)]


@dataclass(frozen=True)
class GutiReallocationCommand(Message):
    TYPE: ClassVar[int] = 0x50
    guti: Annotated[EpsIdentity, LV]
    tai_list: Annotated[bytes | None, tlv(0x54)] = None


@dataclass(frozen=True)
class GutiReallocationComplete(Message):
    TYPE: ClassVar[int] = 0x51


@dataclass(frozen=True)
class AuthenticationRequest(Message):
    TYPE: ClassVar[int] = 0x52
    key_set: Annotated[int, HALF]
    spare: Annotated[int, HALF]
    rand: Annotated[bytes, fixed(16)]
    autn: Annotated[bytes, LV]


@dataclass(frozen=True)
class AuthenticationResponse(Message):
    TYPE: ClassVar[int] = 0x53
    res: Annotated[bytes, LV]


@dataclass(frozen=True)
class AuthenticationReject(Message):
    TYPE: ClassVar[int] = 0x54


@dataclass(frozen=True)
class IdentityRequest(Message):
    TYPE: ClassVar[int] = 0x55
    identity_type: Annotated[int, HALF]
    spare: Annotated[int, HALF]


@dataclass(frozen=True)
class IdentityResponse(Message):
    TYPE: ClassVar[int] = 0x56
    identity: Annotated[EpsIdentity, LV]


@dataclass(frozen=True)
class AuthenticationFailure(Message):
    TYPE: ClassVar[int] = 0x5C
    cause: Annotated[int, fixed(1)]
    auts: Annotated[bytes | None, tlv(0x30)] = None


@dataclass(frozen=True)
class SecurityModeCommand(Message):
    TYPE: ClassVar[int] = 0x5D
    algorithms: Annotated[int, fixed(1)]  # 9.9.3.23: ciphering in the high half, integrity in the low one
    key_set: Annotated[int, HALF]
    spare: Annotated[int, HALF]
    capability: Annotated[bytes, LV]  # replayed UE security capability, 9.9.3.36
    imeisv_request: Annotated[int | None, short(0xC)] = None


@dataclass(frozen=True)
class SecurityModeComplete(Message):
    TYPE: ClassVar[int] = 0x5E
    imeisv: Annotated[EpsIdentity | None, tlv(0x23)] = None


@dataclass(frozen=True)
class SecurityModeReject(Message):
    TYPE: ClassVar[int] = 0x5F
    cause: Annotated[int, fixed(1)]


@dataclass(frozen=True)
class EmmStatus(Message):
    TYPE: ClassVar[int] = 0x60
    cause: Annotated[int, fixed(1)]


@dataclass(frozen=True)
class EmmInformation(Message):
    TYPE: ClassVar[int] = 0x61
    full_name: Annotated[bytes | None, tlv(0x43)] = None
    short_name: Annotated[bytes | None, tlv(0x45)] = None
    local_zone: Annotated[bytes | None, tv(0x46, 1)] = None
    universal_time: Annotated[bytes | None, tv(0x47, 7)] = None
    daylight_saving: Annotated[bytes | None, tlv(0x49)] = None


FROM_UE: tuple[type[Message], ...] = (
    AttachRequest,
    AttachComplete,
    DetachRequestByUe,
    DetachAccept,
    TrackingAreaUpdateRequest,
    TrackingAreaUpdateComplete,
    GutiReallocationComplete,
    AuthenticationResponse,
    AuthenticationFailure,
    IdentityResponse,
    SecurityModeComplete,
    SecurityModeReject,
    EmmStatus,
)
FROM_NETWORK: tuple[type[Message], ...] = (
    AttachAccept,
    AttachReject,
    DetachRequestByNetwork,
    DetachAccept,
    TrackingAreaUpdateAccept,
    TrackingAreaUpdateReject,
    ServiceReject,
    GutiReallocationCommand,
    AuthenticationRequest,
    AuthenticationReject,
    IdentityRequest,
    SecurityModeCommand,
    EmmStatus,
    EmmInformation,
)
