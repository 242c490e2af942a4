"""ESP in a capture opened for reading (RFC 4303), with the keys of a run's `captures/esp_sa`.

Transport mode with the algorithms of TS 33.203 annex H: HMAC-MD5-96 (RFC 2403), HMAC-SHA-1-96 (RFC 2404), and no
encryption (RFC 2410), AES-CBC (RFC 3602) or 3DES-CBC (RFC 2451).  scapy does this too; it takes a second to import,
several on a guest kernel, and rewrites the packet that it is given.
"""

from __future__ import annotations

import csv
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.errors import MeasurementInvalid
from testbed.measure.packets import address_key

HEADER = 8  # SPI, sequence number


class _Cipher(Protocol):
    def __call__(self, key: bytes, vector: bytes, text: bytes) -> bytes: ...


def _aes_cbc(key: bytes, vector: bytes, text: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    opened = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    return opened.update(text) + opened.finalize()


def _des_ede3_cbc(key: bytes, vector: bytes, text: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    opened = Cipher(TripleDES(key), modes.CBC(vector)).decryptor()
    return opened.update(text) + opened.finalize()


# Wireshark's name, up to its RFC -> (digest, bytes of ICV); None where there is no integrity
AUTHENTICATION: dict[str, tuple[str | None, int]] = {
    "NULL": (None, 0),
    "HMAC-MD5-96": ("md5", 12),
    "HMAC-SHA-1-96": ("sha1", 12),
    "HMAC-SHA-256-128": ("sha256", 16),
}
# -> (cipher, bytes of initialization vector, bytes of block)
ENCRYPTION: dict[str, tuple[_Cipher | None, int, int]] = {
    "NULL": (None, 0, 4),
    "AES-CBC": (_aes_cbc, 16, 16),
    "TripleDES-CBC": (_des_ede3_cbc, 8, 8),
}
KEY_BYTES = {"NULL": range(64), "AES-CBC": (16, 24, 32), "TripleDES-CBC": (24,)}


@dataclass(frozen=True)
class EspSa:
    """One security association, one line of `esp_sa`.  Its text holds keys and belongs in that file only."""

    destination: str
    spi: int
    encryption: str
    encryption_key: bytes
    authentication: str
    authentication_key: bytes

    def __repr__(self) -> str:
        return f"EspSa({self.destination}, 0x{self.spi:08x}, {self.encryption}, {self.authentication}, keys hidden)"


@dataclass(frozen=True)
class Opened:
    """An ESP packet opened: the packet inside, and whether its integrity check value is right."""

    next_header: int
    payload: bytes
    spi: int
    icv_ok: bool


class EspKeys:
    """The associations of a run, found by destination and SPI.

    A receiver gives an SPI again once its association is gone (RFC 4303 2.1), so that in a long run several may answer
    to one name: the integrity check tells which it was.
    """

    def __init__(self, associations: list[EspSa] | None = None) -> None:
        self._by_spi: dict[tuple[tuple[int, int], int], list[EspSa]] = {}
        for sa in associations or []:
            self._by_spi.setdefault((address_key(sa.destination), sa.spi), []).insert(0, sa)

    def __len__(self) -> int:
        return len(self._by_spi)

    def open(self, destination: tuple[int, int], packet: bytes) -> Opened | None:
        """Open an ESP packet (from its SPI on) sent to this address.  None: no key for it, or not to be opened."""
        found = self._by_spi.get((destination, int.from_bytes(packet[:4], "big")), [])
        opened = [one for sa in found if (one := _open(sa, packet))]
        return next((one for one in opened if one.icv_ok), opened[0] if opened else None)


def _open(sa: EspSa, packet: bytes) -> Opened | None:
    digest, icv_length = AUTHENTICATION[sa.authentication]
    cipher, vector_length, block = ENCRYPTION[sa.encryption]
    body_end = len(packet) - icv_length
    body = packet[HEADER + vector_length : body_end]
    if len(body) < 2 or len(body) % block:
        return None
    icv_ok = digest is None or hmac.compare_digest(
        hmac.digest(sa.authentication_key, packet[:body_end], digest)[:icv_length], packet[body_end:]
    )
    if cipher is not None:
        body = cipher(sa.encryption_key, packet[HEADER : HEADER + vector_length], body)
    padding, next_header = body[-2], body[-1]
    if padding + 2 > len(body):
        return None  # a wrong key
    return Opened(next_header, body[: len(body) - 2 - padding], sa.spi, icv_ok)


def read_esp_sa(path: Path) -> EspKeys:
    """The sidecar's associations; none where there is no sidecar.  MeasurementInvalid names a line it cannot read."""
    if not path.exists():
        return EspKeys()
    associations = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise MeasurementInvalid(f"the keys cannot be read: {error.strerror}", where=str(path)) from error
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            try:
                associations.append(_association(next(csv.reader([line]))))
            except (ValueError, IndexError, csv.Error) as error:
                raise MeasurementInvalid(
                    f"not a security association: {type(error).__name__}",
                    where=f"{path}:{number}",
                    mend='one is "IPv4|IPv6","SRC","DST","0xSPI","ENCRYPTION","0xKEY","AUTHENTICATION","0xKEY"',
                ) from None  # the error's text may quote a key
    return EspKeys(associations)


def _association(cells: list[str]) -> EspSa:
    encryption, authentication = cells[4].split(" ")[0], cells[6].split(" ")[0]
    if encryption not in ENCRYPTION or authentication not in AUTHENTICATION:
        raise ValueError
    address_key(cells[2])
    encryption_key = _key(cells[5])
    if len(encryption_key) not in KEY_BYTES[encryption]:
        raise ValueError
    return EspSa(cells[2], int(cells[3], 16), encryption, encryption_key, authentication, _key(cells[7]))


def _key(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
