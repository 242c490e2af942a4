"""Calls between two lines of the test client: offers are made up, answers are at once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from sip_client import Line, NameAddr

from testbed.ims.message import Request, Response

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n"


@dataclass
class Leg:
    """One end of a dialog."""

    line: Line
    call_id: str
    local: str  # From or To value with our tag
    remote: str
    target: str
    routes: list[str] = field(default_factory=list)
    cseq: int = 1
    last: tuple[Request, Response] | None = None

    def request(
        self, method: str, *, cseq: int | None = None, routes: list[str] | None = None, sdp: bool = False
    ) -> Request:
        """A request within the dialog, over the leg's line."""
        if cseq is None:
            self.cseq += 1
        request = Request(method, self.target)
        headers = request.headers
        headers.add("Via", self.line.via(self.line.port_s))
        headers.add("Max-Forwards", "70")
        for route in self.routes if routes is None else routes:
            headers.add("Route", route)
        headers.add("From", self.local)
        headers.add("To", self.remote)
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{self.cseq if cseq is None else cseq} {method}")
        if method in ("INVITE", "UPDATE"):
            headers.add("Contact", self.line.contact)
        if sdp:
            headers.add("Content-Type", "application/sdp")
            request.body = SDP
        self.line.protect(request)
        return request

    def exchange(self, method: str, other: Leg, **kwargs: object) -> tuple[Response, float]:
        """A request of ours that the other end answers with 200 on its line; the response and its seconds."""
        request = self.request(method, **kwargs)  # type: ignore[arg-type]
        began = self.line.send(request)
        _, arrived, sock, remote = other.line.incoming(method)
        answer = arrived.response(200)
        if method in ("INVITE", "UPDATE"):
            answer.headers.add("Contact", other.line.contact)
            other.target = str(NameAddr.parse(arrived.headers.get("Contact") or "").uri)
        other.line.reply(answer, sock, remote)
        at, response = self.line.response(request)
        if method in ("INVITE", "UPDATE") and response.status == 200:
            self.target = str(NameAddr.parse(response.headers.get("Contact") or "").uri)  # RFC 3261 12.2.1.2
        if method == "INVITE" and response.status == 200:
            ack = self.request("ACK", cseq=request.cseq.number, routes=kwargs.get("routes"))  # type: ignore[arg-type]
            self.line.send(ack)
            other.line.incoming("ACK")
        return response, at - began


def invite(line: Line, to: str, **headers: str) -> Request:
    """An initial INVITE with the Service-Route of the line's registration; `impu` is who calls."""
    impu = headers.pop("impu", line.phone.impu)
    request = Request("INVITE", to)
    fields = request.headers
    fields.add("Via", line.via(line.port_s))
    fields.add("Max-Forwards", "70")
    for route in line.service_route:
        fields.add("Route", route)
    fields.add("From", f"<{impu}>;tag={random.getrandbits(32):x}")
    fields.add("P-Preferred-Identity", f"<{impu}>")
    fields.add("To", f"<{to}>")
    fields.add("Call-ID", f"{random.getrandbits(64):x}")
    fields.add("CSeq", "1 INVITE")
    fields.add("Contact", line.contact)
    fields.add("Content-Type", "application/sdp")
    for name, value in headers.items():
        fields.add(name, value)
    request.body = SDP
    line.protect(request)
    return request


def call(caller: Line, callee: Line, to: str = "", **headers: str) -> tuple[Leg, Leg, float]:
    """A call that is answered and acknowledged; both legs, and the seconds from INVITE to 200."""
    request = invite(caller, to or callee.phone.impu, **headers)
    began = caller.send(request)
    _, arrived, sock, remote = callee.incoming("INVITE")
    answer = arrived.response(200, to_tag=f"{random.getrandbits(32):x}")
    answer.headers.add("Contact", callee.contact)
    callee.reply(answer, sock, remote)
    at, response = caller.response(request)
    assert response.status == 200, response
    call_id = request.headers.get("Call-ID") or ""
    ours, theirs = request.headers.get("From") or "", response.headers.get("To") or ""
    a = Leg(caller, call_id, ours, theirs, _target(response), list(reversed(response.headers.values("Record-Route"))))
    b = Leg(callee, call_id, theirs, ours, _target(arrived), arrived.headers.values("Record-Route"), 100)
    a.last = b.last = (arrived, response)
    caller.send(a.request("ACK", cseq=1))
    callee.incoming("ACK")
    return a, b, at - began


def _target(message: Request | Response) -> str:
    return str(NameAddr.parse(message.headers.get("Contact") or "").uri)


def subscribe(line: Line, expires: int = 600_000) -> tuple[Request, Response]:
    """SUBSCRIBE to the line's own registration state (TS 24.229 5.1.1.3), and its response."""
    aor = line.phone.impu
    request = Request("SUBSCRIBE", aor)
    fields = request.headers
    fields.add("Via", line.via(line.port_s))
    fields.add("Max-Forwards", "70")
    for route in line.service_route:
        fields.add("Route", route)
    fields.add("From", f"<{aor}>;tag={random.getrandbits(32):x}")
    fields.add("To", f"<{aor}>")
    fields.add("Call-ID", f"{random.getrandbits(64):x}")
    fields.add("CSeq", "1 SUBSCRIBE")
    fields.add("Contact", line.contact)
    fields.add("Event", "reg")
    fields.add("Expires", str(expires))
    fields.add("Accept", "application/reginfo+xml")
    line.protect(request)
    line.send(request)
    _, response = line.response(request)
    return request, response


def notified(line: Line, deadline_s: float = 5.0) -> tuple[float, Request]:
    """The next NOTIFY on a line, answered."""
    at, request, sock, remote = line.incoming("NOTIFY", deadline_s)
    line.reply(request.response(200), sock, remote)
    return at, request
