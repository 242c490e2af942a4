"""G.711 mu-law (ITU-T G.711) and the RTP packets that carry it (RFC 3550, RFC 3551 payload type 0)."""

from __future__ import annotations

import math
import struct

PAYLOAD_TYPE = 0
SAMPLE_RATE = 8000
PTIME_MS = 20
SAMPLES = SAMPLE_RATE * PTIME_MS // 1000  # per packet; with G.711 also the octets per packet
_BIAS, _CLIP = 0x84, 32635


def mu_law(sample: int) -> int:
    """One 16-bit linear sample as a mu-law octet."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def tone(frequency_hz: int = 400, level: int = 8000) -> list[bytes]:
    """One second of a tone, cut into packets' payloads: something audible for whoever plays a capture."""
    wave = bytes(
        mu_law(int(level * math.sin(2 * math.pi * frequency_hz * n / SAMPLE_RATE))) for n in range(SAMPLE_RATE)
    )
    return [wave[start : start + SAMPLES] for start in range(0, SAMPLE_RATE, SAMPLES)]


def packet(sequence: int, ssrc: int, timestamp: int, payload: bytes, *, marker: bool = False) -> bytes:
    """An RTP packet; `sequence` and `timestamp` may count on for ever, the wire sees them modulo 2^16 and 2^32."""
    second = PAYLOAD_TYPE | (0x80 if marker else 0)
    return struct.pack(">BBHII", 0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload
