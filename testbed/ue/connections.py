"""The IMS connections of one UE (C1-062198 clause 2): how they come to be, share the identities, and end.

Which identity is bound where is what the answers to our own REGISTERs say; what the network takes away by itself a
NOTIFY of the reg event tells (TS 24.229 5.1.1.7).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from drivers.link.xfrm import Xfrm
from testbed.errors import TestbedError, UsageError
from testbed.ims.reginfo import Change, ContactEvent
from testbed.ims.timers import refresh_after
from testbed.ims.uri import parse_uri
from testbed.ue.answers import Refused
from testbed.ue.config import AccessPoint
from testbed.ue.connection import ConnectionState, ImsConnection, Move, Registered
from testbed.ue.markers import Markers
from testbed.ue.registration import SEAMLESS, Registrar, Wish
from testbed.ue.setup import AccessSetup, UeSetup
from testbed.ue.stack import SipStack

log = logging.getLogger(__name__)
Told = Callable[[str, dict[str, Any]], None]
RETRY_LEAST_S = 30.0  # a refresh that failed is tried again while at least this much of the registration is left
# By these the network, not we, has ended a binding (RFC 3680 3.2).
TAKEN_AWAY = (ContactEvent.DEACTIVATED, ContactEvent.REJECTED, ContactEvent.EXPIRED, ContactEvent.PROBATION)


class Connections:
    """`told` hears of refreshes and of what was lost; `ended` of each connection that is over."""

    def __init__(
        self,
        setup: UeSetup,
        stack: SipStack,
        registrar: Registrar,
        markers: Markers,
        told: Told,
        ended: Callable[[ImsConnection], None],
    ) -> None:
        self._setup, self._stack, self.registrar, self._markers = setup, stack, registrar, markers
        self._told, self._ended = told, ended
        self._xfrm = Xfrm()
        self._numbers = itertools.count(1)
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}  # by connection and identity
        self._tasks: set[asyncio.Task[None]] = set()
        self.all: list[ImsConnection] = []

    # Which there are

    def find(self, name: str) -> ImsConnection:
        """The connection of this name, else the newest over this access.  Raises UsageError when there is none."""
        alive = [each for each in reversed(self.all) if each.state is not ConnectionState.ENDED]
        for connection in (*(each for each in alive if each.name == name), *alive):
            if name in (connection.name, connection.access.name):
                return connection
        raise UsageError(f"no IMS connection over {name}", where=f"UE {self._setup.config.name}")

    def by_flow(self, id_: str) -> ImsConnection | None:
        """The connection that a flow belongs to."""
        return next((each for each in self.all if each.id == id_), None)

    @property
    def active(self) -> list[ImsConnection]:
        """Those with bindings, the newest last."""
        return [each for each in self.all if each.state is ConnectionState.ACTIVE]

    @property
    def newest(self) -> ImsConnection | None:
        """Where the UE has moved to: what is left on others goes there."""
        return next(reversed(self.active), None)

    # What is done with them

    async def register(
        self, access: AccessSetup, wish: Wish, *, name: str | None = None, instance: bool = True, fallback: bool = True
    ) -> ImsConnection:
        """Make a connection over an access that is up; the others lose what the wish takes from them.

        One of the same name is ended once the new one is active.  A refusal changes nothing.  With `fallback` a core
        that does not know seamless-ims is asked again in the manner of release 7 (RFC 3261 8.1.3.5).
        """
        name = name or access.name
        connection = self._open(access, name, instance)
        self._markers.mark("register-start", access=name, move=wish.move.value)
        self.all.append(connection)
        try:
            await self.registrar.register(connection, wish)
        except BaseException as failed:
            self._close(connection)
            self.all.remove(connection)
            if not (fallback and isinstance(failed, Refused) and _lacks_seamless(failed, wish)):
                raise
        if connection.state is ConnectionState.ENDED:
            self._told("fallback", {"access": name, "unsupported": SEAMLESS})
            self._markers.mark("fallback", access=name)
            return await self.register(access, _release7(wish), name=name, instance=instance)
        self._markers.mark("registered", access=name)
        for former in [each for each in self.all if each.name == name and each is not connection]:
            self._close(former)
            self.all.remove(former)
        self._took(connection, wish)
        return connection

    async def update(self, connection: ImsConnection, wish: Wish) -> None:
        """A REGISTER over a connection that there is: another identity, a contact that goes, bindings taken back."""
        await self.registrar.update(connection, wish)
        self._took(connection, wish)

    async def take_over(self, access: AccessSetup, move: Move, old: ImsConnection | None) -> ImsConnection:
        """Move what is registered over `old` to a new connection: at once, or one identity after the other.

        C1-062198 2.2: without imsglobreg each explicit registration moves by a REGISTER of its own, the first of them
        the one that makes the connection.
        """
        first, *others = list(old.registered) if old and old.registered else [self._setup.config.subscription.impus[0]]
        leaving = (old.contact,) if old and move is Move.EXPLICIT else ()
        connection = await self.register(access, Wish(first, move, leaving, self._setup.config.expires_s))
        if move is Move.GLOBAL and connection.move is Move.GLOBAL:
            return connection
        for impu in others:
            kept = leaving if connection.move is Move.EXPLICIT else ()
            each = Move.NONE if connection.move is Move.NONE else Move.EXPLICIT
            await self.update(connection, Wish(impu, each, kept, self._setup.config.expires_s))
            self._markers.mark("registered", access=connection.name, impu=impu)
        return connection

    async def add_identity(self, connection: ImsConnection, impu: str, **how: Any) -> None:
        """Register another identity over a connection."""
        await self.update(connection, Wish(impu, self._tag(), expires_s=self._setup.config.expires_s, **how))

    async def remove_contact(self, over: ImsConnection, of: ImsConnection, impu: str, **how: Any) -> None:
        """Deregister the contact of another connection by a REGISTER over this one (C1-062198 3(2))."""
        wish = Wish(impu, Move.EXPLICIT, (of.contact,), self._setup.config.expires_s, **how)
        await self.update(over, wish)

    async def refresh(
        self, connection: ImsConnection, impu: str | None = None, expires_s: int | None = None, **how: Any
    ) -> None:
        """Register again what is registered over a connection, or one identity of it, for as long as before."""
        for each in [impu] if impu else list(connection.registered):
            asked = connection.registered[each].asked_s if each in connection.registered else 0
            wish = Wish(each, self._tag(), expires_s=expires_s or asked or self._setup.config.expires_s, **how)
            await self.update(connection, wish)

    async def deregister(self, connection: ImsConnection, impu: str | None = None) -> None:
        """Take bindings away by a REGISTER of our own for each identity; without any left the connection ends.

        The whole implicit registration set goes with one of it (TS 24.229 5.4.1.4).
        """
        for each in [impu] if impu else list(connection.registered):
            if impu is None and each not in connection.registered:
                continue
            await self.registrar.deregister(connection, each)
            known = connection.registered.get(each)
            self._lost(connection, connection.lose(known.associated if known else (each,)))
        if not connection.registered:
            self.end(connection)

    def end(self, connection: ImsConnection) -> None:
        """Terminate a connection at this end (figure 5: nothing left on it)."""
        if connection.state is not ConnectionState.ENDED:
            self._close(connection)
            self._markers.mark("connection-ended", access=connection.name)

    def close(self) -> None:
        """End all; the network is not told."""
        for connection in self.all:
            self._close(connection)
        for task in self._tasks:
            task.cancel()
        self._xfrm.close()

    def associations(self) -> Sequence[Any]:
        """What the kernel holds."""
        return self._xfrm.associations()

    def on_reg_event(self, changes: Iterable[Change]) -> None:
        """What a NOTIFY says that the network has ended by itself is bound no more."""
        for change in changes:
            if change.kind != "removed" or change.now is None or change.now.event not in TAKEN_AWAY:
                continue
            uri = parse_uri(change.now.uri)
            for connection in self.active:
                if connection.contact.uri.matches(uri) and change.aor in connection.registered:
                    self._lost(connection, connection.lose([change.aor]))
                    self._told("deregistered", {"access": connection.name, "impu": change.aor})

    # Inside

    def _open(self, access: AccessSetup, name: str, instance: bool) -> ImsConnection:
        address = access.address(self._setup.family)
        point = AccessPoint(access.name, address.address, address.pcscf, access.info)
        id_ = f"{name}.{next(self._numbers)}"
        transport = self._stack.transport(id_, address.address)
        made = ImsConnection(id_, name, point, self._setup.config, transport, self._xfrm, instance=instance)
        made.on_vacant = partial(self.end, made)
        return made

    def _close(self, connection: ImsConnection) -> None:
        if connection.state is ConnectionState.ENDED:
            return
        self._lost(connection, connection.lose(list(connection.registered)))
        self._ended(connection)
        connection.end()
        self._stack.access_lost(connection.id)
        self._stack.detach(connection.transport)

    def _tag(self) -> Move:
        """Whether a REGISTER says seamless-ims: always, once a connection was made with it, or the others would go."""
        seamless = any(each.move is not Move.NONE for each in self.all if each.state is not ConnectionState.ENDED)
        return Move.ADD if seamless else Move.NONE

    def _took(self, connection: ImsConnection, wish: Wish) -> None:
        """After a 200: what the other connections have lost, and when to refresh what this one has."""
        taken: list[Registered] = []
        for other in [each for each in self.active if each is not connection]:
            if wish.move in (Move.GLOBAL, Move.NONE):
                lost = other.lose(list(other.registered))
            elif any(contact.uri.matches(other.contact.uri) for contact in wish.leaving):
                lost = other.lose(connection.registered[wish.impu].associated)
            else:
                continue
            self._lost(other, lost)
            taken += lost if wish.move is Move.GLOBAL else []
        new = connection.registered[wish.impu]
        self._refresh_in_time(connection, new)
        for each in taken:
            if each.impu not in (
                *new.associated,
                *connection.registered,
            ):  # moved by imsglobreg, refreshed from here on
                moved = replace(each, expires_s=new.expires_s, until=new.until)
                connection.registered[each.impu] = moved
                self._refresh_in_time(connection, moved)

    def _lost(self, connection: ImsConnection, lost: Iterable[Registered]) -> None:
        for each in lost:
            if timer := self._timers.pop((connection.id, each.impu), None):
                timer.cancel()

    def _refresh_in_time(self, connection: ImsConnection, registered: Registered) -> None:
        self._again(refresh_after(registered.expires_s), connection, registered)

    def _again(self, seconds: float, connection: ImsConnection, registered: Registered) -> None:
        key = (connection.id, registered.impu)
        if timer := self._timers.pop(key, None):
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._due, connection, registered)

    def _due(self, connection: ImsConnection, registered: Registered) -> None:
        task = asyncio.get_running_loop().create_task(self._refresh_or_lose(connection, registered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refresh_or_lose(self, connection: ImsConnection, registered: Registered) -> None:
        """Re-register one identity in time; what fails is told and tried again while there is time."""
        detail = {"access": connection.name, "impu": registered.impu}
        try:
            await self.refresh(connection, registered.impu)
        except (TestbedError, OSError) as failed:
            if connection.registered.get(registered.impu) is not registered:
                return  # it has moved meanwhile
            left = registered.until - asyncio.get_running_loop().time()
            log.error("refresh of %s over %s: %s", registered.impu, connection.name, failed)
            self._told("refresh-failed", {**detail, "why": str(failed), "left_s": left})
            if left > 2 * RETRY_LEAST_S:
                self._again(left / 2, connection, registered)
            else:
                self._lost(connection, connection.lose([registered.impu]))
            return
        self._markers.mark("refreshed", **detail)
        self._told("refreshed", {**detail, "expires_s": connection.registered[registered.impu].expires_s})


def _lacks_seamless(refused: Refused, wish: Wish) -> bool:
    """Row 12: the core answers 420 with Unsupported: seamless-ims."""
    response = refused.response
    return response.status == 420 and wish.move is not Move.NONE and SEAMLESS in response.option_tags("Unsupported")


def _release7(wish: Wish) -> Wish:
    return Wish(wish.impu, Move.NONE, (), wish.expires_s, wish.changes, wish.answer)
