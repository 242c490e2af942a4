"""An eNB's end of S1 (3GPP TS 36.413 8), without I/O and without a radio: any UE that speaks is connected."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from drivers.virtual.ran import s1ap
from drivers.virtual.ran.effects import (
    BearersEstablished,
    ConnectionReleased,
    Downlink,
    EnbEffect,
    EstablishmentCause,
    Paged,
    S1Fault,
    S1Refused,
    S1Up,
    ToMme,
    TunnelDown,
    TunnelUp,
)
from drivers.virtual.ran.errors import PeerFault
from drivers.virtual.ran.nas.elements import Tai, plmn_octets
from drivers.virtual.ran.s1ap import S1apMessage, item

USER_INACTIVITY = ("radioNetwork", "user-inactivity")
RADIO_LOST = ("radioNetwork", "radio-connection-with-ue-lost")
UNKNOWN_BEARER = ("radioNetwork", "unknown-E-RAB-ID")
UNKNOWN_UE = ("radioNetwork", "unknown-enb-ue-s1ap-id")


@dataclass(frozen=True)
class CellSettings:
    """What an eNB says of itself: its name, its number (20 bits), its tracking area, where its GTP-U listens."""

    tai: Tai
    gtpu: IPv4Address
    name: str = "enb"
    number: int = 1


@dataclass
class Context:
    """A UE that has a connection: its numbers at both ends, and its bearers with the TEID of each."""

    ue: Hashable
    number: int
    mme_number: int | None = None
    bearers: dict[int, int] = field(default_factory=dict)


class Enb:
    """One cell.  UEs are whatever the caller knows them by."""

    def __init__(self, settings: CellSettings) -> None:
        self.settings = settings
        self._plmn = plmn_octets(settings.tai.plmn)
        self._contexts: dict[int, Context] = {}
        self._numbers = itertools.count(1)
        self._teids = itertools.count(1)
        self._effects: list[EnbEffect] = []

    def take(self) -> list[EnbEffect]:
        """What has come of all that went in since the last time."""
        effects, self._effects = self._effects, []
        return effects

    # What the caller wants

    def set_up(self) -> None:
        """S1 setup (8.7.3)."""
        area = {"tAC": self.settings.tai.tac.to_bytes(2, "big"), "broadcastPLMNs": [self._plmn]}
        identity = {"pLMNidentity": self._plmn, "eNB-ID": ("macroENB-ID", (self.settings.number, 20))}
        elements = {
            s1ap.GLOBAL_ENB_ID: identity,
            s1ap.ENB_NAME: self.settings.name,
            s1ap.SUPPORTED_TAS: [area],
            s1ap.PAGING_DRX: "v128",
        }
        self._send(S1apMessage("S1SetupRequest", elements), 0)

    def uplink(
        self,
        ue: Hashable,
        nas: bytes,
        cause: EstablishmentCause | None = None,
        s_tmsi: tuple[int, int] | None = None,
    ) -> None:
        """A NAS message of a UE; it gets a context with its first one (8.6.2.1, 8.6.2.3)."""
        context = self._of(ue)
        place: dict[int, Any] = {s1ap.NAS_PDU: nas, s1ap.TAI: self._tai(), s1ap.CELL: self._cell()}
        if context and context.mme_number is not None:
            self._about(context, "UplinkNASTransport", place)
        elif cause:
            context = Context(ue, next(self._numbers))
            self._contexts[context.number] = context
            if s_tmsi:
                place[s1ap.S_TMSI] = {"mMEC": bytes((s_tmsi[0],)), "m-TMSI": s_tmsi[1].to_bytes(4, "big")}
            elements = {**place, s1ap.ENB_UE_ID: context.number, s1ap.ESTABLISHMENT_CAUSE: cause}
            self._send(S1apMessage("InitialUEMessage", elements))
        else:
            self._effects.append(S1Fault("a UE without a connection sent a NAS message: it is lost"))

    def release(self, ue: Hashable, cause: tuple[str, str] = USER_INACTIVITY) -> None:
        """Ask the MME to let a UE go idle (8.3.2)."""
        context = self._of(ue)
        if context and context.mme_number is not None:
            self._about(context, "UEContextReleaseRequest", {s1ap.CAUSE: cause})

    def association_lost(self) -> None:
        """The MME is gone, and with it all contexts."""
        for context in list(self._contexts.values()):
            self._end(context, "the association with the MME is lost")

    # What the MME sends

    def receive(self, data: bytes) -> None:
        try:
            message = s1ap.decode(data)
            handler = _HANDLERS.get(message.name)
            if handler:
                handler(self, message)
            else:
                self._effects.append(S1Fault(f"{message.name} is not implemented"))
        except PeerFault as fault:
            self._effects.append(S1Fault(str(fault)))

    def _s1_up(self, message: S1apMessage) -> None:
        self._effects.append(S1Up(message.elements.get(s1ap.MME_NAME, "")))

    def _s1_refused(self, message: S1apMessage) -> None:
        self._effects.append(S1Refused(message.cause))

    def _downlink(self, message: S1apMessage) -> None:
        context = self._context(message)
        self._effects.append(Downlink(context.ue, message[s1ap.NAS_PDU]))

    def _context_setup(self, message: S1apMessage) -> None:
        """8.3.1."""
        context = self._context(message)
        wanted = message.some(s1ap.CONTEXT_BEARERS)
        done = [
            item(s1ap.CONTEXT_ITEM_SET_UP, "E-RABSetupItemCtxtSURes", self._bearer_up(context, one)) for one in wanted
        ]
        self._about(context, "InitialContextSetupResponse", {s1ap.CONTEXT_BEARERS_SET_UP: done})
        self._effects.append(BearersEstablished(context.ue))
        self._deliver(context, wanted)

    def _bearer_setup(self, message: S1apMessage) -> None:
        """8.2.1."""
        context = self._context(message)
        wanted = message.some(s1ap.BEARERS_TO_SET_UP)
        done = [
            item(s1ap.BEARER_ITEM_SET_UP, "E-RABSetupItemBearerSURes", self._bearer_up(context, one)) for one in wanted
        ]
        self._about(context, "E-RABSetupResponse", {s1ap.BEARERS_SET_UP: done})
        self._deliver(context, wanted)

    def _bearer_release(self, message: S1apMessage) -> None:
        """8.2.3."""
        context = self._context(message)
        if s1ap.NAS_PDU in message.elements:
            self._effects.append(Downlink(context.ue, message[s1ap.NAS_PDU]))
        numbers = [one["e-RAB-ID"] for one in message.items(s1ap.BEARERS_TO_RELEASE)]
        gone = [number for number in numbers if self._bearer_down(context, number)]
        failed = [number for number in numbers if number not in gone]
        answer: dict[int, Any] = {}
        if gone:
            items = [{"e-RAB-ID": number} for number in gone]
            answer[s1ap.BEARERS_RELEASED] = [
                item(s1ap.BEARER_ITEM_RELEASED, "E-RABReleaseItemBearerRelComp", one) for one in items
            ]
        if failed:
            items = [{"e-RAB-ID": number, "cause": UNKNOWN_BEARER} for number in failed]
            answer[s1ap.BEARERS_NOT_RELEASED] = [item(s1ap.BEARER_ITEM_FAILED, "E-RABItem", one) for one in items]
        self._about(context, "E-RABReleaseResponse", answer)

    def _release(self, message: S1apMessage) -> None:
        """8.3.3."""
        how, numbers = message[s1ap.UE_IDS]
        if how == "uE-S1AP-ID-pair":
            context = self._contexts.get(numbers["eNB-UE-S1AP-ID"])
            mme_number = numbers["mME-UE-S1AP-ID"]
        else:
            mme_number = numbers
            context = next((one for one in self._contexts.values() if one.mme_number == mme_number), None)
        if context is None:
            self._effects.append(S1Fault(f"the MME releases a UE that is not here: {numbers}"))
            return
        context.mme_number = mme_number
        self._about(context, "UEContextReleaseComplete", {})
        self._end(context, message.cause)

    def _paging(self, message: S1apMessage) -> None:
        how, identity = message[s1ap.UE_PAGING_ID]
        if how == "s-TMSI":
            self._effects.append(Paged((identity["mMEC"][0], int.from_bytes(identity["m-TMSI"], "big"))))

    def _reset(self, message: S1apMessage) -> None:
        """8.7.1: the MME has forgotten some UEs, or all."""
        how, listed = message[s1ap.RESET_TYPE]
        answer = {}
        if how == "s1-Interface":
            contexts = list(self._contexts.values())
        else:
            named = [one["value"][1] for one in listed if isinstance(one["value"][1], dict)]
            numbers = {one.get("eNB-UE-S1AP-ID") for one in named}
            mme_numbers = {one.get("mME-UE-S1AP-ID") for one in named} - {None}
            contexts = [
                one for one in self._contexts.values() if one.number in numbers or one.mme_number in mme_numbers
            ]
            name = "UE-associatedLogicalS1-ConnectionItem"
            if named:
                answer[s1ap.RESET_CONNECTIONS] = [item(s1ap.RESET_ITEM, name, one) for one in named]
        self._send(S1apMessage("ResetAcknowledge", answer), 0)
        for context in contexts:
            self._end(context, f"reset by the MME: {message.cause}")

    def _error(self, message: S1apMessage) -> None:
        self._effects.append(S1Fault(f"the MME reports an error: {message.cause}"))

    # Bearers

    def _bearer_up(self, context: Context, wanted: dict[str, Any]) -> dict[str, Any]:
        """A tunnel for a bearer; returns what the MME is told of it."""
        number, teid = wanted["e-RAB-ID"], next(self._teids)
        if number in context.bearers:
            self._bearer_down(context, number)
        context.bearers[number] = teid
        peer = s1ap.ipv4(wanted["transportLayerAddress"])
        self._effects.append(TunnelUp(context.ue, number, teid, peer, int.from_bytes(wanted["gTP-TEID"], "big")))
        own = (int(self.settings.gtpu), s1ap.IPV4_BITS)
        return {"e-RAB-ID": number, "transportLayerAddress": own, "gTP-TEID": teid.to_bytes(4, "big")}

    def _bearer_down(self, context: Context, number: int) -> bool:
        teid = context.bearers.pop(number, None)
        if teid is not None:
            self._effects.append(TunnelDown(context.ue, number, teid))
        return teid is not None

    def _deliver(self, context: Context, bearers: list[dict[str, Any]]) -> None:
        """NAS messages that came along with bearers."""
        for one in bearers:
            if "nAS-PDU" in one:
                self._effects.append(Downlink(context.ue, one["nAS-PDU"]))

    def _end(self, context: Context, why: str) -> None:
        del self._contexts[context.number]
        for number in list(context.bearers):
            self._bearer_down(context, number)
        self._effects.append(ConnectionReleased(context.ue, why))

    # Sending

    def _context(self, message: S1apMessage) -> Context:
        """The UE that a message is about; it also tells the MME's number of it."""
        context = self._contexts.get(message[s1ap.ENB_UE_ID])
        if context is None:
            numbers = {number: message[number] for number in (s1ap.MME_UE_ID, s1ap.ENB_UE_ID)}
            self._send(S1apMessage("ErrorIndication", {**numbers, s1ap.CAUSE: UNKNOWN_UE}))
            raise PeerFault(f"{message.name} is about a UE that is not here", where="S1AP")
        context.mme_number = message[s1ap.MME_UE_ID]
        return context

    def _about(self, context: Context, name: str, elements: dict[int, Any]) -> None:
        numbers = {s1ap.MME_UE_ID: context.mme_number, s1ap.ENB_UE_ID: context.number}
        self._send(S1apMessage(name, {**numbers, **elements}))

    def _send(self, message: S1apMessage, stream: int = 1) -> None:
        self._effects.append(ToMme(s1ap.encode(message), stream))

    def _of(self, ue: Hashable) -> Context | None:
        return next((one for one in self._contexts.values() if one.ue == ue), None)

    def _tai(self) -> dict[str, bytes]:
        return {"pLMNidentity": self._plmn, "tAC": self.settings.tai.tac.to_bytes(2, "big")}

    def _cell(self) -> dict[str, Any]:
        return {"pLMNidentity": self._plmn, "cell-ID": (self.settings.number << 8 | 1, 28)}


_HANDLERS: dict[str, Callable[[Enb, S1apMessage], None]] = {
    "S1SetupResponse": Enb._s1_up,
    "S1SetupFailure": Enb._s1_refused,
    "DownlinkNASTransport": Enb._downlink,
    "InitialContextSetupRequest": Enb._context_setup,
    "E-RABSetupRequest": Enb._bearer_setup,
    "E-RABReleaseCommand": Enb._bearer_release,
    "UEContextReleaseCommand": Enb._release,
    "Paging": Enb._paging,
    "Reset": Enb._reset,
    "ErrorIndication": Enb._error,
}
