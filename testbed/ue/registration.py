"""Registration: how an IMS connection comes to be, and how bindings move between connections.

TS 24.229 5.1.1 with the extensions of C1-062198: an unprotected REGISTER and its 401, AKA, security associations, a
protected REGISTER and its 200.  Which bindings the REGISTER moves is its `Move`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from testbed.errors import ProductFailure
from testbed.ims.aka import AkaAnswer, MacFailure, SyncFailure, Usim
from testbed.ims.digest import Challenge, DigestClient, initial_authorization
from testbed.ims.errors import PeerFault
from testbed.ims.gruu import Gruus, own_binding
from testbed.ims.headers import Headers, NameAddr
from testbed.ims.message import Request, Response
from testbed.ims.secagree import parse_mechanisms
from testbed.ue import register_answers
from testbed.ue.connection import ConnectionState, ImsConnection, Move, Registered
from testbed.ue.register_answers import longer_s, refused
from testbed.ue.requests import falsify
from testbed.ue.security import SecuritySet
from testbed.ue.stack import SipStack
from testbed.ue.transport import Flow

log = logging.getLogger(__name__)
SEAMLESS = "seamless-ims"
# Challenge, resynchronisation, one more of each where the core lost a race (see `_authenticate`), a longer interval.
TRIES = 5


@dataclass(frozen=True)
class Wish:
    """What a REGISTER asks for.

    `leaving` are contacts that it deregisters, `changes` what a test falsifies in it (see :func:`falsify`); without
    `answer` a challenge is left unanswered.
    """

    impu: str
    move: Move = Move.NONE
    leaving: tuple[NameAddr, ...] = ()
    expires_s: int = 600_000
    changes: Mapping[str, str | None] = field(default_factory=dict)
    answer: bool = True


class Registrar:
    """Registers connections of one UE.  `on_keys` is told of each security set when it is in force."""

    def __init__(self, stack: SipStack, usim: Usim, rng: random.Random, on_keys: Callable[[SecuritySet], None]) -> None:
        self._stack, self._usim, self._rng, self._on_keys = stack, usim, rng, on_keys

    async def register(self, connection: ImsConnection, wish: Wish) -> None:
        """Make a connection active.  Raises ProductFailure when nobody answers, Refused when the network refuses."""
        digest = DigestClient(connection.config.subscription.impi, self._rng)
        connection.move = wish.move
        connection.call_id = f"{self._rng.getrandbits(64):016x}@{connection.host}"
        connection.port_s = connection.transport.bind("server")
        self._offer(connection)
        request = self.build(connection, wish, protected=False)
        flow = await connection.flow(protected=False)
        response = await self._challenged(connection, request, flow)
        asked_s = wish.expires_s
        for _ in range(TRIES):
            if response.status == 401 and wish.answer:
                response = await self._authenticate(connection, response, digest, wish)
            elif more_s := longer_s(response, wish.expires_s):
                wish = replace(wish, expires_s=more_s)
                response = await self._again(connection, wish)
            else:
                break
        self._accepted(connection, wish, response)
        if connection.security and connection.expires_s > asked_s:
            connection.security.extend(connection.expires_s)

    async def update(self, connection: ImsConnection, wish: Wish) -> None:
        """A REGISTER over the connection's own associations (TS 24.229 5.1.1.4): a refresh, another identity, a move.

        A new set of associations is offered, with a new client port.  A network that does not challenge has no use for
        it: the associations that there are then live as long as the registration (TS 33.203 7.4).
        """
        async with connection.registering:
            former = connection.security
            assert former is not None
            offered = self._set(connection)
            kept = former
            try:
                request = self.build(connection, wish, protected=True, offered=offered)
                response = await self._send(connection, request, await connection.flow(protected=True))
                if more_s := longer_s(response, wish.expires_s):
                    wish = replace(wish, expires_s=more_s)
                    response = await self._again(connection, wish, offered)
                if response.status == 401 and wish.answer:
                    connection.security = offered
                    offered.block()
                    digest = DigestClient(connection.config.subscription.impi, self._rng)
                    response = await self._authenticate(connection, response, digest, wish)
                if response.status == 200:
                    kept = connection.security or former
            finally:
                unused = {former, offered, connection.security or former} - {kept}
                connection.security = kept
                for each in unused:
                    each.remove(keep_server_port=True)
                    connection.transport.close_port(each.port_c)
            self._accepted(connection, wish, response)
            kept.extend(max(each.expires_s for each in connection.registered.values()))

    async def deregister(self, connection: ImsConnection, impu: str) -> None:
        """Remove an identity's binding by expires=0 over its connection (TS 24.229 5.1.1.6)."""
        async with connection.registering:
            request = self.build(connection, Wish(impu, Move.ADD, expires_s=0), protected=True)
            connection.answer = await self._send(connection, request, await connection.flow(protected=True))
            if connection.answer.status not in (200, 401, 423):
                raise refused(connection, connection.answer)

    def _offer(self, connection: ImsConnection) -> None:
        """A new offer of associations, and a new port to make it from.

        Kamailio's P-CSCF remembers for 30 s what was offered from an address and port, and would answer a second offer
        from there with the first one's SPIs.
        """
        if connection.security is not None:
            connection.security.remove()
            connection.transport.close_port(connection.security.port_c)
            connection.transport.close_port(connection.port_open)
        connection.port_open = connection.transport.bind("open")
        connection.security = self._set(connection)

    @staticmethod
    def _set(connection: ImsConnection) -> SecuritySet:
        """A set that is still to be agreed, with a client port of its own."""
        config, access = connection.config, connection.access
        ports = (connection.transport.bind("client"), connection.port_s)
        return SecuritySet(connection.xfrm, access.address, access.pcscf, ports, config.alg, config.ealg)

    async def _authenticate(
        self,
        connection: ImsConnection,
        challenged: Response,
        digest: DigestClient,
        wish: Wish,
    ) -> Response:
        """Answer a challenge: protected, or in the open with AUTS when the USIM finds its SQN stale."""
        where = f"registration over {connection.name}"
        challenge = register_answers.challenge(challenged, where)
        result = await self._run_aka(challenge, where)
        if isinstance(result, SyncFailure):
            digest.accept_out_of_sync(challenge, result.auts)
            log.info("%s: SQN is stale, resynchronising", where)
            self._offer(connection)
            flow = await connection.flow(protected=False)
            request = self.build(connection, wish, protected=False, digest=digest)
            return await self._challenged(connection, request, flow)
        digest.accept(challenge, result.res)
        security = self._fresh_set(connection)
        servers = parse_mechanisms(challenged.headers.get_all("Security-Server"))
        if not servers:
            what = "the 401 has no Security-Server: the P-CSCF has set up no associations"
            mend = "see its log; one like Kamailio's has a fixed number of protected ports (CONNECTIONS in pcscf.cfg)"
            raise ProductFailure(what, where=where, mend=mend)
        try:
            security.install(servers, result.ck, result.ik, wish.expires_s)
        except PeerFault as fault:
            raise ProductFailure(fault.what, where=where, mend=fault.mend) from fault
        self._on_keys(security)
        request = self.build(connection, wish, protected=True, digest=digest)
        return await self._send(connection, request, await connection.flow(protected=True))

    async def _again(self, connection: ImsConnection, wish: Wish, offered: SecuritySet | None = None) -> Response:
        """The REGISTER once more for another wish: over the associations that there are, else with a new offer."""
        protected = bool(connection.security and connection.security.associations)
        if not protected:
            self._offer(connection)
        flow = await connection.flow(protected=protected)
        request = self.build(connection, wish, protected=protected, offered=offered)
        return await (self._send if protected else self._challenged)(connection, request, flow)

    def _fresh_set(self, connection: ImsConnection) -> SecuritySet:
        """The set whose offer the challenge answers; after a second challenge a new set replaces the unused one.

        Kamailio's S-CSCF sends its challenge before it has stored the vector, so a UE that answers at once may be
        challenged again.  The first set is then of no use.
        """
        security = connection.security
        assert security is not None
        if security.associations:
            log.info("challenged again over %s, its associations are replaced", connection.name)
            security.remove()
        return security

    async def _run_aka(self, challenge: Challenge, where: str) -> AkaAnswer:
        if not challenge.is_aka:
            mend = "the S-CSCF must be configured for AKAv1-MD5"
            raise ProductFailure(f"challenged with {challenge.algorithm} in place of AKA", where=where, mend=mend)
        try:
            answer = self._usim.authenticate(*challenge.rand_autn())
            return await answer if isinstance(answer, Awaitable) else answer
        except MacFailure as foreign:
            raise ProductFailure(foreign.what, where=where, mend=foreign.mend) from foreign
        except PeerFault as fault:
            raise ProductFailure(fault.what, where=where) from fault

    def build(
        self,
        connection: ImsConnection,
        wish: Wish,
        *,
        protected: bool,
        digest: DigestClient | None = None,
        offered: SecuritySet | None = None,
    ) -> Request:
        """The REGISTER for a wish, with the connection's next CSeq."""
        connection.cseq += 1
        impu, global_ = wish.impu, wish.move is Move.GLOBAL
        own = connection.contact if protected else connection.open_contact
        contacts = [own.with_param("expires", str(wish.expires_s))]
        contacts += [leaving.with_param("expires", "0") for leaving in wish.leaving]
        required = "sec-agree" if wish.move is Move.NONE else f"sec-agree, {SEAMLESS}"
        headers = Headers(
            [
                ("Via", connection.via(protected=protected)),
                ("Max-Forwards", "70"),
                ("P-Access-Network-Info", connection.access.info),
                ("From", f"<{impu}>;tag={self._rng.getrandbits(32):08x}"),
                ("To", f"<{impu}>" + (";imsglobreg" if global_ else "")),
                ("Contact", ", ".join(map(str, contacts))),
                ("Call-ID", connection.call_id),
                ("CSeq", f"{connection.cseq} REGISTER"),
                ("Authorization", self._authorization(connection, digest)),
                ("Require", required),
                ("Proxy-Require", required),
                ("Supported", "path, gruu"),
            ]
        )
        security = offered or connection.security
        assert security is not None
        headers.add("Security-Client", str(security.offer))
        for mechanism in connection.security.verify if protected and connection.security else ():
            headers.add("Security-Verify", mechanism)
        request = Request("REGISTER", connection.config.subscription.registrar, headers)
        falsify(request, wish.changes, protected=protected)
        connection.last_register = request
        return request

    @staticmethod
    def _authorization(connection: ImsConnection, digest: DigestClient | None) -> str:
        subscription = connection.config.subscription
        if digest is not None:
            connection.authorization = digest.authorization("REGISTER", subscription.registrar)
        if not connection.authorization:
            return initial_authorization(subscription.impi, subscription.domain, subscription.registrar)
        return connection.authorization

    async def _challenged(self, connection: ImsConnection, request: Request, flow: Flow) -> Response:
        """Send an unprotected REGISTER; while the network works on it, make our protected ports ready.

        They are closed to cleartext, and the server port takes TCP too.
        """
        _, answered = self._stack.start(request, flow)
        assert connection.security is not None
        connection.security.block()
        if not connection.transport.listens(connection.port_s):
            await connection.transport.listen("server", connection.port_s)
        response = await answered
        self._log(connection, request, response, flow)
        return response

    @staticmethod
    def _log(connection: ImsConnection, request: Request, response: Response, flow: Flow) -> None:
        log.info("%s over %s (%s): %s", request.method, connection.name, flow.role, response.start_line)

    async def _send(self, connection: ImsConnection, request: Request, flow: Flow) -> Response:
        response = await self._stack.request(request, flow)
        self._log(connection, request, response, flow)
        return response

    @staticmethod
    def _accepted(connection: ImsConnection, wish: Wish, response: Response) -> None:
        connection.answer = response
        if response.status != 200:
            raise refused(connection, response)
        own = own_binding(response.contacts, connection.contact.uri)
        granted = int((own and own.params.get("expires")) or response.expires or wish.expires_s)
        addresses = (NameAddr.parse(value) for value in response.headers.values("P-Associated-URI"))
        connection.service_route = response.service_routes or connection.service_route
        connection.registered[wish.impu] = Registered(
            wish.impu,
            tuple(str(address.uri) for address in addresses) or (wish.impu,),
            granted,
            asyncio.get_running_loop().time() + granted,
            wish.expires_s,
            Gruus.of(own) if own else Gruus(),
        )
        connection.state = ConnectionState.ACTIVE
