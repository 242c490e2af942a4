"""Questions to a running Kamailio: JSON-RPC 2.0 over a UNIX datagram socket, as its module jsonrpcs answers them.

rpc = Rpc(folder)
...                     # Kamailio is started, with the socket rpc.address
rpc.dump("contact")     # {"user@10.1.0.2:40001": "sip:user@10.1.0.2:40001"}
rpc.close()
"""

from __future__ import annotations

import itertools
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from testbed.errors import RigError

ANSWER_S = 5.0
MOST_BYTES = 1 << 20


class Rpc:
    """The socket of one Kamailio in a folder, and those that its answers come to: these last as long as a question."""

    def __init__(self, folder: Path) -> None:
        # A socket's address has room for 107 bytes, a run's folder may have a longer name: both ends take it by our
        # descriptor.
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._numbers = itertools.count(1)

    @property
    def address(self) -> str:
        """Where Kamailio is to listen."""
        return self._address("rpc")

    def call(self, method: str, *params: str) -> Any:
        """The result of a method.  Raises RigError when there is no answer, or an error in it."""
        number = next(self._numbers)
        ours = self._address(f"answer-{number}")
        question = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
            try:
                asker.bind(ours)
                asker.settimeout(ANSWER_S)
                asker.sendto(json.dumps(question).encode(), self.address)
                answer = json.loads(asker.recv(MOST_BYTES))
            except (OSError, ValueError) as refused:
                raise self._refused(method, str(refused)) from refused
            finally:
                with suppress(OSError):
                    Path(ours).unlink()
        if "error" in answer:
            raise self._refused(method, str(answer["error"].get("message", "")))
        return answer["result"]

    def dump(self, table: str) -> dict[str, str | int]:
        """All records of a hash table."""
        slots = self.call("htable.dump", table)
        return {record["name"]: record["value"] for slot in slots for record in slot["slot"]}

    def close(self) -> None:
        os.close(self._folder)

    def _address(self, name: str) -> str:
        return f"/proc/{os.getpid()}/fd/{self._folder}/{name}"

    @staticmethod
    def _refused(method: str, why: str) -> RigError:
        return RigError(
            f"Kamailio gave no answer to {method}: {why}", where="IMS core", mend="see whether it still runs"
        )
