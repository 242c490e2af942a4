"""The HSS of a rig: a Diameter server for Cx over TCP (TS 29.228, TS 29.229), on `python-diameter`.

    python -m testbed.core.hss --listen ADDRESS --realm DOMAIN --peer IDENTITY (--store FILE | --subscribers-on-stdin)

Subscribers come from a store, or as one JSON list on standard input; then nothing of them touches a disk.
It says `ready` on standard output once it listens.  Standard error tells every request with its outcome, without keys.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from diameter.message import Avp, Message, constants
from diameter.message.commands import CapabilitiesExchangeAnswer
from diameter.node import Node
from diameter.node.application import ThreadingApplication
from diameter.node.peer import PeerConnection

from testbed.core.cx import APPLICATION, SUCCESS, UNABLE_TO_COMPLY, VENDOR, Asked, Cx, Outcome
from testbed.core.subscribers import IN_MEMORY, SubscriberStore, from_line
from testbed.errors import TestbedError, UsageError

PORT = 3868  # RFC 6733 11.4
READY, CX_OPEN = "ready", "Cx is open"  # what whoever started us waits for
VERSION, HEADER_BYTES, MOST_BYTES = 1, 20, 1 << 16
NO_STATE_MAINTAINED = 1  # RFC 6733 8.11; TS 29.229 6.1: Cx keeps no Diameter session
log = logging.getLogger("hss")


class _Framing:
    """Lets the bytes of a connection pass while they can be Diameter, and ends it otherwise (RFC 6733 3).

    The library itself would turn for ever around a message that says it is shorter than its own header.
    """

    def __init__(self, connection: PeerConnection) -> None:
        self._connection, self._pass = connection, connection.add_in_bytes
        self._head, self._left = b"", 0  # the start of a message, and how much of the present one is to come

    def __call__(self, data: bytes) -> None:
        rest = data
        while rest:
            if self._left == 0:
                missing = 4 - len(self._head)
                self._head, rest = self._head + rest[:missing], rest[missing:]
                if len(self._head) < 4:
                    break
                length = int.from_bytes(self._head[1:], "big")
                if self._head[0] != VERSION or not HEADER_BYTES <= length <= MOST_BYTES:
                    log.warning("what comes from %s is no Diameter", self._connection.ip)
                    self._connection.close()
                    return
                self._head, self._left = b"", length - 4
            taken = min(len(rest), self._left)
            rest, self._left = rest[taken:], self._left - taken
        self._pass(data)


class _CxNode(Node):
    """A node whose CEA says Cx as TS 29.229 wants it said: vendor-specific.  Kamailio's cdp routes nothing without.

    It says so when all that are to connect have done so.
    """

    wanted: frozenset[str] = frozenset()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connected: set[str] = set()

    def _add_peer_connection(self, conn: PeerConnection, peer_socket: socket.socket, proto: int) -> str | None:
        conn.add_in_bytes = _Framing(conn)
        added: str | None = super()._add_peer_connection(conn, peer_socket, proto)
        return added

    def send_message(self, conn: PeerConnection, message: Message) -> None:
        if isinstance(message, CapabilitiesExchangeAnswer):
            message.append_avp(_application())
            if message.result_code == SUCCESS:
                self._connected.add(conn.host_identity)
                log.info("Cx with %s", conn.host_identity)
                if self._connected >= self.wanted:
                    log.info(CX_OPEN)
        super().send_message(conn, message)


class _CxApplication(ThreadingApplication):
    """Takes Cx requests apart, lets :class:`Cx` decide, puts the answers together.  One request at a time."""

    def __init__(self, cx: Cx) -> None:
        super().__init__(APPLICATION, is_auth_application=True, max_threads=4)
        self._cx, self._one = cx, threading.Lock()
        self._deciders = {
            300: cx.user_authorization,  # command codes of TS 29.229 6.1
            301: cx.server_assignment,
            302: cx.location_info,
            303: cx.multimedia_auth,
        }

    def handle_request(self, message: Any) -> Message:
        began = time.perf_counter()
        decide = self._deciders.get(message.header.command_code)
        if decide is None:
            return self._answer(message, Outcome(constants.E_RESULT_CODE_DIAMETER_COMMAND_UNSUPPORTED, []))
        asked = _asked(message)
        try:
            with self._one:
                outcome = decide(asked)
        except TestbedError as refused:
            log.error("%s of %s: %s", message.name, asked.impi or asked.impu, refused)
            outcome = Outcome(UNABLE_TO_COMPLY, [])
        took_ms = (time.perf_counter() - began) * 1000
        who = asked.impi or asked.impu
        log.info("%s of %s: %s in %.1f ms", message.name, who, outcome.result, took_ms)
        return self._answer(message, outcome)

    def _answer(self, request: Any, outcome: Outcome) -> Message:
        """An answer by raw AVPs: the library's own attributes know SIP-Auth-Data-Item only as RFC 4740's."""
        answer = Message(request.to_answer().header)
        session = next((avp.value for avp in request.avps if avp.code == constants.AVP_SESSION_ID), "")
        answer.append_avp(Avp.new(constants.AVP_SESSION_ID, value=session))
        answer.append_avp(_application())
        if outcome.experimental:
            code = Avp.new(constants.AVP_EXPERIMENTAL_RESULT_CODE, value=outcome.result)
            vendor = Avp.new(constants.AVP_VENDOR_ID, value=VENDOR)
            answer.append_avp(Avp.new(constants.AVP_EXPERIMENTAL_RESULT, value=[vendor, code]))
        else:
            answer.append_avp(Avp.new(constants.AVP_RESULT_CODE, value=outcome.result))
        answer.append_avp(Avp.new(constants.AVP_AUTH_SESSION_STATE, value=NO_STATE_MAINTAINED))
        answer.append_avp(Avp.new(constants.AVP_ORIGIN_HOST, value=self.node.origin_host.encode()))
        answer.append_avp(Avp.new(constants.AVP_ORIGIN_REALM, value=self.node.realm_name.encode()))
        for avp in outcome.avps:
            answer.append_avp(avp)
        return answer


def _application() -> Avp:
    return Avp.new(
        constants.AVP_VENDOR_SPECIFIC_APPLICATION_ID,
        value=[
            Avp.new(constants.AVP_VENDOR_ID, value=VENDOR),
            Avp.new(constants.AVP_AUTH_APPLICATION_ID, value=APPLICATION),
        ],
    )


def _asked(message: Any) -> Asked:
    """What a request asks; an AVP that is not there stays at its default."""
    plain: dict[tuple[int, int], Any] = {}
    for avp in message.avps:
        plain.setdefault((avp.code, avp.vendor_id), avp.value)
    item = plain.get((constants.AVP_TGPP_3GPP_SIP_AUTH_DATA_ITEM, VENDOR), [])
    inner = {avp.code: avp.value for avp in item if avp.vendor_id == VENDOR}
    return Asked(
        impi=str(plain.get((constants.AVP_USER_NAME, 0), "")),
        impu=str(plain.get((constants.AVP_TGPP_PUBLIC_IDENTITY, VENDOR), "")),
        server=str(plain.get((constants.AVP_TGPP_SERVER_NAME, VENDOR), "")),
        vectors=int(plain.get((constants.AVP_TGPP_3GPP_SIP_NUMBER_AUTH_ITEMS, VENDOR), 1)),
        scheme=str(inner.get(constants.AVP_TGPP_3GPP_SIP_AUTHENTICATION_SCHEME, "")),
        authorization=bytes(inner.get(constants.AVP_TGPP_3GPP_SIP_AUTHORIZATION, b"")),
        assignment=int(plain.get((constants.AVP_TGPP_SERVER_ASSIGNMENT_TYPE, VENDOR), 0)),
        authorization_type=int(plain.get((constants.AVP_TGPP_USER_AUTHORIZATION_TYPE, VENDOR), 0)),
    )


def _node(options: argparse.Namespace, cx: Cx) -> Node:
    node = _CxNode(options.listen, options.realm, [options.listen], tcp_port=options.port, vendor_ids=[VENDOR])
    node.vendor_id, node.product_name = VENDOR, "handoff-testbed HSS"
    node.validate_received_request_avps = False  # it takes Cx AVPs for RFC 4740's and misses them
    node.wakeup_interval = 1
    peers = [node.add_peer(f"aaa://{identity}:{PORT}", options.realm) for identity in options.peer]
    node.wanted = frozenset(options.peer)
    node.add_application(_CxApplication(cx), peers)
    return node


def _store(options: argparse.Namespace) -> SubscriberStore:
    if options.store:
        return SubscriberStore(options.store)
    store = SubscriberStore(IN_MEMORY)
    for line in json.load(sys.stdin):
        store.add(from_line(line))
    return store


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.core.hss", description="An HSS that speaks Cx.")
    parser.add_argument("--listen", required=True, help="our IPv4 address; our Diameter identity too")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--realm", required=True, help="the home network's domain")
    parser.add_argument("--peer", action="append", default=[], help="Diameter identity of a CSCF we answer")
    parser.add_argument("--scscf", default="", help="SIP URI of the S-CSCF for users who have none, told to an I-CSCF")
    parser.add_argument("--seed", type=int, help="draw RANDs from it, so that they repeat; random without")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--store", type=Path, help="subscribers, as `testbed subscriber` keeps them")
    source.add_argument("--subscribers-on-stdin", action="store_true")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    # One line per change of a peer's state is worth having; one per message is not, and dumps could hold keys.
    logging.getLogger("diameter.node").setLevel(logging.INFO)
    options = _options(argv)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        draw = os.urandom if options.seed is None else random.Random(f"hss {options.seed}").randbytes
        node = _node(options, Cx(_store(options), draw, options.scscf))
        node.start()
    except OSError as refused:
        where = f"HSS {options.listen}:{options.port}"
        mend = "end the program that holds the port, or check that the address is this host's"
        log.critical("%s", UsageError(f"cannot listen: {refused.strerror}", where=where, mend=mend))
        return 3
    except TestbedError as refused:
        log.critical("%s", refused)
        return refused.exit_code
    print(READY, flush=True)
    ended.wait()
    return 0  # its threads are daemons or wait for each other; nothing of ours is left to flush


if __name__ == "__main__":
    status = main(sys.argv[1:])
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)  # the library's threads would take seconds to end; all state is in the store, committed
