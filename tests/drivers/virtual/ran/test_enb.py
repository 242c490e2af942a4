"""The eNB's end of S1: contexts, bearers with their tunnels, release, paging, reset, and messages about nobody."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_core import TAI
from scripted_mme import MME_UE_ID, SGW, Mme, bearer

from drivers.virtual.ran import s1ap
from drivers.virtual.ran.effects import (
    BearersEstablished,
    ConnectionReleased,
    Downlink,
    Paged,
    S1Fault,
    S1Refused,
    S1Up,
    TunnelDown,
    TunnelUp,
)
from drivers.virtual.ran.enb import RADIO_LOST, CellSettings, Enb

GTPU = IPv4Address("127.0.1.1")
RESET_ONE = (
    "partOfS1-Interface",
    [s1ap.item(91, "UE-associatedLogicalS1-ConnectionItem", {"mME-UE-S1AP-ID": MME_UE_ID})],
)


def connected() -> Mme:
    """An MME that knows the UE "one" by its number, and has given it bearer 5."""
    mme = Mme(Enb(CellSettings(TAI, GTPU)))
    mme.enb.uplink("one", b"\x07\x41", "mo-Signalling")
    (first,) = mme.collect()
    assert (first.name, first[s1ap.ENB_UE_ID], first[s1ap.NAS_PDU]) == ("InitialUEMessage", 1, b"\x07\x41")
    (response,) = mme.context(1, b"accept")
    assert response.name == "InitialContextSetupResponse"
    return mme


def test_s1_setup_names_cell_and_area() -> None:
    mme = Mme(Enb(CellSettings(TAI, GTPU, "rig-enb", 7)))
    mme.enb.set_up()
    (request,) = mme.collect()
    assert request.name == "S1SetupRequest"
    assert request[s1ap.GLOBAL_ENB_ID] == {"pLMNidentity": b"\x00\xf1\x10", "eNB-ID": ("macroENB-ID", (7, 20))}
    gummei = [{"servedPLMNs": [b"\x00\xf1\x10"], "servedGroupIDs": [b"\0\2"], "servedMMECs": [b"\1"]}]
    mme.say("S1SetupResponse", {s1ap.MME_NAME: "mme", 105: gummei, 87: 255})
    assert mme.effects == [S1Up("mme")]
    mme.say("S1SetupFailure", {s1ap.CAUSE: ("misc", "unknown-PLMN")})
    assert mme.effects[-1] == S1Refused("misc: unknown-PLMN")


def test_an_initial_message_bears_the_temporary_identity() -> None:
    mme = Mme(Enb(CellSettings(TAI, GTPU)))
    mme.enb.uplink("one", b"\xc7\0\0\0", "mo-Data", (1, 0xC0000001))
    (first,) = mme.collect()
    assert first[s1ap.S_TMSI] == {"mMEC": b"\1", "m-TMSI": bytes.fromhex("c0000001")}
    assert first[s1ap.ESTABLISHMENT_CAUSE] == "mo-Data"


def test_a_context_brings_a_tunnel_and_what_came_along() -> None:
    mme = connected()
    assert mme.effects == [
        TunnelUp("one", 5, 1, IPv4Address(SGW), 0x1005), BearersEstablished("one"), Downlink("one", b"accept"),
    ]  # fmt: skip
    mme.enb.uplink("one", b"complete")
    (message,) = mme.collect()
    assert (message.name, message[s1ap.MME_UE_ID], message[s1ap.NAS_PDU]) == (
        "UplinkNASTransport", MME_UE_ID, b"complete",
    )  # fmt: skip


def test_bearers_come_and_go() -> None:
    mme = connected()
    (response,) = mme.bearers(1, bearer(6, b"ims"), bearer(7, b"dedicated"))
    done = response.items(s1ap.BEARERS_SET_UP)
    assert [(one["e-RAB-ID"], one["gTP-TEID"]) for one in done] == [(6, b"\0\0\0\2"), (7, b"\0\0\0\3")]
    assert done[0]["transportLayerAddress"] == (int(GTPU), 32)
    (response,) = mme.release_bearers(1, b"gone", 6, 9)
    assert [one["e-RAB-ID"] for one in response.items(s1ap.BEARERS_RELEASED)] == [6]
    assert [one["e-RAB-ID"] for one in response.items(s1ap.BEARERS_NOT_RELEASED)] == [9]
    assert mme.effects[-2:] == [Downlink("one", b"gone"), TunnelDown("one", 6, 2)]
    assert mme.delivered() == [b"accept", b"ims", b"dedicated", b"gone"]


def test_release_takes_the_tunnels_along() -> None:
    mme = connected()
    mme.enb.release("one", RADIO_LOST)
    (request,) = mme.collect()
    assert (request.name, request[s1ap.CAUSE]) == ("UEContextReleaseRequest", RADIO_LOST)
    (complete,) = mme.release(1)
    assert complete.name == "UEContextReleaseComplete"
    assert mme.effects[-2:] == [TunnelDown("one", 5, 1), ConnectionReleased("one", "nas: normal-release")]
    mme.enb.uplink("one", b"late")
    assert mme.collect() == [] and isinstance(mme.effects[-1], S1Fault)


def test_paging_is_for_whoever_has_the_identity() -> None:
    mme = Mme(Enb(CellSettings(TAI, GTPU)))
    mme.page(1, 0xC0000001)
    assert mme.effects == [Paged((1, 0xC0000001))]


@pytest.mark.parametrize("partly", [False, True])
def test_a_reset_ends_connections(partly: bool) -> None:
    mme = connected()
    how = RESET_ONE if partly else ("s1-Interface", "reset-all")
    (acknowledge,) = mme.say("Reset", {s1ap.CAUSE: ("misc", "om-intervention"), s1ap.RESET_TYPE: how})
    assert acknowledge.name == "ResetAcknowledge"
    assert mme.effects[-1] == ConnectionReleased("one", "reset by the MME: misc: om-intervention")


def test_a_message_about_nobody_is_answered_with_an_error() -> None:
    mme = connected()
    (error,) = mme.nas(99, b"x")
    assert (error.name, error[s1ap.CAUSE]) == ("ErrorIndication", ("radioNetwork", "unknown-enb-ue-s1ap-id"))


def test_without_the_mme_there_is_no_connection() -> None:
    mme = connected()
    mme.enb.association_lost()
    mme.collect()
    assert isinstance(mme.effects[-1], ConnectionReleased)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_do_no_worse_than_a_fault(data: bytes) -> None:
    enb = Enb(CellSettings(TAI, GTPU))
    for head in (b"", b"\x00\x0b\x40", b"\x00\x09\x00"):
        enb.receive(head + data)
        assert all(isinstance(effect, S1Fault | S1Up) for effect in enb.take())


@settings(deadline=None, max_examples=30)  # the first one waits for an import
@given(st.data())
def test_a_message_with_some_bits_turned_does_no_worse_either(data: st.DataObject) -> None:
    mme = connected()
    mme.bearers(1, bearer(6, b"ims"))
    mme.release_bearers(1, b"gone", 6, 9)
    mme.say("Reset", {s1ap.CAUSE: ("misc", "om-intervention"), s1ap.RESET_TYPE: RESET_ONE})
    for whole in mme.said:
        turned = bytearray(whole)
        for bit in data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), min_size=1, max_size=3)):
            turned[bit // 8] ^= 1 << bit % 8
        mme.enb.receive(bytes(turned))
