"""An IMS connection: an authenticated, protected path from the UE over one IP-CAN through a P-CSCF to the S-CSCF.

C1-062198 clause 2: a UE may have several at once.  Each has its own contact, P-CSCF, security associations, Path and
Service-Route, and is *active*, or *inactive* once it has sessions but no bindings any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from drivers.link.xfrm import Xfrm
from testbed.errors import ProductFailure
from testbed.ims.gruu import Gruus
from testbed.ims.headers import NameAddr, Via
from testbed.ims.message import Request, Response
from testbed.ue.config import AccessPoint, UeConfig
from testbed.ue.security import SecuritySet
from testbed.ue.transport import Flow, Transport

OPEN_PORT = 5060
USER_AGENT = "handoff-testbed"


class ConnectionState(StrEnum):
    OPENING = "opening"
    ACTIVE = "active"
    INACTIVE = "inactive"
    ENDED = "ended"


class Move(StrEnum):
    """What a new registration does to the bindings that there are (C1-062198 clause 2)."""

    NONE = "none"  # release 7: no word of seamless-ims, the core removes what was there
    ADD = "add"  # seamless-ims: the old bindings stay (2.1)
    EXPLICIT = "explicit"  # seamless-ims and the old contacts at expires=0 (2.2)
    GLOBAL = "global"  # seamless-ims and imsglobreg on To: all identities at once (2.3)


@dataclass(frozen=True)
class Registered:
    """One identity registered explicitly over a connection, and those that follow it (TS 24.229 5.1.1.2)."""

    impu: str
    associated: tuple[str, ...]  # P-Associated-URI: the implicit registration set
    expires_s: int  # as granted
    until: float  # on the event loop's clock
    asked_s: int
    gruus: Gruus = field(default_factory=Gruus)


@dataclass(eq=False)
class ImsConnection:
    """State of one connection; the procedures that change it are in :mod:`testbed.ue.registration`.

    `id` is its own for ever; `name` is the access's, or another one where there are two over one access.
    """

    id: str
    name: str
    access: AccessPoint
    config: UeConfig
    transport: Transport
    xfrm: Xfrm
    state: ConnectionState = ConnectionState.OPENING
    port_open: int = 0  # our unprotected requests leave here
    port_s: int = 0
    security: SecuritySet | None = None
    service_route: list[NameAddr] = field(default_factory=list)
    registered: dict[str, Registered] = field(default_factory=dict)  # by identity
    call_id: str = ""  # of its registrations
    cseq: int = 0
    instance: bool = True  # whether its contact names the UE's instance
    move: Move = Move.NONE  # what its registration did to other connections
    authorization: str = ""  # of its last REGISTER, which the next one repeats (TS 24.229 5.1.1.4.2)
    last_register: Request | None = None
    answer: Response | None = None  # the last final one to a REGISTER of ours
    registering: asyncio.Lock = field(default_factory=asyncio.Lock)  # over one connection, one REGISTER at a time
    on_vacant: Callable[[], None] = lambda: None  # inactive, and its last session has ended

    @property
    def bindings(self) -> list[str]:
        """The identities bound to this connection's contact, implicit ones too."""
        return list(dict.fromkeys(impu for each in self.registered.values() for impu in each.associated))

    @property
    def expires_s(self) -> int:
        """Of the identity that must be refreshed first."""
        return min((each.expires_s for each in self.registered.values()), default=0)

    @property
    def usable(self) -> bool:
        """Whether protected requests can go over it, as far as we know."""
        agreed = self.security is not None and bool(self.security.associations)
        return agreed and self.state in (ConnectionState.ACTIVE, ConnectionState.INACTIVE)

    def lose(self, impus: Sequence[str]) -> list[Registered]:
        """These identities are bound here no more; without any left the connection is inactive."""
        lost = [self.registered.pop(each) for each in list(self.registered) if each in impus]
        if not self.registered and self.state is ConnectionState.ACTIVE:
            self.state = ConnectionState.INACTIVE
        return lost

    @property
    def host(self) -> str:
        """Our address as a SIP URI writes it."""
        return f"[{self.access.address}]" if ":" in self.access.address else self.access.address

    @property
    def contact(self) -> NameAddr:
        """The contact of this connection: its address and protected server port."""
        return self._contact(self.port_s)

    @property
    def open_contact(self) -> NameAddr:
        """The contact of the unprotected REGISTER.

        Its port is not the protected one, as in the proposal's example: Kamailio's P-CSCF lets a pending contact time
        out after 30 s, and with the protected port in it, the live associations would go with it.
        """
        return self._contact(OPEN_PORT)

    def _contact(self, port: int) -> NameAddr:
        user = self.config.subscription.impus[0].split(":", 1)[1].split("@")[0]
        transport = ";transport=tcp" if self.config.transport == "tcp" else ""
        instance = f';+sip.instance="<{self.config.instance}>"' if self.instance else ""
        return NameAddr.parse(f"<sip:{user}@{self.host}:{port}{transport}>{instance}")

    def contact_of(self, impu: str, *, gruu: bool | str = False) -> NameAddr:
        """What a session of this identity has as its Contact: a GRUU when it is wanted (RFC 5627 4.4).

        `gruu` may be "temp".  Raises ProductFailure where the registrar gave none.
        """
        if not gruu:
            return self.contact
        owner = next((each for each in self.registered.values() if impu in each.associated), None)
        uri = owner.gruus.uri(temporary=gruu == "temp") if owner else None
        if uri is None:
            where = f"IMS connection {self.name}"
            raise ProductFailure(f"{impu} has no GRUU here", where=where, mend="register it with its instance id")
        return NameAddr(uri)

    async def flow(self, *, protected: bool) -> Flow:
        """The flow for a request of ours; over TCP the stream is opened if it is not open."""
        if protected:
            security = self._agreed()
            assert security.server is not None
            remote, port = (self.access.pcscf, security.server.port_s or 0), security.port_c
            role = "client"
        else:
            remote, port, role = (self.access.pcscf, self.access.pcscf_port), self.port_open, "open"
        if self.config.transport == "udp":
            return self.transport.flow(role, port, remote)  # type: ignore[arg-type]
        open_stream = self.transport.stream_to(role, remote)  # type: ignore[arg-type]
        return open_stream or await self.transport.connect(role, port if protected else 0, remote)  # type: ignore[arg-type]

    def via(self, *, protected: bool) -> str:
        """The Via of a request: with the protected server port once there is one (TS 24.229 5.1.1.2).

        Answers come to the port that the request left from (RFC 3581).  Before there are associations the port named is
        5060, by which Kamailio's P-CSCF knows an initial registration.
        """
        port = self.port_s if protected else OPEN_PORT
        return str(Via.parse(f"SIP/2.0/{self.config.transport.upper()} {self.host}:{port};rport"))

    def protect(self, request: Request) -> None:
        """Add what every protected request carries: Security-Verify and the demand for sec-agree (RFC 3329 2.3.1)."""
        for mechanism in self._agreed().verify:
            request.headers.add("Security-Verify", mechanism)
        for name in ("Require", "Proxy-Require"):
            tags = request.option_tags(name) | {"sec-agree"}
            request.headers.set(name, ", ".join(sorted(tags)))
        request.headers.set("P-Access-Network-Info", self.access.info)
        request.headers.set("User-Agent", USER_AGENT)

    def end(self) -> None:
        """Close the sockets and remove the associations."""
        self.state = ConnectionState.ENDED
        self.registered = {}
        if self.security:
            self.security.remove()
        self.transport.close()

    def _agreed(self) -> SecuritySet:
        if self.security is None or not self.security.associations:
            raise ProductFailure(f"IMS connection {self.name} has no security associations", where="UE")
        return self.security
