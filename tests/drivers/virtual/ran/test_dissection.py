"""Every message that we make, read by tshark: no malformed packet, and the types that were meant."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import dissection
import pytest
from attached import IMS, INTERNET, Pair
from scripted_core import GUTI, TAI, Core, aka
from scripted_mme import Mme, bearer

from drivers.virtual.ran import s1ap
from drivers.virtual.ran.effects import Uplink
from drivers.virtual.ran.enb import CellSettings, Enb
from drivers.virtual.ran.nas import emm, esm
from drivers.virtual.ran.nas.elements import Apn, EpsIdentity
from drivers.virtual.ran.nas.message import Esm, encode
from drivers.virtual.ran.nas.security import SecurityContext
from drivers.virtual.ran.s1ap import S1apMessage

GTPU = IPv4Address("127.0.1.1")
SELDOM = (
    encode(emm.AuthenticationFailure(21, bytes(14))),
    encode(emm.SecurityModeReject(23)),
    encode(emm.EmmStatus(98)),
    encode(emm.GutiReallocationComplete()),
    *(
        bytes(Esm(message, 5, 0))
        for message in (
            esm.ActivateDefaultBearerReject(31), esm.ActivateDedicatedBearerReject(43), esm.ModifyBearerAccept(),
            esm.ModifyBearerReject(43), esm.EsmStatus(97),
        )
    ),
    bytes(Esm(esm.EsmInformationResponse(Apn("ims"), IMS.pco), 0, 1)),
)  # fmt: skip


class Wire:
    """A UE behind an eNB, before a scripted core: all that both say lies in `mme.said`."""

    def __init__(self) -> None:
        self.mme = Mme(Enb(CellSettings(TAI, GTPU)))
        self.pair = Pair(core=Core(ciphering=0))
        self.number = 0

    def up(self) -> None:
        """Carry what the UE has sent to the MME."""
        for effect in self.pair.ue.take():
            if isinstance(effect, Uplink):
                self.number += effect.cause is not None
                self.mme.enb.uplink("ue", effect.nas, effect.cause, effect.s_tmsi)
                if effect.nas[0] != 0xC7:  # a service request
                    self.pair.core.open(effect.nas)
        self.mme.collect()

    def down(self, nas: bytes) -> None:
        self.mme.nas(self.number, nas)
        self.pair.ue.receive(nas, self.pair.now)
        self.up()


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The life of a UE: attach, `ims`, a dedicated bearer, idle and back, update, detach; and what is seldom said."""
    wire = Wire()
    mme, pair = wire.mme, wire.pair
    ue, core = pair.ue, pair.core
    mme.enb.set_up()
    mme.collect()
    ue.attach(INTERNET, pair.now)
    wire.up()
    wire.down(encode(emm.IdentityRequest(1, 0)))
    wire.down(core.challenge())
    wire.down(core.security_mode())
    wire.down(core.seal(bytes(Esm(esm.EsmInformationRequest(), 0, 1))))
    accept = core.accept(Esm(esm.EsmInformationRequest(), 0, 1))
    mme.context(wire.number, accept)
    ue.receive(accept, pair.now)
    wire.up()
    ue.connect(IMS, pair.now)
    wire.up()
    nas = core.seal(bytes(core.bearer(6, 2, "ims")))
    mme.bearers(wire.number, bearer(6, nas))
    ue.receive(nas, pair.now)
    wire.down(core.seal(bytes(Esm(esm.ActivateDedicatedBearerRequest(6, 0, b"\x01", b"\x21\x31\x01\x02\x30\x11"), 7))))
    wire.down(core.seal(bytes(Esm(esm.ModifyBearerRequest(), 7))))
    ue.disconnect(6, pair.now)
    wire.up()
    nas = core.seal(bytes(Esm(esm.DeactivateBearerRequest(36), 6, 3)))
    mme.release_bearers(wire.number, nas, 6, 9)
    ue.receive(nas, pair.now)
    wire.up()
    mme.enb.release("ue")
    mme.release(wire.number)
    ue.connection_released(pair.now)
    mme.page(*GUTI.s_tmsi)
    ue.paged(GUTI.s_tmsi, pair.now)
    wire.up()
    core.uplink += 1
    mme.context(wire.number)
    ue.bearers_established(pair.now)
    ue.update(pair.now)
    wire.up()
    wire.down(core.seal(encode(emm.TrackingAreaUpdateAccept(0, 0, guti=EpsIdentity(GUTI)))))
    ue.detach(pair.now)
    wire.up()
    wire.down(core.seal(encode(emm.DetachAccept())))
    protecting = SecurityContext(0, bytes(32))
    for plain in SELDOM:
        mme.enb.uplink("ue", protecting.protect(plain))
    mme.nas(99, b"\x07\x61")
    mme.say("Reset", {s1ap.CAUSE: ("misc", "om-intervention"), s1ap.RESET_TYPE: ("s1-Interface", "reset-all")})
    other = Pair(card=aka(sqn_ms=32000))
    other.ue.attach(INTERNET, 0.0)
    for effect in other.ue.take():
        if isinstance(effect, Uplink):
            mme.enb.uplink("other", effect.nas, effect.cause)
    mme.collect()
    return dissection.write(tmp_path_factory.mktemp("s1") / "s1.pcap", mme.said)


def test_tshark_finds_nothing_malformed(capture: Path) -> None:
    assert dissection.faults(capture) == []


def test_tshark_reads_the_messages_that_were_meant(capture: Path) -> None:
    rows = dissection.fields(capture, "nas_eps.nas_msg_emm_type", "nas_eps.nas_msg_esm_type")
    emm_types = {int(one, 16) for row in rows for one in row[0].split(",") if one}
    esm_types = {int(one, 16) for row in rows for one in row[1].split(",") if one}
    ours = {message.TYPE for message in emm.FROM_UE} - {emm.DetachAccept.TYPE}
    assert ours <= emm_types
    answers = {0xC2, 0xC3, 0xC6, 0xC7, 0xCA, 0xCB, 0xCE, 0xD0, 0xD2, 0xDA, 0xE8}
    assert answers <= esm_types


def test_tshark_reads_the_elements_that_were_meant(capture: Path) -> None:
    def values(field: str) -> set[str]:
        return {one for (row,) in dissection.fields(capture, field) for one in row.split(",") if one}

    assert values("e212.imsi") >= {"001010123456789"}
    assert values("gsm_a.gm.sm.pco_pid") >= {"0x000c", "0x0001", "0x000d"}
    assert values("s1ap.transportLayerAddressIPv4") == {"127.0.0.2", "127.0.1.1"}
    assert values("nas_eps.emm.type_of_id") >= {"1", "6"}


def test_a_broken_message_would_be_seen(tmp_path: Path) -> None:
    """The check itself: what ends in the middle is called malformed."""
    enb = Enb(CellSettings(TAI, GTPU))
    enb.uplink("ue", bytes.fromhex("074171080910"), "mo-Signalling")
    (effect,) = enb.take()
    path = dissection.write(tmp_path / "broken.pcap", [getattr(effect, "data", b"")])
    assert dissection.faults(path) != []
    assert isinstance(s1ap.decode(getattr(effect, "data", b"")), S1apMessage)
