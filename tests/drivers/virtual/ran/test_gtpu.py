"""GTP-U: headers by hand, with and without options, and any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.virtual.ran import gtpu
from drivers.virtual.ran.errors import PeerFault
from drivers.virtual.ran.gtpu import G_PDU, Packet


def test_a_packet_of_a_ue_has_eight_octets_before_it() -> None:
    assert gtpu.encode(0x01020304, b"packet").hex() == "30ff000601020304" + b"packet".hex()
    assert gtpu.decode(gtpu.encode(5, b"packet")) == Packet(G_PDU, 5, b"packet")


def test_an_echo_is_answered_with_its_number() -> None:
    request = gtpu.decode(bytes.fromhex("320100040000000012340000"))
    assert request == Packet(gtpu.ECHO_REQUEST, 0, b"", 0x1234)
    answer = gtpu.decode(gtpu.echo_response(request))
    assert answer == Packet(gtpu.ECHO_RESPONSE, 0, b"\x0e\x00", 0x1234)


def test_extension_headers_are_stepped_over() -> None:
    chain = bytes.fromhex("34ff000e000000010000008501ffff2001abcd00") + b"hi"
    assert gtpu.decode(chain) == Packet(G_PDU, 1, b"hi")


@pytest.mark.parametrize("data", ["", "30ff", "10ff000000000001", "30ff000500000001aa", "32ff000200000001aabb",
                                  "34ff000600000001000000850100"])  # fmt: skip
def test_what_is_no_gtp_u_is_the_peers_fault(data: str) -> None:
    with pytest.raises(PeerFault):
        gtpu.decode(bytes.fromhex(data))


@given(st.binary(max_size=40))
def test_any_bytes_are_a_packet_or_the_peers_fault(data: bytes) -> None:
    for flags in (b"", b"\x30\xff", b"\x34\xff\x00\x10", b"\x36\xff\x00\x08"):
        try:
            gtpu.decode(flags + data)
        except PeerFault:
            continue
