"""GRUUs in the 200 to a REGISTER (RFC 5627 5.2, figure of 8.1)."""

from __future__ import annotations

from testbed.ims.gruu import Gruus, own_binding
from testbed.ims.headers import NameAddr
from testbed.ims.uri import parse_uri

CONTACT = (
    "<sip:callee@192.0.2.1>"
    ';pub-gruu="sip:callee@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"'
    ';temp-gruu="sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr"'
    ';+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>";expires=3600'
)


def test_both_are_read_and_can_be_written_into_a_contact() -> None:
    gruus = Gruus.of(NameAddr.parse(CONTACT))
    assert gruus.public == "sip:callee@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    assert str(gruus.uri()) == gruus.public
    assert str(gruus.uri(temporary=True)) == "sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr"


def test_a_registrar_that_gives_none_leaves_none() -> None:
    gruus = Gruus.of(NameAddr.parse("<sip:callee@192.0.2.1>;expires=3600"))
    assert gruus == Gruus() and gruus.uri() is None


def test_our_binding_is_found_among_those_of_other_connections() -> None:
    listed = [NameAddr.parse(f"<sip:u@10.{number}.0.2:40000>;expires={number}") for number in (1, 2, 3)]
    found = own_binding(listed, parse_uri("sip:u@10.2.0.2:40000"))
    assert found is not None and found.params["expires"] == "2"
    assert own_binding(listed, parse_uri("sip:u@10.2.0.2:40001")) is None
