"""A one-to-one SCTP association by Python's own sockets (RFC 6458): messages with payload protocol and stream."""

from __future__ import annotations

import contextlib
import socket
import struct

from drivers.virtual.ran.errors import CoreGone

_SOL_SCTP = socket.IPPROTO_SCTP
_SCTP_INITMSG, _SCTP_NODELAY, _SCTP_DELAYED_SACK = 2, 3, 16
_SCTP_SNDRCV = 1  # ancillary data: struct sctp_sndrcvinfo
_SNDRCVINFO = struct.Struct("=HHHxxIIIIIi")  # stream, ssn, flags, ppid, context, time to live, tsn, cumtsn, id
_MSG_NOTIFICATION = 0x8000
_STREAMS = 2
MAX_MESSAGE = 65536


class Association:
    """A message at a time.  `ppid` is what every message is sent with."""

    def __init__(self, ppid: int) -> None:
        """Raises CoreGone where the kernel has no SCTP."""
        self._ppid = ppid
        try:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
        except OSError as missing:
            mend = "modprobe sctp, or run with --kernel uml"
            raise CoreGone(f"the kernel has no SCTP: {missing.strerror}", where="S1", mend=mend) from missing
        self.socket.setsockopt(_SOL_SCTP, _SCTP_INITMSG, struct.pack("=HHHH", _STREAMS, _STREAMS, 0, 0))
        self.socket.setsockopt(_SOL_SCTP, _SCTP_NODELAY, 1)
        # Each packet is acknowledged at once: an MME that waits for it before it sends on would cost 200 ms.
        self.socket.setsockopt(_SOL_SCTP, _SCTP_DELAYED_SACK, struct.pack("=iII", 0, 0, 1))
        self.socket.setblocking(False)

    def send(self, data: bytes, stream: int = 0) -> None:
        info = _SNDRCVINFO.pack(stream, 0, 0, socket.htonl(self._ppid), 0, 0, 0, 0, 0)
        try:
            self.socket.sendmsg([data], [(_SOL_SCTP, _SCTP_SNDRCV, info)])
        except OSError as failed:
            raise CoreGone(f"cannot be sent: {failed.strerror}", where="SCTP association") from failed

    def receive(self) -> bytes | None:
        """The next message; None where there is none yet, b"" at the association's end."""
        try:
            data, _, flags, _ = self.socket.recvmsg(MAX_MESSAGE)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        return None if flags & _MSG_NOTIFICATION else data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()
