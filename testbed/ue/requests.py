"""Requests outside a dialog, as every part of the UE makes them, and how a test may falsify them before they leave."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from testbed.ims.headers import Headers, NameAddr
from testbed.ims.message import Request
from testbed.ue.connection import ImsConnection

Changes = Mapping[str, str | None]
ONLY_PROTECTED = ("Security-Verify",)  # has no place in a request outside the associations


def initial_route(connection: ImsConnection) -> tuple[NameAddr, ...]:
    """Route of a request outside a dialog, and of a dialog moved here: the P-CSCF, then what Service-Route said.

    TS 24.229 5.1.2A.1.  For a dialog that came from another P-CSCF it is the testbed's own rule: a re-INVITE cannot
    change a route set (RFC 3261 12.2), so the UE names the new P-CSCF and the S-CSCF, which adds what lies beyond it.
    """
    assert connection.security is not None and connection.security.server is not None
    pcscf = connection.access.pcscf
    host = f"[{pcscf}]" if ":" in pcscf else pcscf
    transport = ";transport=tcp" if connection.config.transport == "tcp" else ""
    first = NameAddr.parse(f"<sip:{host}:{connection.security.server.port_s}{transport};lr>")
    return (first, *connection.service_route)


def initial_request(
    connection: ImsConnection,
    method: str,
    to: str,
    rng: random.Random,
    *,
    impu: str | None = None,
    contact: NameAddr | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Request:
    """A protected request that begins something (TS 24.229 5.1.2A.1.1), from one of our identities, the first if none.

    The identity is what the network shall assert (P-Preferred-Identity).
    """
    impu = impu or connection.config.subscription.impus[0]
    fields = [("Via", connection.via(protected=True)), ("Max-Forwards", "70")]
    fields += [("Route", str(route)) for route in initial_route(connection)]
    fields += [
        ("From", f"<{impu}>;tag={rng.getrandbits(32):08x}"),
        ("To", f"<{to}>"),
        ("Call-ID", f"{rng.getrandbits(64):016x}@{connection.host}"),
        ("CSeq", f"{rng.getrandbits(15)} {method}"),
        ("Contact", str(contact or connection.contact)),
        ("P-Preferred-Identity", f"<{impu}>"),
        *headers,
    ]
    request = Request(method, to, Headers(fields), body)
    connection.protect(request)
    return request


def falsify(request: Request, changes: Changes, *, protected: bool = True) -> None:
    """Change headers as a test wants them: None takes one away, `{}` in a value is what stood there.

    Security-Verify is changed only where there is one.
    """
    for name, value in changes.items():
        if not protected and name in ONLY_PROTECTED:
            continue
        if value is None:
            request.headers.remove(name)
        else:
            request.headers.set(name, value.replace("{}", ", ".join(request.headers.get_all(name))))
