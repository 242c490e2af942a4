"""The UE's half of the security associations of an IMS connection (TS 33.203 7), carried out in the kernel."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace

from drivers.link.xfrm import SecurityAssociation, Selector, Xfrm
from testbed.ims.secagree import SaSet, SecurityMechanism, choose, sa_set

GRACE_S = 30  # an association outlives the registration by this much (TS 33.203 7.4)
_reqids = itertools.count(0x1000)


class SecuritySet:
    """One offer of ours and, once answered, its four associations and their policies.

    `offer` goes into Security-Client, `verify` (the server's own text) into Security-Verify.
    """

    def __init__(self, xfrm: Xfrm, ue: str, pcscf: str, ports: tuple[int, int], alg: str, ealg: str) -> None:
        self._xfrm, self._ue, self._pcscf = xfrm, ue, pcscf
        self._reqid = next(_reqids)
        self.port_c, self.port_s = ports
        spi_c, spi_s = (xfrm.allocate_spi(pcscf, ue, self._reqid) for _ in range(2))
        self.offer = SecurityMechanism(
            alg=alg, ealg=ealg, spi_c=spi_c, spi_s=spi_s, port_c=self.port_c, port_s=self.port_s
        )
        self.server: SecurityMechanism | None = None
        self.verify: list[str] = []
        self.associations: list[SecurityAssociation] = []
        self._installed = 0.0
        self._reserved = True  # the kernel holds our two SPIs by associations without keys

    @property
    def spis(self) -> list[int]:
        return [sa.spi for sa in self.associations]

    def block(self) -> None:
        """From now on nothing reaches our protected ports without ESP; may be done while the offer is on its way.

        Another set of the same connection shares port-s, whose block then stands already.
        """
        self._xfrm.block([Selector(None, self._ue, 0, port) for port in (self.port_c, self.port_s)])

    def extend(self, lifetime_s: int) -> None:
        """Let the associations live for `lifetime_s` from now on, and the grace beyond it."""
        age = math.ceil(time.monotonic() - self._installed)
        self.associations = [replace(sa, lifetime_s=age + lifetime_s + GRACE_S) for sa in self.associations]
        self._xfrm.update(self.associations)

    def install(self, servers: list[SecurityMechanism], ck: bytes, ik: bytes, lifetime_s: int) -> None:
        """Answered: install what was agreed.  Raises NoCommonMechanism, or DriverError from the kernel."""
        server, client = choose(servers, [self.offer])
        self.server, self.verify = server, [str(mechanism) for mechanism in servers]
        agreed = sa_set(self._ue, self._pcscf, client, server, ck, ik)
        self.associations = self._describe(agreed, lifetime_s + GRACE_S)
        self._xfrm.install(self.associations, allocated=self._reserved)
        self._reserved = False
        self._installed = time.monotonic()

    def _describe(self, agreed: SaSet, lifetime_s: int) -> list[SecurityAssociation]:
        return [
            SecurityAssociation(
                spec.src,
                spec.dst,
                spec.src_port,
                spec.dst_port,
                spec.spi,
                spec.direction.value,
                spec.auth,
                spec.auth_key,
                spec.enc,
                spec.enc_key,
                self._reqid,
                lifetime_s,
            )
            for spec in agreed
        ]

    def remove(self, *, keep_server_port: bool = False) -> None:
        """Delete associations and policies; what was never answered leaves only its two reserved SPIs."""
        if self._reserved:
            for spi in (self.offer.spi_c, self.offer.spi_s):
                self._xfrm.remove_spi(self._ue, spi or 0)
        for sa in self.associations:
            self._xfrm.remove_policy(sa.selector, sa.direction)
            self._xfrm.remove(sa)
        for port in (self.port_c,) if keep_server_port else (self.port_c, self.port_s):
            self._xfrm.remove_policy(Selector(None, self._ue, 0, port), "in")
        self.associations = []

    def esp_sa_lines(self) -> list[str]:
        """The associations as Wireshark's `esp_sa` table has them: with keys, for the decryption sidecar only."""
        encr = {"null": "NULL", "aes-cbc": "AES-CBC [RFC3602]", "des-ede3-cbc": "TripleDES-CBC [RFC2451]"}
        auth = {"hmac-sha-1-96": "HMAC-SHA-1-96 [RFC2404]", "hmac-md5-96": "HMAC-MD5-96 [RFC2403]"}
        lines = []
        for sa in self.associations:
            protocol = "IPv6" if ":" in sa.dst else "IPv4"
            keys = [f"0x{key.hex()}" if key else "" for key in (sa.encr_key, sa.auth_key)]
            cells = [protocol, sa.src, sa.dst, f"0x{sa.spi:08x}", encr[sa.encr], keys[0], auth[sa.auth], keys[1]]
            lines.append(",".join(f'"{cell}"' for cell in cells))
        return lines
