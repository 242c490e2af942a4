"""Whose fault it is: errors of the pure protocol code, which knows nothing of the rest of the project."""

from __future__ import annotations


class SipError(Exception):
    """Root of the protocol's errors: what, where (a header, a clause), and the mend if there is one."""

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what, self.where, self.mend = what, where, mend
        text = f"{where}: {what}" if where else what
        super().__init__(f"{text} ({mend})" if mend else text)


class OurFault(SipError):
    """This program asked for something that the protocol does not allow."""


class PeerFault(SipError):
    """The other end did something that the protocol does not allow."""


class ParseError(PeerFault):
    """Bytes that are no SIP message.  `status` is what a server would answer (RFC 3261 21.4)."""

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None, status: int = 400) -> None:
        super().__init__(what, where=where, mend=mend)
        self.status = status

    @property
    def reason(self) -> str:
        return self.what
