"""128-EEA2 and 128-EIA2 (3GPP TS 33.401 annex B): AES in counter mode, and AES-CMAC.

`count` is the NAS COUNT, `direction` 0 for uplink and 1 for downlink; `bearer` is 0 for NAS.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

UPLINK, DOWNLINK = 0, 1
EEA0, EEA2, EIA2 = 0, 2, 2


def eea2(key: bytes, count: int, bearer: int, direction: int, data: bytes) -> bytes:
    """Cipher or decipher (B.1.3)."""
    counter = count.to_bytes(4, "big") + bytes((bearer << 3 | direction << 2,)) + bytes(11)
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def eia2(key: bytes, count: int, bearer: int, direction: int, data: bytes) -> bytes:
    """The message authentication code, four octets (B.2.3)."""
    cmac = CMAC(algorithms.AES(key))
    cmac.update(count.to_bytes(4, "big") + bytes((bearer << 3 | direction << 2,)) + bytes(3) + data)
    return cmac.finalize()[:4]
