"""A small UE for tests of the core: blocking, one thread, one namespace, no retransmissions, nothing clever.

It shares with the real UE only the codec, the keys and the associations, so that a fault of either shows.
"""

from __future__ import annotations

import itertools
import random
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from drivers.host import netns
from drivers.link.xfrm import Xfrm
from testbed.core.subscribers import Subscriber
from testbed.ims.aka import AkaResult, SoftwareSim, SyncFailure
from testbed.ims.digest import Challenge, DigestClient, initial_authorization
from testbed.ims.headers import Headers, NameAddr
from testbed.ims.message import Request, Response, StreamParser, parse
from testbed.ims.secagree import parse_mechanisms
from testbed.ue.security import SecuritySet

Message = Request | Response
NEVER = 1 << 62
_branches = itertools.count(1)
# None comes again soon: Kamailio's P-CSCF remembers them for half a minute (see testbed.ue.transport).
_ports = itertools.count(20000)


class Timeout(AssertionError):
    """What was waited for did not come."""


class Line:
    """One IMS connection: its sockets, its associations, what it heard and what was agreed."""

    def __init__(
        self, phone: Phone, namespace: str, address: str, pcscf: str, alg: str = "hmac-sha-1-96", ealg: str = "null"
    ) -> None:
        self.phone, self.namespace, self.address, self.pcscf = phone, namespace, address, pcscf
        self.alg, self.ealg = alg, ealg
        with netns.inside(namespace):
            self.xfrm = Xfrm()
        self.sockets: dict[int, socket.socket] = {}
        self.streams: dict[socket.socket, StreamParser] = {}
        self.selector = selectors.DefaultSelector()
        self.heard: list[tuple[float, Message, socket.socket, tuple[str, int]]] = []
        self.security: SecuritySet | None = None
        self.call_id, self.cseq = f"{random.getrandbits(64):x}", 0
        self.service_route: list[str] = []
        self.associated: list[str] = []
        self.port_s = 0
        self.stream: socket.socket | None = None
        self.digest: DigestClient | None = None
        self.times: dict[str, float] = {}
        self.gruu = ""  # what it gives as its Contact in sessions, instead of its own
        self.change: Callable[[Request], None] = lambda request: None  # what a test does to each REGISTER

    @property
    def name(self) -> str:
        """As the S-CSCF names it."""
        return f"{self.phone.user}@{self.host}:{self.port_s}"

    @property
    def tcp(self) -> bool:
        return self.phone.transport == "tcp"

    @property
    def host(self) -> str:
        return f"[{self.address}]" if ":" in self.address else self.address

    @property
    def contact(self) -> str:
        return f"<{self.gruu}>" if self.gruu else self.contact_of(self.port_s)

    def contact_of(self, port: int) -> str:
        transport = ";transport=tcp" if self.tcp else ""
        return f'<sip:{self.phone.user}@{self.host}:{port}{transport}>;+sip.instance="{self.phone.instance}"'

    def bind(self, port: int = 0, kind: int = socket.SOCK_DGRAM) -> int:
        with netns.inside(self.namespace):
            family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
            sock = socket.socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken = port or next(_ports)
        sock.bind((self.address, taken))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        self.sockets[taken] = sock
        self.selector.register(sock, selectors.EVENT_READ)
        return taken

    def connect(self, port: int, remote: tuple[str, int]) -> socket.socket:
        with netns.inside(self.namespace):
            family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((self.address, port))
        sock.settimeout(5)
        sock.connect(remote)
        sock.setblocking(True)
        self._take_stream(sock)
        return sock

    def _take_stream(self, sock: socket.socket) -> None:
        self.streams[sock] = StreamParser()
        self.selector.register(sock, selectors.EVENT_READ)

    def pump(self, seconds: float) -> None:
        """Take what has come, or comes within so many seconds."""
        for key, _ in self.selector.select(seconds):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            now = time.perf_counter()
            if sock in self.streams:
                data = sock.recv(65536)
                if not data:
                    self.selector.unregister(sock)
                    del self.streams[sock]
                    if sock is self.stream:
                        self.stream = None
                    sock.close()
                    continue
                for message in self.streams[sock].feed(data):
                    self.heard.append((now, message, sock, sock.getpeername()[:2]))
            elif sock.type == socket.SOCK_STREAM:
                accepted, _ = sock.accept()
                self._take_stream(accepted)
            else:
                data, remote = sock.recvfrom(65536)
                self.heard.append((now, parse(data), sock, remote[:2]))

    def send(self, message: Message, protected: bool = True) -> float:
        """Send a request of ours; the time it left."""
        if self.tcp:
            if protected:
                if self.stream is None:
                    assert self.security and self.security.server and self.security.server.port_s
                    self.stream = self.connect(self.security.port_c, (self.pcscf, self.security.server.port_s))
                sock = self.stream
            else:
                sock = self.connect(next(_ports), (self.pcscf, 5060))
            sock.sendall(message.encode())
            return time.perf_counter()
        if protected:
            assert self.security and self.security.server and self.security.server.port_s
            sock, port = self.sockets[self.security.port_c], self.security.server.port_s
        else:
            sock, port = self.sockets[self.open_port], 5060
        began = time.perf_counter()
        sock.sendto(message.encode(), (self.pcscf, port))
        return began

    def reply(self, response: Response, sock: socket.socket, remote: tuple[str, int]) -> None:
        if sock.type == socket.SOCK_STREAM:
            sock.sendall(response.encode())
            return
        # TS 33.203 7.1: an answer to what came to our protected server port goes back between the same ports.
        sock.sendto(response.encode(), remote)

    def register(
        self,
        *,
        impu: str = "",
        contacts: tuple[str, ...] = (),
        to_params: str = "",
        tags: str = "seamless-ims",
        expires: int = 600_000,
        port_s: int = 0,
        answer: Callable[[DigestClient], None] | None = None,
    ) -> Response:
        """Register over new associations, from the unprotected REGISTER on; the last response."""
        self.open_port = 0 if self.tcp else self.bind()
        port_c = next(_ports) if self.tcp else self.bind()
        self.port_s = port_s or (self.bind(0, socket.SOCK_STREAM) if self.tcp else self.bind())
        security = SecuritySet(self.xfrm, self.address, self.pcscf, (port_c, self.port_s), self.alg, self.ealg)
        domain = self.phone.domain
        self.digest = DigestClient(self.phone.subscriber.impi, random.Random(7))
        uri = f"sip:{domain}"
        kwargs = {"impu": impu, "contacts": contacts, "to_params": to_params, "tags": tags, "expires": expires}
        first = self._register_request(security, port=5060, **kwargs)
        first.headers.set("Authorization", initial_authorization(self.phone.subscriber.impi, domain, uri))
        began = self.send(first, protected=False)
        at, challenged = self.response(first)
        self.times["REGISTER > 401"] = at - began
        if challenged.status != 401:
            return challenged
        challenge = Challenge.parse(challenged.headers.get("WWW-Authenticate") or "")
        self.challenge = challenge
        rand, autn = challenge.rand_autn()
        result = self.phone.sim.authenticate(rand, autn)
        if isinstance(result, SyncFailure):
            self.digest.accept_out_of_sync(challenge, result.auts)
            return self._resynchronise(kwargs, uri)
        return self._protected(security, challenged, challenge, result, kwargs, uri, answer)

    def _resynchronise(self, kwargs: dict[str, object], uri: str) -> Response:
        """TS 33.102 6.3.5 in TS 24.229 5.1.1.5.3: an unprotected REGISTER that carries AUTS, with a new offer."""
        port_c = next(_ports) if self.tcp else self.bind()
        self.open_port = self.open_port if self.tcp else self.bind()
        security = SecuritySet(self.xfrm, self.address, self.pcscf, (port_c, self.port_s), self.alg, self.ealg)
        again = self._register_request(security, port=5060, **kwargs)  # type: ignore[arg-type]
        assert self.digest is not None
        again.headers.set("Authorization", self.digest.authorization("REGISTER", uri))
        self.send(again, protected=False)
        _, challenged = self.response(again)
        if challenged.status != 401:
            return challenged
        challenge = Challenge.parse(challenged.headers.get("WWW-Authenticate") or "")
        result = self.phone.sim.authenticate(*challenge.rand_autn())
        assert isinstance(result, AkaResult), "still out of sync after a resynchronisation"
        return self._protected(security, challenged, challenge, result, kwargs, uri, None)

    def _protected(
        self,
        security: SecuritySet,
        challenged: Response,
        challenge: Challenge,
        result: AkaResult,
        kwargs: dict[str, object],
        uri: str,
        answer: Callable[[DigestClient], None] | None,
    ) -> Response:
        began = time.perf_counter()
        security.install(parse_mechanisms(challenged.headers.get_all("Security-Server")), result.ck, result.ik, 600)
        self.times["SAs at the UE"] = time.perf_counter() - began
        self.security = security
        assert self.digest is not None
        self.digest.accept(challenge, result.res)
        if answer:
            answer(self.digest)
        second = self._register_request(security, port=self.port_s, **kwargs)  # type: ignore[arg-type]
        second.headers.set("Authorization", self.digest.authorization("REGISTER", uri))
        self.protect(second)
        began = self.send(second)
        at, registered = self.response(second)
        self.times["REGISTER > 200"] = at - began
        if registered.status == 200:
            self.service_route = registered.headers.values("Service-Route")
            self.associated = registered.headers.values("P-Associated-URI")
        return registered

    def reregister(self, **kwargs: object) -> Response:
        """REGISTER over the associations that stand."""
        defaults: dict[str, object] = {"impu": "", "contacts": (), "to_params": "", "tags": "seamless-ims"}
        defaults |= {"expires": 600_000} | kwargs
        assert self.security and self.digest and self.digest.last_authorization
        request = self._register_request(None, port=self.port_s, **defaults)  # type: ignore[arg-type]
        request.headers.set("Authorization", self.digest.last_authorization)
        self.protect(request)
        began = self.send(request)
        at, response = self.response(request)
        self.times["re-REGISTER > 200"] = at - began
        return response

    def _register_request(
        self,
        security: SecuritySet | None,
        *,
        port: int,
        impu: str,
        contacts: tuple[str, ...],
        to_params: str,
        tags: str,
        expires: int,
    ) -> Request:
        self.cseq += 1
        aor = impu or self.phone.impu
        request = Request("REGISTER", f"sip:{self.phone.domain}")
        headers = request.headers
        headers.add("Via", self.via(port))
        headers.add("Max-Forwards", "70")
        headers.add("From", f"<{aor}>;tag={random.getrandbits(32):x}")
        headers.add("To", f"<{aor}>{to_params}")
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{self.cseq} REGISTER")
        own = f"{self.contact_of(port)};expires={expires}"
        headers.add("Contact", ", ".join((own, *contacts)))
        headers.add("Supported", "path, gruu")
        wanted = ", ".join(filter(None, ("sec-agree", tags)))
        headers.add("Require", wanted)
        headers.add("Proxy-Require", wanted)
        if security:
            headers.add("Security-Client", str(security.offer))
        self.change(request)
        return request

    def via(self, port: int) -> str:
        transport = "TCP" if self.tcp else "UDP"
        return (
            f"SIP/2.0/{transport} {self.host}:{port};rport;branch=z9hG4bK-{next(_branches)}-{random.getrandbits(32):x}"
        )

    def protect(self, request: Request) -> None:
        assert self.security
        for verify in self.security.verify:
            request.headers.add("Security-Verify", verify)

    def response(self, request: Request, deadline_s: float = 5.0, final: bool = True) -> tuple[float, Response]:
        """The response to a request: the final one, or the first of all."""

        def matches(message: Message) -> bool:
            if not isinstance(message, Response) or message.cseq != request.cseq:
                return False
            return message.via.branch == request.via.branch and (message.status >= 200 or not final)

        at, message, _, _ = self.expect(matches, f"a response to {request!r}", deadline_s)
        assert isinstance(message, Response)
        return at, message

    def incoming(self, method: str, deadline_s: float = 5.0) -> tuple[float, Request, socket.socket, tuple[str, int]]:
        """The next request of a method."""

        def matches(message: Message) -> bool:
            return isinstance(message, Request) and message.method == method

        at, message, sock, remote = self.expect(matches, f"a {method}", deadline_s)
        assert isinstance(message, Request)
        return at, message, sock, remote

    def expect(
        self, matches: Callable[[Message], bool], what: str, deadline_s: float
    ) -> tuple[float, Message, socket.socket, tuple[str, int]]:
        until = time.monotonic() + deadline_s
        while True:
            for place, entry in enumerate(self.heard):
                if matches(entry[1]):
                    return self.heard.pop(place)
            left = until - time.monotonic()
            if left <= 0:
                raise Timeout(f"{self.address} waited for {what}; it heard {[repr(e[1]) for e in self.heard]}")
            self.pump(left)

    def silence(self, seconds: float) -> list[Message]:
        """Listen for so long; what was heard."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.pump(left)
        return [entry[1] for entry in self.heard]

    def close(self) -> None:
        if self.security:
            self.security.remove()
        for sock in [*self.sockets.values(), *self.streams]:
            with suppress(OSError):
                sock.close()
        self.xfrm.close()


class Phone:
    """A subscriber's device: its USIM, and any number of lines."""

    def __init__(self, subscriber: Subscriber, domain: str, transport: str = "udp") -> None:
        self.subscriber, self.domain, self.transport = subscriber, domain, transport
        self.sim = SoftwareSim(subscriber.k, subscriber.opc)
        self.impu = subscriber.impus[0]
        self.user = self.impu.split(":")[1].split("@")[0]
        self.instance = f"<urn:uuid:{random.getrandbits(128):032x}>"
        self.lines: list[Line] = []

    def line(self, namespace: str, address: str, pcscf: str, **kwargs: str) -> Line:
        self.lines.append(Line(self, namespace, address, pcscf, **kwargs))
        return self.lines[-1]

    def close(self) -> None:
        for line in self.lines:
            line.close()
        self.lines = []


__all__ = ["NEVER", "Headers", "Line", "NameAddr", "Phone", "Timeout"]
