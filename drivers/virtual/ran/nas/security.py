"""The EPS NAS security context of a UE: counts, protection, verification (3GPP TS 24.301 4.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest

from drivers.virtual.ran.errors import IntegrityFailure, PeerFault
from drivers.virtual.ran.nas import keys
from drivers.virtual.ran.nas.algorithms import DOWNLINK, EEA2, EIA2, UPLINK, eea2, eia2
from drivers.virtual.ran.nas.wire import EPS_MOBILITY_MANAGEMENT

# Security header types (9.3.1)
PLAIN, INTEGRITY, CIPHERED, NEW_CONTEXT, CIPHERED_NEW_CONTEXT, SERVICE_REQUEST = 0, 1, 2, 3, 4, 12
_OVERFLOW = 1 << 24


def header_type(data: bytes) -> int:
    """What protects a message; an ESM message that bears no header is plain."""
    return data[0] >> 4 if data and data[0] & 0xF == EPS_MOBILITY_MANAGEMENT else PLAIN


@dataclass
class SecurityContext:
    """Keys and counts.  `key_set` is the identifier that the MME gave; algorithms are 0, 2 or what else it chose."""

    key_set: int
    kasme: bytes = field(repr=False)
    ciphering: int = 0
    integrity: int = EIA2
    uplink_count: int = 0
    downlink_count: int = 0  # of the next one that is expected

    def protect(self, data: bytes, header: int = CIPHERED) -> bytes:
        """A message with its security header; its count goes up.  Any of the header types 1, 2 and 4."""
        count = self._next_uplink()
        if header in (CIPHERED, CIPHERED_NEW_CONTEXT):
            data = self._cipher(count, UPLINK, data)
        body = bytes((count & 0xFF,)) + data
        return bytes((header << 4 | EPS_MOBILITY_MANAGEMENT,)) + self._mac(count, UPLINK, body) + body

    def service_request(self) -> bytes:
        """A SERVICE REQUEST, which has a header and a short code of its own (8.2.25)."""
        count = self._next_uplink()
        head = bytes((SERVICE_REQUEST << 4 | EPS_MOBILITY_MANAGEMENT, self.key_set << 5 | count & 0x1F))
        return head + self._mac(count, UPLINK, head)[2:]

    def open(self, data: bytes) -> bytes:
        """The plain message within a protected one of the network.

        Raises IntegrityFailure; then nothing has changed.
        """
        if len(data) < 8:
            raise PeerFault(f"a protected NAS message of {len(data)} octets", where="TS 24.301 9.1")
        count = self.downlink_count & ~0xFF | data[5]
        if count < self.downlink_count:
            count += 0x100
        if not compare_digest(self._mac(count, DOWNLINK, data[5:]), data[1:5]):
            raise IntegrityFailure("the message authentication code is wrong", where=f"NAS message, count {count}")
        self.downlink_count = count + 1
        ciphered = header_type(data) in (CIPHERED, CIPHERED_NEW_CONTEXT)
        return self._cipher(count, DOWNLINK, data[6:]) if ciphered else data[6:]

    def _next_uplink(self) -> int:
        count = self.uplink_count
        self.uplink_count = (count + 1) % _OVERFLOW
        return count

    def _cipher(self, count: int, direction: int, data: bytes) -> bytes:
        if self.ciphering != EEA2:
            return data
        key = keys.algorithm_key(self.kasme, keys.NAS_ENCRYPTION, self.ciphering)
        return eea2(key, count, 0, direction, data)

    def _mac(self, count: int, direction: int, data: bytes) -> bytes:
        key = keys.algorithm_key(self.kasme, keys.NAS_INTEGRITY, self.integrity)
        return eia2(key, count, 0, direction, data)
