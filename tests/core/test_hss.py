"""The HSS as a process: what it says, whom it answers, what it survives."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from diameter.message import Avp, Message, constants
from diameter.message.commands import CapabilitiesExchangeRequest, MultimediaAuthRequest

from testbed.core.cx import APPLICATION, SUCCESS, USER_UNKNOWN, VENDOR
from testbed.core.subscribers import Subscriber, to_lines

ADDRESS, REALM, SCSCF = "127.0.0.5", "home1.net", "scscf.home1.net"
K, OPC = bytes(range(16)), bytes(range(100, 116))
ONE = Subscriber("one@home1.net", ("sip:one@home1.net",), K, OPC)
SOON_S = 20
GARBAGE = (b"GET / HTTP/1.1\r\n\r\n" * 4, bytes(200), b"\x01\xff\xff\xff" + bytes(16), b"\x01", b"\x01\x00\x00\x13" * 9)


@contextmanager
def serving(*more: str, subscribers: str = "") -> Iterator[subprocess.Popen[str]]:
    """An HSS with one subscriber on a port of its own."""
    argv = [sys.executable, "-P", "-m", "testbed.core.hss", "--listen", ADDRESS, "--realm", REALM, "--peer", SCSCF]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([*argv, "--subscribers-on-stdin", *more], text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdin
            process.stdin.write(subscribers or json.dumps(list(to_lines([ONE]))))
            process.stdin.close()
            process.stdin = None  # there is no more to say, whoever asks
            yield process
        finally:
            process.kill()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        return int(free.getsockname()[1])


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdout.readline() == "ready\n"


def ended(process: subprocess.Popen[str]) -> str:
    """End it as a core does; what it said."""
    process.send_signal(signal.SIGTERM)
    said = "".join(process.communicate(timeout=SOON_S))
    assert process.returncode == 0
    return said


def read(connection: socket.socket) -> Message:
    connection.settimeout(SOON_S)
    head = connection.recv(20, socket.MSG_WAITALL)
    rest = connection.recv(int.from_bytes(head[1:4], "big") - 20, socket.MSG_WAITALL)
    return Message.from_bytes(head + rest)


def result(answer: Message) -> int:
    found = {avp.code: avp.value for avp in answer.avps}
    if constants.AVP_RESULT_CODE in found:
        return int(found[constants.AVP_RESULT_CODE])
    inner = found[constants.AVP_EXPERIMENTAL_RESULT]
    return int(next(avp.value for avp in inner if avp.code == constants.AVP_EXPERIMENTAL_RESULT_CODE))


def connected(port: int, identity: str = SCSCF) -> tuple[socket.socket, Message]:
    """A connection over which capabilities were exchanged."""
    request = CapabilitiesExchangeRequest()
    request.header.hop_by_hop_identifier = request.header.end_to_end_identifier = 1
    request.origin_host, request.origin_realm = identity.encode(), REALM.encode()
    request.host_ip_address = [ADDRESS]
    request.vendor_id, request.product_name = VENDOR, "test"
    request.supported_vendor_id, request.auth_application_id = [VENDOR], [APPLICATION]
    connection = socket.create_connection((ADDRESS, port), SOON_S)
    connection.sendall(request.as_bytes())
    return connection, read(connection)


def auth_request(impi: str, *extra: Avp) -> Message:
    request = MultimediaAuthRequest()
    request.header.application_id = APPLICATION
    request.header.hop_by_hop_identifier = request.header.end_to_end_identifier = 7
    request.session_id = "test;1"
    request.origin_host, request.origin_realm, request.destination_realm = (
        SCSCF.encode(),
        REALM.encode(),
        REALM.encode(),
    )
    raw = Message.from_bytes(request.as_bytes())
    raw.append_avp(Avp.new(constants.AVP_AUTH_SESSION_STATE, value=1))
    raw.append_avp(Avp.new(constants.AVP_USER_NAME, value=impi))
    raw.append_avp(Avp.new(constants.AVP_TGPP_PUBLIC_IDENTITY, VENDOR, value=f"sip:{impi}"))
    for avp in extra:
        raw.append_avp(avp)
    return raw


def asked(connection: socket.socket, request: Message) -> Message:
    connection.sendall(request.as_bytes())
    return read(connection)


def test_it_says_ready_answers_its_scscf_and_keeps_keys_to_itself(port: int) -> None:
    with serving("--port", str(port)) as process:
        ready(process)
        connection, capabilities = connected(port)
        with connection:
            assert result(capabilities) == SUCCESS
            codes = [avp.code for avp in capabilities.avps]
            assert constants.AVP_VENDOR_SPECIFIC_APPLICATION_ID in codes  # Kamailio routes nothing without
            assert result(asked(connection, auth_request(ONE.impi))) == SUCCESS
            assert result(asked(connection, auth_request("nobody@home1.net"))) == USER_UNKNOWN
        said = ended(process)
    assert f"Cx with {SCSCF}" in said and "Cx is open" in said
    assert f"Multimedia-Auth of {ONE.impi}: 2001" in said and "Multimedia-Auth of nobody@home1.net: 5001" in said
    assert K.hex() not in said and OPC.hex() not in said


def test_a_request_that_makes_no_sense_is_answered_and_the_next_one_too(port: int) -> None:
    def nonsense(code: int, value: bytes) -> Avp:
        return Avp(code, VENDOR, value)

    with serving("--port", str(port)) as process:
        ready(process)
        with connected(port)[0] as connection:
            for avp in (
                nonsense(constants.AVP_TGPP_3GPP_SIP_NUMBER_AUTH_ITEMS, b"x"),
                nonsense(constants.AVP_TGPP_3GPP_SIP_AUTH_DATA_ITEM, b"\xff" * 7),
            ):
                assert result(asked(connection, auth_request(ONE.impi, avp))) >= 3000
            assert result(asked(connection, auth_request(ONE.impi))) == SUCCESS
        ended(process)


def test_who_talks_no_diameter_does_not_stop_it(port: int) -> None:
    with serving("--port", str(port)) as process:
        ready(process)
        for garbage in (b"GET / HTTP/1.1\r\n\r\n" * 4, bytes(200), b"\x01\xff\xff\xff" + bytes(16), b"\x01"):
            with socket.create_connection((ADDRESS, port), SOON_S) as connection:
                connection.sendall(garbage)
        with connected(port)[0] as connection:
            assert result(asked(connection, auth_request(ONE.impi))) == SUCCESS
        ended(process)


def test_a_peer_that_is_not_its_scscf_is_refused(port: int) -> None:
    with serving("--port", str(port)) as process:
        ready(process)
        connection, capabilities = connected(port, "somebody.else")
        connection.close()
        assert result(capabilities) == constants.E_RESULT_CODE_DIAMETER_UNKNOWN_PEER
        assert "Cx is open" not in ended(process)


def test_a_port_in_use_is_told(port: int) -> None:
    with socket.socket() as taken:
        taken.bind((ADDRESS, port))
        taken.listen()
        with serving("--port", str(port)) as process:
            out, said = process.communicate(timeout=SOON_S)
    assert process.returncode == 3 and out == ""
    assert f"HSS {ADDRESS}:{port}: cannot listen: Address already in use" in said


def test_subscribers_that_cannot_be_read_are_told(port: int) -> None:
    with serving("--port", str(port), subscribers='[{"impi": "one@home1.net", "k": "00"}]') as process:
        _, said = process.communicate(timeout=SOON_S)
    assert process.returncode == 2 and "a subscriber cannot be read" in said
