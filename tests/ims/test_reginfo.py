"""Registration information: reading, and the state that full and partial documents add up to (RFC 3680, RFC 5628)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ims.errors import ParseError
from testbed.ims.reginfo import ContactEvent, RegInfo, RegInfoState, RegistrationState

AOR = "sip:user1_public1@home1.net"
INSTANCE = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'
# The shape of RFC 5628 8, with the proposal's identity and contacts.
GRUU = b"""<?xml version="1.0"?>
<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo"
         version="0" state="full">
  <registration aor="sip:user1_public1@home1.net" id="as9" state="active">
    <contact id="76" state="active" event="registered" duration-registered="7322" expires="3600"
             callid="apb03a0s09dkjdfglkj49111" cseq="5" q="0.8">
      <uri>
        sip:192.0.2.3:1357;transport=udp
      </uri>
      <unknown-param name="+sip.instance">"&lt;urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6&gt;"</unknown-param>
      <gr:pub-gruu uri="sip:user1_public1@home1.net;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"/>
      <gr:temp-gruu uri="sip:tgruu.7hatz6cn-098shfyq193=ajfux8fyg7ajqqe7@home1.net;gr" first-cseq="54301"/>
    </contact>
  </registration>
</reginfo>
"""


def document(version: int, state: str, *registrations: str) -> RegInfo:
    head = f'<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="{version}" state="{state}">'
    return RegInfo.parse((head + "".join(registrations) + "</reginfo>").encode())


def registration(id_: str, *contacts: str, state: str = "active", aor: str | None = None) -> str:
    inside = "".join(contacts)
    return f'<registration aor="{aor or f"sip:{id_}@home1.net"}" id="{id_}" state="{state}">{inside}</registration>'


def contact(id_: str, uri: str = "", state: str = "active", event: str = "registered") -> str:
    return f'<contact id="{id_}" state="{state}" event="{event}"><uri>{uri or f"sip:{id_}.invalid"}</uri></contact>'


def test_a_contact_with_its_gruus_is_read() -> None:
    info = RegInfo.parse(GRUU)
    (only,) = info.registrations
    (binding,) = only.contacts
    assert (info.version, info.full) == (0, True)
    assert (only.aor, only.id, only.state) == (AOR, "as9", RegistrationState.ACTIVE)
    assert (binding.id, binding.state, binding.event) == ("76", "active", ContactEvent.REGISTERED)
    assert binding.uri == "sip:192.0.2.3:1357;transport=udp"
    assert (binding.expires, binding.callid, binding.cseq) == (3600, "apb03a0s09dkjdfglkj49111", 5)
    assert binding.pub_gruu == f"{AOR};gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    assert binding.temp_gruu == "sip:tgruu.7hatz6cn-098shfyq193=ajfux8fyg7ajqqe7@home1.net;gr"
    assert dict(binding.params) == {"+sip.instance": INSTANCE}


def test_a_move_of_all_bindings_is_told_contact_by_contact() -> None:
    state = RegInfoState()
    first = state.apply(
        document(0, "full", registration("a", contact("1", "sip:old")), registration("b", contact("2", "sip:old")))
    )
    assert [(change.aor, change.kind, change.contact.uri) for change in first] == [
        ("sip:a@home1.net", "added", "sip:old"),
        ("sip:b@home1.net", "added", "sip:old"),
    ]
    moved = state.apply(
        document(
            1,
            "partial",
            registration("a", contact("1", "sip:old", "terminated", "deactivated"), contact("3", "sip:new")),
            registration(
                "b", contact("4", "sip:new", event="created"), contact("2", "sip:old", "terminated", "expired")
            ),
        )
    )
    assert [(change.aor, change.kind, change.contact.uri) for change in moved] == [
        ("sip:a@home1.net", "removed", "sip:old"),
        ("sip:a@home1.net", "added", "sip:new"),
        ("sip:b@home1.net", "removed", "sip:old"),
        ("sip:b@home1.net", "added", "sip:new"),
    ]
    assert moved[0].now is not None
    assert moved[0].now.event is ContactEvent.DEACTIVATED
    for aor in ("sip:a@home1.net", "sip:b@home1.net"):
        assert [each.uri for each in state.contacts(aor)] == ["sip:new"]
    assert state.contacts("sip:nobody@home1.net") == ()


def test_a_partial_document_leaves_alone_what_it_does_not_name() -> None:
    state = RegInfoState()
    state.apply(document(0, "full", registration("a", contact("1")), registration("b", contact("2"))))
    assert state.apply(document(1, "partial", registration("b", contact("3")))) != []
    assert [each.id for each in state.contacts("sip:a@home1.net")] == ["1"]
    assert [each.id for each in state.contacts("sip:b@home1.net")] == ["2", "3"]


def test_a_full_document_removes_what_it_does_not_name() -> None:
    state = RegInfoState()
    state.apply(document(0, "full", registration("a", contact("1"), contact("2")), registration("b", contact("3"))))
    changes = state.apply(document(1, "full", registration("a", contact("2"))))
    assert [(change.kind, change.contact.id, change.now) for change in changes] == [
        ("removed", "1", None),
        ("removed", "3", None),
    ]
    assert list(state.registrations) == ["sip:a@home1.net"]


def test_a_refreshed_contact_is_changed_and_an_equal_one_is_not_told() -> None:
    state = RegInfoState()
    state.apply(document(0, "full", registration("a", contact("1"), contact("2"))))
    changes = state.apply(document(1, "full", registration("a", contact("1", event="refreshed"), contact("2"))))
    assert [(change.kind, change.contact.id) for change in changes] == [("changed", "1")]


def test_an_older_document_is_passed_over() -> None:
    state = RegInfoState()
    state.apply(document(7, "full", registration("a", contact("1"))))
    assert state.apply(document(6, "full")) == []
    assert [each.id for each in state.contacts("sip:a@home1.net")] == ["1"]
    assert state.version == 7


def test_a_missed_document_asks_for_a_full_one_until_it_comes() -> None:
    state = RegInfoState()
    state.apply(document(0, "full", registration("a", contact("1"))))
    state.apply(document(1, "partial", registration("a", contact("2"))))
    assert not state.stale
    state.apply(document(3, "partial", registration("a", contact("3"))))
    assert state.stale
    assert [each.id for each in state.contacts("sip:a@home1.net")] == ["1", "2", "3"]
    state.apply(document(4, "partial"))
    assert state.stale
    state.apply(document(5, "full", registration("a", contact("3"))))
    assert not state.stale


def test_a_first_document_that_is_partial_asks_for_a_full_one() -> None:
    state = RegInfoState()
    state.apply(document(4, "partial", registration("a", contact("1"))))
    assert state.stale


def test_the_end_of_a_registration_removes_its_contacts() -> None:
    state = RegInfoState()
    state.apply(document(0, "full", registration("a", contact("1"))))
    (change,) = state.apply(
        document(1, "full", registration("a", contact("1", state="terminated", event="rejected"), state="terminated"))
    )
    assert (change.kind, change.contact.event) == ("removed", ContactEvent.REJECTED)
    assert state.registrations["sip:a@home1.net"].state is RegistrationState.TERMINATED
    assert state.contacts("sip:a@home1.net") == ()


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE reginfo [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="0" state="full">&b;</reginfo>"""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<reginfo/>",
        LAUGHS,
        LAUGHS.decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="utf-7"?>' + LAUGHS[21:].replace(b"<!", b"+ADwAIQ-"),
        GRUU.replace(b'"full"', b'"some"'),
        GRUU.replace(b'version="0"', b'version="-1"'),
        GRUU.replace(b' version="0"', b""),
        GRUU.replace(b'id="76"', b""),
        GRUU.replace(b'event="registered"', b'event="lost"'),
        GRUU.replace(b'state="active" event', b'state="asleep" event'),
        GRUU.replace(b'id="as9" state="active"', b'id="as9" state="asleep"'),
        GRUU.replace(b"sip:192.0.2.3:1357;transport=udp", b" "),
        GRUU.replace(b'expires="3600"', b'expires="soon"'),
        GRUU.replace(b"ns:reginfo", b"ns:other"),
        GRUU[:-5],
        b" " * 300_000,
    ],
)
def test_what_is_no_registration_information_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        RegInfo.parse(body)


def test_an_external_entity_is_not_fetched() -> None:
    body = GRUU.replace(b"<reginfo", b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><reginfo', 1)
    with pytest.raises(ParseError, match="document type"):
        RegInfo.parse(body.replace(b"sip:192", b"&x;"))


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(ParseError):
        RegInfo.parse(body)


@given(st.data())
def test_a_document_with_octets_changed_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(GRUU)
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ParseError):
        RegInfoState().apply(RegInfo.parse(bytes(body)))
