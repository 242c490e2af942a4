"""IPsec security associations and policies in the Linux kernel (XFRM) over netlink.

pyroute2 has no XFRM messages, so this module gives it the few that an IMS UE needs, as ``nlmsg`` classes (layout:
``include/uapi/linux/xfrm.h``).  Transport-mode ESP only, as TS 33.203 clause 7.1 asks.  The socket is a plain blocking
one: a request is answered by the kernel within microseconds, and the UE installs its associations between two SIP
messages of a measured handoff.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal, Self

from pyroute2.netlink import NETLINK_XFRM, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, nlmsg

from drivers.errors import DriverError

NEWSA, DELSA, GETSA, NEWPOLICY, DELPOLICY, GETPOLICY, ALLOCSPI = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16
UPDSA, FLUSHSA, FLUSHPOLICY = 0x1A, 0x1C, 0x1D
POLICY_IN, POLICY_OUT = 0, 1
ACTION_ALLOW, ACTION_BLOCK = 0, 1
MODE_TRANSPORT = 0
FOREVER = 2**64 - 1
NLMSG_ERROR, NLMSG_DONE = 2, 3
PROTECT_PRIORITY, BLOCK_PRIORITY = 1000, 4000  # the lower number wins

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
    """Which packets: addresses and ports; a port of 0 means any, an address of None means any."""

    src: str | None
    dst: str | None
    src_port: int = 0
    dst_port: int = 0
    family: int = field(default=0)

    def fields(self) -> dict[str, Any]:
        family = self.family or _family(self.src or self.dst or "")
        prefix = 32 if family == socket.AF_INET else 128
        return {
            "sel_daddr": _address(self.dst),
            "sel_saddr": _address(self.src),
            "sel_dport": self.dst_port,
            "sel_dport_mask": 0xFFFF if self.dst_port else 0,
            "sel_sport": self.src_port,
            "sel_sport_mask": 0xFFFF if self.src_port else 0,
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
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_XFRM)
        self._socket.bind((0, 0))
        self._socket.settimeout(2.0)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def allocate_spi(self, src: str, dst: str, reqid: int, low: int = 0x1000, high: int = 0x7FFFFFFF) -> int:
        """Reserve an SPI for packets from `src` to our own address `dst`; the kernel holds it as a larval SA."""
        body = _encode(
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
        for kind, payload in self._exchange(ALLOCSPI, body, f"no SPI for {src} to {dst}"):
            if kind == NEWSA:
                return int(struct.unpack_from(">I", payload, 72)[0])
        raise DriverError("the kernel gave no SPI", where=f"XFRM {src} > {dst}")

    def add(self, sa: SecurityAssociation, *, allocated: bool = False) -> None:
        """Install an association; `allocated` when its SPI came from :meth:`allocate_spi`."""
        auth_name, truncate = _known(AUTHENTICATION, sa.auth, "integrity")
        encr_name = _known(ENCRYPTION, sa.encr, "encryption")
        body = _encode(
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
        attributes = _attribute(
            20, struct.pack("64sII", auth_name.encode(), 8 * len(sa.auth_key), truncate) + sa.auth_key
        )
        attributes += _attribute(2, struct.pack("64sI", encr_name.encode(), 8 * len(sa.encr_key)) + sa.encr_key)
        what = f"SA 0x{sa.spi:08x} {sa.src} > {sa.dst} ({sa.auth}, {sa.encr}) was refused"
        self._request(UPDSA if allocated else NEWSA, body + attributes, what)

    def protect(self, sa: SecurityAssociation) -> None:
        """The policy that sends (or demands) the selector's packets through `sa`."""
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
        self._policy(sa.selector, sa.direction, ACTION_ALLOW, PROTECT_PRIORITY, _attribute(5, tmpl))

    def block(self, selector: Selector) -> None:
        """Drop what reaches `selector` without ESP: cleartext to a protected port is otherwise delivered."""
        self._policy(selector, "in", ACTION_BLOCK, BLOCK_PRIORITY, b"")

    def remove(self, sa: SecurityAssociation) -> None:
        """Delete an association; one that is already gone is no error."""
        self.remove_spi(sa.dst, sa.spi)

    def remove_spi(self, dst: str, spi: int) -> None:
        body = _encode(_SaId, daddr=_address(dst), spi=spi, family=_family(dst), proto=socket.IPPROTO_ESP)
        self._request(DELSA, body, f"SA 0x{spi:08x} could not be deleted", gone_is_fine=True)

    def remove_policy(self, selector: Selector, direction: Literal["in", "out"]) -> None:
        body = _encode(_PolicyId, **selector.fields(), dir=POLICY_IN if direction == "in" else POLICY_OUT)
        self._request(DELPOLICY, body, f"policy {selector} could not be deleted", gone_is_fine=True)

    def associations(self) -> list[SaState]:
        """All associations of the namespace with their counters (bytes, packets, integrity failures)."""
        found = []
        for kind, data in self._exchange(GETSA, bytes(224), "associations could not be listed", NLM_F_DUMP):
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
        answers = self._exchange(GETPOLICY, bytes(64), "policies could not be listed", NLM_F_DUMP)
        return sum(1 for kind, _ in answers if kind == NEWPOLICY)

    def _policy(self, selector: Selector, direction: str, action: int, priority: int, attributes: bytes) -> None:
        body = _encode(
            _Policy,
            **selector.fields(),
            **_limits(0),
            priority=priority,
            action=action,
            dir=POLICY_IN if direction == "in" else POLICY_OUT,
        )
        self._request(NEWPOLICY, body + attributes, f"policy {direction} {selector} was refused")

    def _request(self, kind: int, body: bytes, what: str, *, gone_is_fine: bool = False) -> None:
        for _ in self._exchange(kind, body, what, NLM_F_ACK, gone_is_fine=gone_is_fine):
            pass

    def _exchange(
        self, kind: int, body: bytes, what: str, flags: int = 0, *, gone_is_fine: bool = False
    ) -> Iterator[tuple[int, bytes]]:
        """Send one request and yield its answers as (message type, payload) until the kernel is done."""
        self._sequence += 1
        header = struct.pack("IHHII", 16 + len(body), kind, NLM_F_REQUEST | flags, self._sequence, 0)
        self._socket.send(header + body)
        while True:
            for answer, sequence, payload in _messages(self._socket.recv(1 << 17)):
                if sequence != self._sequence:
                    continue
                if answer == NLMSG_ERROR:
                    self._check(-struct.unpack_from("i", payload)[0], what, gone_is_fine)
                    return
                if answer == NLMSG_DONE:
                    return
                yield answer, payload
                if not flags:  # a plain request has one answer and no acknowledgement
                    return

    @staticmethod
    def _check(code: int, what: str, gone_is_fine: bool) -> None:
        if code == 0 or (gone_is_fine and code in (errno.ESRCH, errno.ENOENT)):
            return
        mends = {
            errno.EPERM: "it needs CAP_NET_ADMIN: run as root or with --kernel uml",
            errno.EEXIST: "the same ports are in use by another association: take a new protected client port",
            errno.ENOSYS: "the kernel lacks this algorithm or ESP: see `testbed doctor`",
            errno.EPROTONOSUPPORT: "the kernel lacks ESP: see `testbed doctor`",
        }
        raise DriverError(f"{what}: {os.strerror(code)}", where="XFRM", mend=mends.get(code))


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    while offset + 16 <= len(data):
        length, kind, _, sequence, _ = struct.unpack_from("IHHII", data, offset)
        if length < 16:
            return
        yield kind, sequence, data[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def _encode(kind: type[nlmsg], **values: Any) -> bytes:
    """The message's fields as the kernel reads them, without the netlink header that :meth:`_exchange` adds."""
    message = kind()
    for name, form in kind.fields:
        message[name] = values.get(name, b"" if form.endswith("s") else 0)
    message.encode()
    return bytes(message.data[16:])


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _limits(lifetime_s: int) -> dict[str, int]:
    unlimited = {name: FOREVER for name, _ in _LIFETIME[:4]}
    return unlimited | {"hard_add_expires": lifetime_s}


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _address(address: str | None) -> bytes:
    return ip_address(address).packed.ljust(16, b"\0") if address else bytes(16)


def _known(table: dict[str, Any], name: str, kind: str) -> Any:
    if name not in table:
        raise DriverError(f"{kind} algorithm {name!r} is not known", where="XFRM", mend=f"one of {', '.join(table)}")
    return table[name]
