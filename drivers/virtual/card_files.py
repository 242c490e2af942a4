"""The files of a virtual card: what a UICC with a USIM and an ISIM holds, as far as an IMS UE reads it.

ETSI TS 102 221 13 (MF), 3GPP TS 31.102 4.2 (USIM), TS 31.103 4.2 (ISIM).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

USIM_AID = bytes.fromhex("A0000000871002FFFFFFFF8907030000")
ISIM_AID = bytes.fromhex("A0000000871004FFFFFFFF8907030000")
MF, CURRENT_ADF, EF_DIR, EF_ICCID = 0x3F00, 0x7FFF, 0x2F00, 0x2FE2
EF_IMSI, EF_AD = 0x6F07, 0x6FAD  # USIM
EF_IMPI, EF_DOMAIN, EF_IMPU = 0x6F02, 0x6F03, 0x6F04  # ISIM


@dataclass(frozen=True)
class Subscription:
    """What the operator wrote on the card, but for the keys.  `pin` "" stands for a card without one."""

    imsi: str
    iccid: str
    impi: str = ""  # with neither impi nor impus there is no ISIM on the card
    impus: tuple[str, ...] = ()
    domain: str = ""
    mnc_digits: int = 2
    pin: str = ""
    puk: str = "12345678"

    @property
    def has_isim(self) -> bool:
        return bool(self.impi)


@dataclass(frozen=True)
class TransparentFile:
    """A file that is a run of bytes (TS 102 221 8.2.2.1); `open` ones are read without the PIN."""

    number: int
    body: bytes
    open: bool = False

    def fcp(self) -> bytes:
        """What SELECT tells of it (TS 102 221 11.1.1.3)."""
        size = tlv(0x80, len(self.body).to_bytes(2, "big"))
        return tlv(0x62, tlv(0x82, b"\x41\x21") + tlv(0x83, self.number.to_bytes(2, "big")) + size)


@dataclass(frozen=True)
class RecordFile:
    """A file of records, all of them of one length (TS 102 221 8.2.2.2)."""

    number: int
    records: tuple[bytes, ...]
    open: bool = False

    def fcp(self) -> bytes:
        length = len(self.records[0])
        shape = b"\x42\x21" + length.to_bytes(2, "big") + bytes((len(self.records),))
        size = tlv(0x80, (length * len(self.records)).to_bytes(2, "big"))
        return tlv(0x62, tlv(0x82, shape) + tlv(0x83, self.number.to_bytes(2, "big")) + size)


File = TransparentFile | RecordFile


@dataclass(frozen=True)
class Application:
    """An application of the card and its files."""

    aid: bytes
    files: Mapping[int, File]

    def fcp(self) -> bytes:
        return tlv(0x62, tlv(0x82, b"\x78\x21") + tlv(0x84, self.aid))


def tlv(tag: int, value: bytes) -> bytes:
    """A BER-TLV object with a tag of one byte (ISO/IEC 8825-1; TS 101 220 7.1)."""
    length = bytes((len(value),)) if len(value) < 0x80 else bytes((0x81, len(value)))
    return bytes((tag,)) + length + value


def master_file(subscription: Subscription) -> Application:
    """MF: the card's number, and the list of its applications."""
    entries = [_entry(USIM_AID, "USIM")] + ([_entry(ISIM_AID, "ISIM")] if subscription.has_isim else [])
    number = TransparentFile(EF_ICCID, swapped(subscription.iccid.ljust(20, "F")), open=True)
    return Application(b"", {EF_ICCID: number, EF_DIR: RecordFile(EF_DIR, _padded(entries), open=True)})


def usim(subscription: Subscription) -> Application:
    """USIM: IMSI, and how many digits of it are the MNC (TS 31.102 4.2.2, 4.2.18)."""
    digits = subscription.imsi
    # The first nibble is 9 where the number of digits is odd, 1 where it is even.
    coded = swapped(("9" if len(digits) % 2 else "1") + digits + ("" if len(digits) % 2 else "F"))
    imsi = bytes((len(coded),)) + coded.ljust(8, b"\xff")
    administrative = bytes((0, 0, 0, subscription.mnc_digits))
    files = (TransparentFile(EF_IMSI, imsi), TransparentFile(EF_AD, administrative, open=True))
    return Application(USIM_AID, {file.number: file for file in files})


def isim(subscription: Subscription) -> Application:
    """ISIM: private identity, home network's domain, public identities (TS 31.103 4.2.2 to 4.2.4)."""
    impus = _padded([tlv(0x80, impu.encode()) for impu in subscription.impus] or [tlv(0x80, b"")])
    files: Sequence[File] = (
        TransparentFile(EF_IMPI, tlv(0x80, subscription.impi.encode())),
        TransparentFile(EF_DOMAIN, tlv(0x80, subscription.domain.encode())),
        RecordFile(EF_IMPU, impus),
    )
    return Application(ISIM_AID, {file.number: file for file in files})


def swapped(digits: str) -> bytes:
    """Digits two to a byte, the first in the lower half (TS 24.008 10.5.1.4)."""
    return bytes(int(digits[index + 1] + digits[index], 16) for index in range(0, len(digits), 2))


def _entry(aid: bytes, label: str) -> bytes:
    """An application template of EF_DIR (TS 102 221 13.1)."""
    return tlv(0x61, tlv(0x4F, aid) + tlv(0x50, label.encode()))


def _padded(records: Sequence[bytes]) -> tuple[bytes, ...]:
    length = max(map(len, records))
    return tuple(record.ljust(length, b"\xff") for record in records)
