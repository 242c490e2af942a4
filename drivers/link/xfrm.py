"""IPsec security associations and policies in the Linux kernel (XFRM) over netlink.

pyroute2 has no XFRM messages, so this module gives it the few that an IMS UE needs, as ``nlmsg`` classes (layout:
``include/uapi/linux/xfrm.h``).  Transport-mode ESP only, as TS 33.203 clause 7.1 asks.  The UE installs its
associations between two SIP messages of a measured handoff.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal

from pyroute2.netlink import NETLINK_XFRM, NLM_F_DUMP, nlmsg

from drivers.errors import DriverError
from drivers.link.netlink import Netlink, Request, attribute, encode

NEWSA, DELSA, GETSA, NEWPOLICY, DELPOLICY, GETPOLICY, ALLOCSPI = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16
UPDSA, FLUSHSA, FLUSHPOLICY = 0x1A, 0x1C, 0x1D
POLICY_IN, POLICY_OUT = 0, 1
ACTION_ALLOW, ACTION_BLOCK = 0, 1
MODE_TRANSPORT = 0
FOREVER = 2**64 - 1
GONE = (errno.ESRCH, errno.ENOENT)
EXISTS = (errno.EEXIST,)
LACKS_ESP = "the kernel lacks ESP or this algorithm: see `testbed doctor`"
PORTS_TAKEN = "if the same ports are in use by another association, take a new protected client port"
PROTECT_PRIORITY, SPARE_PRIORITY, BLOCK_PRIORITY = 1000, 3000, 4000  # the lower number wins; Kamailio's is 2080

# Names of the kernel's algorithms and the truncation of the integrity check value that ESP uses (RFC 2403, RFC 2404).
AUTHENTICATION = {"hmac-sha-1-96": ("hmac(sha1)", 96), "hmac-md5-96": ("hmac(md5)", 96)}
ENCRYPTION = {"null": "ecb(cipher_null)", "aes-cbc": "cbc(aes)", "des-ede3-cbc": "cbc(des3_ede)"}

_SELECTOR = (
    ("sel_daddr", "16s"),
    ("sel_saddr", "16s"),
    ("sel_dport", ">H"),
    ("sel_dport_mask", ">H"),
    ("sel_sport", ">H"),
    ("sel_sport_mask", ">H"),
    ("sel_family", "H"),
    ("sel_prefixlen_d", "B"),
    ("sel_prefixlen_s", "B"),
    ("sel_proto", "B"),
    ("sel_pad", "3s"),
    ("sel_ifindex", "i"),
    ("sel_user", "I"),
)
_LIFETIME = (
    *((f"{limit}_{unit}_limit", "Q") for unit in ("byte", "packet") for limit in ("soft", "hard")),
    ("soft_add_expires", "Q"),
    ("hard_add_expires", "Q"),
    ("soft_use_expires", "Q"),
    ("hard_use_expires", "Q"),
)
_CURRENT = (("cur_bytes", "Q"), ("cur_packets", "Q"), ("cur_add_time", "Q"), ("cur_use_time", "Q"))
_SA_INFO = (
    *_SELECTOR,
    ("id_daddr", "16s"),
    ("id_spi", ">I"),
    ("id_proto", "B"),
    ("id_pad", "3s"),
    ("saddr", "16s"),
    *_LIFETIME,
    *_CURRENT,
    ("stats_replay_window", "I"),
    ("stats_replay", "I"),
    ("stats_integrity_failed", "I"),
    ("seq", "I"),
    ("reqid", "I"),
    ("family", "H"),
    ("mode", "B"),
    ("replay_window", "B"),
    ("flags", "B"),
    ("pad", "7s"),
)


class _SaMessage(nlmsg):
    fields = _SA_INFO


class _SpiRequest(nlmsg):
    fields = (*_SA_INFO, ("min", "I"), ("max", "I"))


class _SaId(nlmsg):
    fields = (("daddr", "16s"), ("spi", ">I"), ("family", "H"), ("proto", "B"), ("pad", "1s"))


class _Policy(nlmsg):
    fields = (
        *_SELECTOR,
        *_LIFETIME,
        *_CURRENT,
        ("priority", "I"),
        ("index", "I"),
        ("dir", "B"),
        ("action", "B"),
        ("flags", "B"),
        ("share", "B"),
        ("pad", "4s"),
    )


class _PolicyId(nlmsg):
    fields = (*_SELECTOR, ("index", "I"), ("dir", "B"), ("pad", "3s"))


@dataclass(frozen=True)
class Selector:
    """Which packets: addresses and ports; a port of 0 means any, an address of None means any.

    A mask of less than 16 bits takes a whole block of ports, as a prefix does of addresses.
    """

    src: str | None
    dst: str | None
    src_port: int = 0
    dst_port: int = 0
    family: int = field(default=0)
    src_port_mask: int = 0xFFFF
    dst_port_mask: int = 0xFFFF

    def fields(self) -> dict[str, Any]:
        family = self.family or _family(self.src or self.dst or "")
        prefix = 32 if family == socket.AF_INET else 128
        return {
            "sel_daddr": _address(self.dst),
            "sel_saddr": _address(self.src),
            "sel_dport": self.dst_port,
            "sel_dport_mask": self.dst_port_mask if self.dst_port else 0,
            "sel_sport": self.src_port,
            "sel_sport_mask": self.src_port_mask if self.src_port else 0,
            "sel_family": family,
            "sel_prefixlen_d": prefix if self.dst else 0,
            "sel_prefixlen_s": prefix if self.src else 0,
        }


@dataclass(frozen=True)
class SecurityAssociation:
    """One unidirectional ESP association with the ports it protects.

    `auth` and `encr` are the names of TS 33.203 annex H (``hmac-sha-1-96``, ``aes-cbc``...); the keys are bytes.
    """

    src: str
    dst: str
    src_port: int
    dst_port: int
    spi: int
    direction: Literal["in", "out"]
    auth: str
    auth_key: bytes = field(repr=False)
    encr: str
    encr_key: bytes = field(repr=False)
    reqid: int = 0
    lifetime_s: int = 0  # 0: until deleted

    @property
    def selector(self) -> Selector:
        return Selector(self.src, self.dst, self.src_port, self.dst_port)


@dataclass(frozen=True)
class SaState:
    """What the kernel says of one association."""

    src: str
    dst: str
    spi: int
    reqid: int
    bytes: int
    packets: int
    integrity_failed: int


class Xfrm:
    """Associations and policies of the network namespace in which this object was made."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_XFRM, "XFRM")

    def close(self) -> None:
        self._netlink.close()

    def allocate_spi(self, src: str, dst: str, reqid: int, low: int = 0x1000, high: int = 0x7FFFFFFF) -> int:
        """Reserve an SPI for packets from `src` to our own address `dst`; the kernel holds it as a larval SA."""
        body = encode(
            _SpiRequest,
            family=_family(dst),
            id_daddr=_address(dst),
            saddr=_address(src),
            id_proto=socket.IPPROTO_ESP,
            mode=MODE_TRANSPORT,
            reqid=reqid,
            min=low,
            max=high,
        )
        # A larval SA that is never filled in is dropped by the kernel after net.core.xfrm_acq_expires (30 s).
        for kind, payload in self._netlink.exchange(ALLOCSPI, body, f"no SPI for {src} to {dst}"):
            if kind == NEWSA:
                return int(struct.unpack_from(">I", payload, 72)[0])
        raise DriverError("the kernel gave no SPI", where=f"XFRM {src} > {dst}")

    def add(self, sa: SecurityAssociation, *, allocated: bool = False) -> None:
        """Install an association; `allocated` when its SPI came from :meth:`allocate_spi`."""
        self._netlink.batch([self._addition(sa, allocated)])

    def install(self, associations: Sequence[SecurityAssociation], *, allocated: bool) -> None:
        """Install associations and the policies that send their packets through them, in one go.

        `allocated` says that the SPIs of the inward ones came from :meth:`allocate_spi`.
        """
        additions = [self._addition(sa, allocated and sa.direction == "in") for sa in associations]
        self._netlink.batch([*additions, *map(self._protection, associations)])

    def update(self, associations: Sequence[SecurityAssociation]) -> None:
        """Put other lifetimes in force, counted from when each was installed; keys and counters stay."""
        self._netlink.batch([self._addition(sa, allocated=True) for sa in associations])

    def _addition(self, sa: SecurityAssociation, allocated: bool) -> Request:
        auth_name, truncate = _known(AUTHENTICATION, sa.auth, "integrity")
        encr_name = _known(ENCRYPTION, sa.encr, "encryption")
        body = encode(
            _SaMessage,
            **sa.selector.fields(),
            **_limits(sa.lifetime_s),
            id_daddr=_address(sa.dst),
            id_spi=sa.spi,
            id_proto=socket.IPPROTO_ESP,
            saddr=_address(sa.src),
            reqid=sa.reqid,
            family=_family(sa.dst),
            mode=MODE_TRANSPORT,
            replay_window=32,
        )
        attributes = attribute(
            20, struct.pack("64sII", auth_name.encode(), 8 * len(sa.auth_key), truncate) + sa.auth_key
        )
        attributes += attribute(2, struct.pack("64sI", encr_name.encode(), 8 * len(sa.encr_key)) + sa.encr_key)
        what = f"SA 0x{sa.spi:08x} {sa.src} > {sa.dst} ({sa.auth}, {sa.encr}) was refused"
        return Request(UPDSA if allocated else NEWSA, body + attributes, what, mend=LACKS_ESP)

    def protect(self, sa: SecurityAssociation) -> None:
        """The policy that sends (or demands) the selector's packets through `sa`."""
        self._netlink.batch([self._protection(sa)])

    def _protection(self, sa: SecurityAssociation) -> Request:
        tmpl = struct.pack(
            "16sIB3xHxx16sIBBBxIII",
            _address(sa.dst),
            0,
            socket.IPPROTO_ESP,
            _family(sa.dst),
            _address(sa.src),
            sa.reqid,
            MODE_TRANSPORT,
            0,
            0,
            0xFFFFFFFF,
            0xFFFFFFFF,
            0xFFFFFFFF,
        )
        return self._policy(sa.selector, sa.direction, ACTION_ALLOW, PROTECT_PRIORITY, attribute(5, tmpl))

    def block(self, selectors: Sequence[Selector], direction: Literal["in", "out"] = "in") -> None:
        """Drop what reaches (or leaves) `selectors` without ESP: cleartext to a protected port is otherwise delivered.

        A selector that is blocked already stays so.
        """
        self._plain(selectors, direction, ACTION_BLOCK, BLOCK_PRIORITY)

    def spare(self, selectors: Sequence[Selector], direction: Literal["in", "out"]) -> None:
        """Let `selectors` through a block in the clear.  One that is spared already stays so."""
        self._plain(selectors, direction, ACTION_ALLOW, SPARE_PRIORITY)

    def _plain(self, selectors: Sequence[Selector], direction: str, action: int, priority: int) -> None:
        self._netlink.batch([self._policy(each, direction, action, priority, b"", EXISTS) for each in selectors])

    def remove(self, sa: SecurityAssociation) -> None:
        """Delete an association; one that is already gone is no error."""
        self.remove_spi(sa.dst, sa.spi)

    def remove_spi(self, dst: str, spi: int) -> None:
        body = encode(_SaId, daddr=_address(dst), spi=spi, family=_family(dst), proto=socket.IPPROTO_ESP)
        self._netlink.request(DELSA, body, f"SA 0x{spi:08x} could not be deleted", fine=GONE)

    def remove_policy(self, selector: Selector, direction: Literal["in", "out"]) -> None:
        body = encode(_PolicyId, **selector.fields(), dir=POLICY_IN if direction == "in" else POLICY_OUT)
        self._netlink.request(DELPOLICY, body, f"policy {selector} could not be deleted", fine=GONE)

    def associations(self) -> list[SaState]:
        """All associations of the namespace with their counters (bytes, packets, integrity failures)."""
        found = []
        for kind, data in self._netlink.exchange(GETSA, bytes(224), "associations could not be listed", NLM_F_DUMP):
            if kind != NEWSA:
                continue
            family = struct.unpack_from("H", data, 212)[0]
            size, spi = (4 if family == socket.AF_INET else 16), struct.unpack_from(">I", data, 72)[0]
            src, dst = str(ip_address(data[80 : 80 + size])), str(ip_address(data[56 : 56 + size]))
            octets, packets = struct.unpack_from("QQ", data, 160)
            failed, _, reqid = struct.unpack_from("III", data, 200)
            found.append(SaState(src, dst, spi, reqid, octets, packets, failed))
        return found

    def policy_count(self) -> int:
        """How many policies the namespace holds."""
        answers = self._netlink.exchange(GETPOLICY, bytes(64), "policies could not be listed", NLM_F_DUMP)
        return sum(1 for kind, _ in answers if kind == NEWPOLICY)

    def _policy(
        self,
        selector: Selector,
        direction: str,
        action: int,
        priority: int,
        attributes: bytes,
        fine: tuple[int, ...] = (),
    ) -> Request:
        body = encode(
            _Policy,
            **selector.fields(),
            **_limits(0),
            priority=priority,
            action=action,
            dir=POLICY_IN if direction == "in" else POLICY_OUT,
        )
        what = f"policy {direction} {selector} was refused"
        return Request(NEWPOLICY, body + attributes, what, fine=fine, mend=PORTS_TAKEN)


def _limits(lifetime_s: int) -> dict[str, Any]:
    unlimited: dict[str, Any] = {name: FOREVER for name, _ in _LIFETIME[:4]}
    return unlimited | {"hard_add_expires": lifetime_s}


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _address(address: str | None) -> bytes:
    return ip_address(address).packed.ljust(16, b"\0") if address else bytes(16)


def _known(table: dict[str, Any], name: str, kind: str) -> Any:
    if name not in table:
        raise DriverError(f"{kind} algorithm {name!r} is not known", where="XFRM", mend=f"one of {', '.join(table)}")
    return table[name]
