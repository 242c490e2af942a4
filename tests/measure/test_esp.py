"""ESP opened with a run's keys, and tshark as the independent eye on the same file and the same keys."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from synthetic_call import Sa, datagram, sip

from testbed.errors import MeasurementInvalid
from testbed.measure.datagrams import Segment, segments
from testbed.measure.esp import EspKeys, read_esp_sa
from testbed.measure.packets import read_packets
from testbed.measure.pcapng_writer import PcapngWriter, sll2

ENCRYPTION = ["NULL", "AES-CBC [RFC3602]", "TripleDES-CBC [RFC2451]"]
AUTHENTICATION = ["HMAC-SHA-1-96 [RFC2404]", "HMAC-MD5-96 [RFC2403]"]
TEXT = sip("REGISTER", 2, more="Require: sec-agree, seamless-ims\r\n")


def association(encryption: str = "NULL", authentication: str = AUTHENTICATION[0], *, v6: bool = False) -> Sa:
    ends = ("fd01::2", "fd09::1") if v6 else ("10.1.0.2", "10.9.0.1")
    return Sa(*ends, 0xC0FFEE, encryption, authentication)


def sealed(sa: Sa, *, damaged: bool = False) -> bytes:
    return sa.seal(17, datagram(sa.source, 6101, sa.destination, 6102, TEXT), 7, damaged=damaged)


def write(folder: Path, sa: Sa, *packets: bytes) -> Path:
    (folder / "esp_sa").write_text("# keys of one run\n\n" + sa.line() + "\n")
    path = folder / "ue.pcapng"
    with PcapngWriter(path) as writer:
        for number, packet in enumerate(packets):
            writer.write(1_700_000_000_000_000_000 + number, sll2(packet, outgoing=True))
    return path


def opened(folder: Path, path: Path) -> list[Segment]:
    return list(segments(read_packets(path), read_esp_sa(folder / "esp_sa")))


def tshark(path: Path, sa: Sa, *fields: str) -> list[str]:
    options = ["esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE", f"uat:esp_sa:{sa.line()}"]
    command = ["tshark", "-n", "-r", str(path), "-d", "udp.port==6102,sip", "-T", "fields"]
    command += [part for option in options for part in ("-o", option)]
    command += [part for field in fields for part in ("-e", field)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("authentication", AUTHENTICATION)
@pytest.mark.parametrize("encryption", ENCRYPTION)
def test_what_is_inside_is_what_tshark_sees_inside(
    tmp_path: Path, encryption: str, authentication: str, v6: bool
) -> None:
    sa = association(encryption, authentication, v6=v6)
    path = write(tmp_path, sa, sealed(sa))
    (found,) = opened(tmp_path, path)
    assert found.payload == TEXT
    assert (found.source, found.source_port, found.destination, found.destination_port) == (
        sa.source, 6101, sa.destination, 6102,
    )  # fmt: skip
    assert (found.protected, found.spi, found.icv_ok, found.outgoing) == (True, 0xC0FFEE, True, True)
    assert tshark(path, sa, "sip.Method", "sip.CSeq.seq", "esp.icv_good") == ["REGISTER\t2\t1"]


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("authentication", AUTHENTICATION)
@pytest.mark.parametrize("encryption", ENCRYPTION)
def test_what_scapy_seals_is_opened(tmp_path: Path, encryption: str, authentication: str, v6: bool) -> None:
    """Somebody else's ESP, made by the RFCs and not by us."""
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.ipsec import ESP, SecurityAssociation
    from scapy.packet import Raw

    sa = association(encryption, authentication, v6=v6)
    crypt = {"NULL": "NULL", "AES-CBC": "AES-CBC", "TripleDES-CBC": "3DES"}[encryption.split()[0]]
    auth = {"HMAC-SHA-1-96": "HMAC-SHA1-96", "HMAC-MD5-96": "HMAC-MD5-96"}[authentication.split()[0]]
    keys = {"crypt_key": sa.encryption_key or None, "auth_key": sa.integrity_key}
    theirs = SecurityAssociation(ESP, spi=sa.spi, crypt_algo=crypt, auth_algo=auth, **keys)
    address = (IPv6 if v6 else IP)(src=sa.source, dst=sa.destination)
    packet = bytes(theirs.encrypt(address / UDP(sport=6101, dport=6102) / Raw(TEXT)))
    (found,) = opened(tmp_path, write(tmp_path, sa, packet))
    assert (found.payload, found.icv_ok, found.source_port) == (TEXT, True, 6101)


class Later(Sa):
    """The next association of the same name, with keys of its own."""

    @property
    def encryption_key(self) -> bytes:
        return super().encryption_key[::-1]

    @property
    def integrity_key(self) -> bytes:
        return super().integrity_key[::-1]


@pytest.mark.parametrize("encryption", ENCRYPTION)
def test_an_spi_that_is_given_again_is_opened_with_the_keys_of_its_time(tmp_path: Path, encryption: str) -> None:
    first = association(encryption)
    second = Later(first.source, first.destination, first.spi, encryption)
    path = write(tmp_path, first, sealed(first), sealed(second), sealed(first))
    (tmp_path / "esp_sa").write_text(f"{first.line()}\n{second.line()}\n")
    assert [(segment.payload, segment.icv_ok) for segment in opened(tmp_path, path)] == [(TEXT, True)] * 3


def test_a_wrong_check_value_is_told_and_the_packet_read_all_the_same(tmp_path: Path) -> None:
    sa = association()
    path = write(tmp_path, sa, sealed(sa, damaged=True))
    (found,) = opened(tmp_path, path)
    assert found.icv_ok is False
    assert found.payload == TEXT
    assert tshark(path, sa, "esp.icv_bad") == ["1"]


def test_without_its_key_a_packet_stays_closed(tmp_path: Path) -> None:
    sa = association("AES-CBC [RFC3602]")
    path = write(tmp_path, sa, sealed(sa))
    assert list(segments(read_packets(path), EspKeys())) == []
    other = Sa(sa.source, sa.destination, 0xBAD, sa.encryption)
    (tmp_path / "esp_sa").write_text(other.line())
    assert opened(tmp_path, path) == []


def test_no_sidecar_is_no_keys(tmp_path: Path) -> None:
    assert len(read_esp_sa(tmp_path / "esp_sa")) == 0


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        '"IPv4","a","b"',
        association().line().replace("10.9.0.1", "10.9.0"),
        association().line().replace("0x00c0ffee", "tea"),
        association().line().replace("NULL", "ROT13"),
        association("AES-CBC [RFC3602]").line().replace("0x000102", "0x00"),
        association().line().replace("0x0001", "0xzz"),
        "\x00\x00",
    ],
)
def test_a_line_that_is_no_association_is_named_by_its_number_and_its_keys_are_not_told(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "esp_sa"
    path.write_text(association().line() + "\n" + line + "\n")
    with pytest.raises(MeasurementInvalid) as raised:
        read_esp_sa(path)
    assert f"{path}:2" in str(raised.value)
    assert "0001020304" not in str(raised.value)


def test_an_association_never_shows_its_keys(tmp_path: Path) -> None:
    (tmp_path / "esp_sa").write_text(association("AES-CBC [RFC3602]").line())
    keys = read_esp_sa(tmp_path / "esp_sa")
    (sa,) = keys._by_spi.values()
    assert "0001" not in repr(sa)
    assert "keys hidden" in repr(sa)


@pytest.mark.parametrize("length", [0, 3, 7, 8, 9, 20, 21])
def test_a_packet_too_short_for_its_algorithm_stays_closed(tmp_path: Path, length: int) -> None:
    sa = association("AES-CBC [RFC3602]")
    whole = sealed(sa)
    cut = whole[:2] + (20 + length).to_bytes(2, "big") + whole[4 : 20 + length]
    assert opened(tmp_path, write(tmp_path, sa, cut)) == []
