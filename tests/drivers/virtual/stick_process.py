"""A virtual stick in a process of its own, as a rig has it: started, given orders, ended."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from virtual_modem import DOMAIN, ICCID, IMEI, IMPI, IMPUS, IMSI, OPC, K

from drivers.virtual.orders import Client

END_DEADLINE_S = 20.0
SIM = {"imsi": IMSI, "iccid": ICCID, "impi": IMPI, "impus": IMPUS, "domain": DOMAIN, "k": K.hex(), "opc": OPC.hex()}
PDNS = {
    "internet": {"addresses": [["10.1.0.2/24", "10.1.0.1"]], "dns": ["10.9.0.53"]},
    "ims": {"addresses": [["10.2.0.2/24", "10.2.0.1"]], "dns": ["10.9.0.53"], "pcscf": ["10.2.0.10", "10.2.0.11"]},
}


def plan(name: str, model: str = "quectel-ec25", **more: Any) -> dict[str, Any]:
    """A stick with a card, and a network that has the APNs internet and ims."""
    own = {"name": name, "model": model, "serial": "rig0001", "imei": IMEI, "sim": SIM, "pdns": PDNS}
    return {**own, **more}


@contextmanager
def process() -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    """The process and the socket to it; it must end by itself when the socket closes."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    argv = [sys.executable, "-m", "testbed.rig.stick", str(theirs.fileno())]
    child = subprocess.Popen(argv, pass_fds=(theirs.fileno(),))
    theirs.close()
    client = Client(ours)
    try:
        yield child, client
    finally:
        client.close()
        try:
            child.wait(END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise
    assert child.returncode in (0, -9)
