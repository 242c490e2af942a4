"""Subscription to the reg event package (RFC 3680): what the S-CSCF says of this UE's registrations."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from testbed.errors import ProductFailure
from testbed.ims.dialog import Dialog
from testbed.ims.errors import PeerFault
from testbed.ims.headers import Headers
from testbed.ims.message import Request, Response
from testbed.ims.reginfo import RegInfo, RegInfoState
from testbed.ims.transaction import ServerKey
from testbed.ue.connection import ImsConnection
from testbed.ue.session import initial_route
from testbed.ue.stack import SipStack

log = logging.getLogger(__name__)
CONTENT_TYPE = "application/reginfo+xml"


@dataclass(eq=False)
class RegSubscription:
    """One subscription; its dialog is made by the first NOTIFY or the 200, whichever comes first (RFC 6665 4.4.1)."""

    connection: ImsConnection
    request: Request
    dialog: Dialog | None = None
    state: RegInfoState = field(default_factory=RegInfoState)
    terminated: bool = False


class RegEvents:
    """The subscriptions of one UE.  `told(event, detail)` hears of every NOTIFY."""

    def __init__(self, stack: SipStack, rng: random.Random, told: Callable[[str, dict[str, Any]], None]) -> None:
        self._stack, self._rng, self._told = stack, rng, told
        self._subscriptions: list[RegSubscription] = []

    def __len__(self) -> int:
        """How many there are."""
        return len(self._subscriptions)

    async def subscribe(self, connection: ImsConnection, expires_s: int = 600_000) -> None:
        """Subscribe over a connection (TS 24.229 5.1.1.3).  Raises ProductFailure when that is refused."""
        request = self._request(connection, expires_s)
        subscription = RegSubscription(connection, request)
        self._subscriptions.append(subscription)
        response = await self._stack.request(request, await connection.flow(protected=True))
        if response.status >= 300:
            self._subscriptions.remove(subscription)
            raise _refused(connection, response)
        if subscription.dialog is None:
            subscription.dialog = Dialog.uac(request, response)

    async def refresh(self, connection: ImsConnection, expires_s: int = 600_000) -> None:
        """Let the subscriptions go on, over this connection (RFC 6665 4.1.2.2); nothing where there is none.

        A subscription that began on another connection follows to this one: its path then goes through this one's
        P-CSCF (see :func:`testbed.ue.session.initial_route`).  Where its dialog is gone, a new one is made.
        """
        for subscription in list(self._subscriptions):
            dialog = subscription.dialog
            if dialog is None:
                continue
            subscription.connection, dialog.contact = connection, connection.contact
            dialog.route_set = initial_route(connection)
            headers = (("Event", "reg"), ("Accept", CONTENT_TYPE), ("Expires", str(expires_s)))
            request = dialog.create_request("SUBSCRIBE", via=connection.via(protected=True), headers=headers)
            connection.protect(request)
            response = await self._stack.request(request, await connection.flow(protected=True))
            dialog.received_response(response)
            if response.status == 481:
                self._subscriptions.remove(subscription)
                await self.subscribe(connection, expires_s)
            elif response.status >= 300:
                raise _refused(connection, response)

    def forget(self, connection: ImsConnection) -> None:
        """A connection is over and with it the path to its notifier."""
        self._subscriptions = [each for each in self._subscriptions if each.connection is not connection]

    def on_notify(self, key: ServerKey, request: Request) -> None:
        """Answer a NOTIFY and take in what it says; a body that is no reg-info document is refused with 400."""
        subscription = self._find(request)
        if subscription is None:
            self._stack.respond(key, request.response(481))
            return
        if subscription.dialog is None:
            subscription.dialog = Dialog.subscriber(subscription.request, request)
        refusal = subscription.dialog.received_request(request)
        if refusal is not None:
            self._stack.respond(key, request.response(*refusal))
            return
        try:
            changes = subscription.state.apply(RegInfo.parse(request.body)) if request.body else []
        except PeerFault as wrong:
            log.warning("NOTIFY with a document that cannot be read: %s", wrong)
            self._stack.respond(key, request.response(400))
            return
        self._stack.respond(key, subscription.dialog.create_response(request, 200))
        state = (request.headers.get("Subscription-State") or "").partition(";")[0].strip().lower()
        subscription.terminated = state == "terminated"
        self._told(
            "notify",
            {
                "access": subscription.connection.name,
                "subscription": state,
                "contacts": {
                    aor: [str(contact.uri) for contact in registration.active_contacts]
                    for aor, registration in subscription.state.registrations.items()
                },
                "changes": [f"{change.kind} {change.contact.uri} ({change.aor})" for change in changes],
            },
        )

    def _find(self, request: Request) -> RegSubscription | None:
        tag = request.to.tag
        return next(
            (
                each
                for each in self._subscriptions
                if each.request.call_id == request.call_id and each.request.from_.tag == tag
            ),
            None,
        )

    def _request(self, connection: ImsConnection, expires_s: int) -> Request:
        impu = connection.config.subscription.impus[0]
        headers = Headers([("Via", connection.via(protected=True)), ("Max-Forwards", "70")])
        for route in initial_route(connection):
            headers.add("Route", str(route))
        headers.add("From", f"<{impu}>;tag={self._rng.getrandbits(32):08x}")
        headers.add("To", f"<{impu}>")
        headers.add("Call-ID", f"{self._rng.getrandbits(64):016x}@{connection.host}")
        headers.add("CSeq", "1 SUBSCRIBE")
        headers.add("Contact", str(connection.contact))
        headers.add("Event", "reg")
        headers.add("Accept", CONTENT_TYPE)
        headers.add("Expires", str(expires_s))
        headers.add("P-Preferred-Identity", f"<{impu}>")
        request = Request("SUBSCRIBE", impu, headers)
        connection.protect(request)
        return request


def _refused(connection: ImsConnection, response: Response) -> ProductFailure:
    what = f"the subscription to reg was refused: {response.status} {response.reason}"
    return ProductFailure(what, where=f"UE {connection.config.name} over {connection.name}")
