"""Subscription to the reg event package (RFC 3680): what the S-CSCF says of this UE's registrations."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from testbed.errors import TestbedError
from testbed.ims.dialog import Dialog
from testbed.ims.errors import PeerFault
from testbed.ims.message import Request, Response
from testbed.ims.reginfo import Change, RegInfo, RegInfoState
from testbed.ims.timers import refresh_after
from testbed.ims.transaction import ServerKey
from testbed.ue.answers import Refused
from testbed.ue.connection import ConnectionState, ImsConnection
from testbed.ue.requests import initial_request, initial_route
from testbed.ue.stack import SipStack

log = logging.getLogger(__name__)
CONTENT_TYPE = "application/reginfo+xml"
EXPIRES_S = 600_000
RETRY_S = 60.0  # after a refresh that failed


@dataclass(eq=False)
class RegSubscription:
    """One subscription; its dialog is made by the first NOTIFY or the 200, whichever comes first (RFC 6665 4.4.1)."""

    connection: ImsConnection
    request: Request
    impu: str
    dialog: Dialog | None = None
    state: RegInfoState = field(default_factory=RegInfoState)
    terminated: bool = False
    timer: asyncio.TimerHandle | None = None  # of its next refresh
    answer: Response | None = None  # the last final one to a SUBSCRIBE


class RegEvents:
    """The subscriptions of one UE.

    `told(event, detail)` hears of every NOTIFY, `changed` of what each says; `newest()` is the connection to use.
    """

    def __init__(
        self,
        stack: SipStack,
        rng: random.Random,
        told: Callable[[str, dict[str, Any]], None],
        changed: Callable[[list[Change]], None],
        newest: Callable[[], ImsConnection | None],
    ) -> None:
        self._stack, self._rng, self._told, self._changed, self._newest = stack, rng, told, changed, newest
        self._subscriptions: list[RegSubscription] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._subscriptions)

    async def subscribe(
        self, connection: ImsConnection, expires_s: int = EXPIRES_S, impu: str | None = None
    ) -> Response:
        """Subscribe over a connection (TS 24.229 5.1.1.3).  Raises Refused, or ProductFailure without an answer."""
        impu = impu or next(iter(connection.registered), connection.config.subscription.impus[0])
        headers = (("Event", "reg"), ("Accept", CONTENT_TYPE), ("Expires", str(expires_s)))
        request = initial_request(connection, "SUBSCRIBE", impu, self._rng, impu=impu, headers=headers)
        subscription = RegSubscription(connection, request, impu)
        self._subscriptions.append(subscription)
        response = await self._stack.request(request, await connection.flow(protected=True))
        if response.status >= 300:
            self._drop(subscription)
            raise _refused(connection, response)
        if subscription.dialog is None:
            subscription.dialog = Dialog.uac(request, response)
        self._granted(subscription, response, expires_s)
        return response

    async def refresh(self, connection: ImsConnection, expires_s: int = EXPIRES_S) -> None:
        """Let the subscriptions go on, over this connection (RFC 6665 4.1.2.2); nothing where there is none.

        A subscription that began on another connection follows to this one: its path then goes through this one's
        P-CSCF (see :func:`testbed.ue.requests.initial_route`).  Where its dialog is gone, a new one is made.
        """
        for subscription in list(self._subscriptions):
            if subscription.dialog is not None:
                await self._refresh(subscription, subscription.dialog, connection, expires_s)

    async def _refresh(
        self, subscription: RegSubscription, dialog: Dialog, connection: ImsConnection, expires_s: int
    ) -> None:
        subscription.connection, dialog.contact = connection, connection.contact
        dialog.route_set = initial_route(connection)
        headers = (("Event", "reg"), ("Accept", CONTENT_TYPE), ("Expires", str(expires_s)))
        request = dialog.create_request("SUBSCRIBE", via=connection.via(protected=True), headers=headers)
        connection.protect(request)
        response = await self._stack.request(request, await connection.flow(protected=True))
        dialog.received_response(response)
        if response.status == 481:
            self._drop(subscription)
            await self.subscribe(connection, expires_s, subscription.impu)
        elif response.status >= 300:
            raise _refused(connection, response)
        else:
            self._granted(subscription, response, expires_s)

    def _granted(self, subscription: RegSubscription, response: Response, asked_s: int) -> None:
        """Refresh it in time (TS 24.229 5.1.1.3), whatever else happens to the registration."""
        granted = asked_s if response.expires is None else response.expires
        self._again(subscription, refresh_after(granted))

    def _again(self, subscription: RegSubscription, seconds: float) -> None:
        if subscription.timer:
            subscription.timer.cancel()
        subscription.timer = asyncio.get_running_loop().call_later(seconds, self._refresh_soon, subscription)

    def _refresh_soon(self, subscription: RegSubscription) -> None:
        task = asyncio.get_running_loop().create_task(self._refresh_or_tell(subscription))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refresh_or_tell(self, subscription: RegSubscription) -> None:
        own = subscription.connection
        connection = own if own.state is ConnectionState.ACTIVE else self._newest()
        if subscription not in self._subscriptions or subscription.dialog is None or connection is None:
            return
        try:
            await self._refresh(subscription, subscription.dialog, connection, EXPIRES_S)
        except (TestbedError, PeerFault, OSError) as failed:
            self._told("refresh-failed", {"access": connection.name, "subscription": "reg", "why": str(failed)})
            self._again(subscription, RETRY_S)

    def _drop(self, subscription: RegSubscription) -> None:
        if subscription.timer:
            subscription.timer.cancel()
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def forget(self, connection: ImsConnection) -> None:
        """A connection is over, and with it the path to a notifier, unless another one can take it over."""
        newest = self._newest()
        for subscription in [each for each in self._subscriptions if each.connection is connection]:
            if newest is None or newest is connection or subscription.terminated:
                self._drop(subscription)
            else:
                subscription.connection = newest

    def registrations(self) -> dict[str, list[dict[str, Any]]]:
        """What all NOTIFYs together say: the bindings of each identity."""
        known = [each.state.registrations for each in self._subscriptions if not each.terminated]
        return {
            aor: [
                {
                    "uri": contact.uri,
                    "state": contact.state,
                    "event": contact.event.value,
                    "instance": dict(contact.params).get("+sip.instance"),
                    "pub_gruu": contact.pub_gruu,
                    "temp_gruu": contact.temp_gruu,
                }
                for contact in registration.contacts
            ]
            for registrations in known
            for aor, registration in registrations.items()
        }

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
        if subscription.terminated:
            self._drop(subscription)
        elif subscription.state.stale:  # a document was missed: a refresh brings a full one (RFC 3680 5.2)
            self._again(subscription, 0)
        self._changed(changes)
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


def _refused(connection: ImsConnection, response: Response) -> Refused:
    where = f"UE {connection.config.name} over {connection.name}"
    return Refused(response, "the subscription to reg was refused", where=where)
