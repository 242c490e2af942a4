"""An MME's S1AP end for tests: messages as it would send them."""

from __future__ import annotations

from typing import Any

from drivers.virtual.ran import s1ap
from drivers.virtual.ran.effects import Downlink, EnbEffect, ToMme
from drivers.virtual.ran.enb import Enb
from drivers.virtual.ran.s1ap import S1apMessage, item

MME_UE_ID, SGW = 4711, 0x7F000002
QOS = {
    "qCI": 9,
    "allocationRetentionPriority": {
        "priorityLevel": 8,
        "pre-emptionCapability": "shall-not-trigger-pre-emption",
        "pre-emptionVulnerability": "not-pre-emptable",
    },
}


def bearer(number: int, nas: bytes | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "e-RAB-ID": number,
        "e-RABlevelQoSParameters": QOS,
        "transportLayerAddress": (SGW, 32),
        "gTP-TEID": (0x1000 + number).to_bytes(4, "big"),
    }
    return found if nas is None else {**found, "nAS-PDU": nas}


class Mme:
    """Speaks with an eNB, and keeps what it said, in bytes."""

    def __init__(self, enb: Enb) -> None:
        self.enb, self.said = enb, list[bytes]()
        self.effects: list[EnbEffect] = []

    def collect(self) -> list[S1apMessage]:
        """What the eNB has sent since the last time; the other effects are kept."""
        taken = self.enb.take()
        self.effects += [effect for effect in taken if not isinstance(effect, ToMme)]
        sent = [effect.data for effect in taken if isinstance(effect, ToMme)]
        self.said += sent
        return [s1ap.decode(data) for data in sent]

    def say(self, name: str, elements: dict[int, Any], ue: int | None = None) -> list[S1apMessage]:
        numbers = {} if ue is None else {s1ap.MME_UE_ID: MME_UE_ID, s1ap.ENB_UE_ID: ue}
        data = s1ap.encode(S1apMessage(name, {**numbers, **elements}))
        self.said.append(data)
        self.enb.receive(data)
        return self.collect()

    def nas(self, ue: int, nas: bytes) -> list[S1apMessage]:
        return self.say("DownlinkNASTransport", {s1ap.NAS_PDU: nas}, ue)

    def context(self, ue: int, nas: bytes | None = None) -> list[S1apMessage]:
        """Initial context setup with bearer 5."""
        elements = {
            66: {"uEaggregateMaximumBitRateDL": 1000000, "uEaggregateMaximumBitRateUL": 1000000},
            s1ap.CONTEXT_BEARERS: [item(52, "E-RABToBeSetupItemCtxtSUReq", bearer(5, nas))],
            107: {"encryptionAlgorithms": (0x4000, 16), "integrityProtectionAlgorithms": (0x4000, 16)},
            73: (1, 256),
        }
        return self.say("InitialContextSetupRequest", elements, ue)

    def bearers(self, ue: int, *wanted: dict[str, Any]) -> list[S1apMessage]:
        items = [item(17, "E-RABToBeSetupItemBearerSUReq", one) for one in wanted]
        return self.say("E-RABSetupRequest", {s1ap.BEARERS_TO_SET_UP: items}, ue)

    def release_bearers(self, ue: int, nas: bytes, *numbers: int) -> list[S1apMessage]:
        cause = ("nas", "normal-release")
        items = [item(35, "E-RABItem", {"e-RAB-ID": number, "cause": cause}) for number in numbers]
        return self.say("E-RABReleaseCommand", {s1ap.BEARERS_TO_RELEASE: items, s1ap.NAS_PDU: nas}, ue)

    def release(self, ue: int) -> list[S1apMessage]:
        pair = {"mME-UE-S1AP-ID": MME_UE_ID, "eNB-UE-S1AP-ID": ue}
        elements = {s1ap.UE_IDS: ("uE-S1AP-ID-pair", pair), s1ap.CAUSE: ("nas", "normal-release")}
        return self.say("UEContextReleaseCommand", elements)

    def page(self, mme_code: int, m_tmsi: int) -> None:
        identity = {"mMEC": bytes((mme_code,)), "m-TMSI": m_tmsi.to_bytes(4, "big")}
        tai = {"tAI": {"pLMNidentity": b"\x00\xf1\x10", "tAC": b"\0\1"}}
        self.say(
            "Paging",
            {80: (1, 10), s1ap.UE_PAGING_ID: ("s-TMSI", identity), 109: "ps", 46: [item(47, "TAIItem", tai)]},
        )

    def delivered(self) -> list[bytes]:
        """NAS messages that reached the UE."""
        return [effect.nas for effect in self.effects if isinstance(effect, Downlink)]
