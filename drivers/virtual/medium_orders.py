"""Orders to a virtual medium that runs in a process of its own: JSON objects over SOCK_SEQPACKET, one a packet.

    {"do": "attenuate", "links": [["ap1", "ue"]], "db": 12}   answered with {"db": 12.0}
    {"do": "attenuation", "links": [["ap1", "ue"]]}           {"db": 12.0}
    {"do": "power", "radio": "ap1", "dbm": 10}                {"dbm": 10.0}; without "dbm" it is only told
    {"do": "mute", "radio": "ap1", "on": true}                {}: it sends and nothing leaves it, as a dead antenna
    {"do": "off", "radio": "ap1", "on": true}                 {}: its mains were cut: nothing leaves and nothing comes
    {"do": "move", "radio": "ue", "place_m": [20, 0]}         {}

What cannot be done is answered with {"error": {what, where, mend}}.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import DriverError, TestbedError
from drivers.rf.targets import PowerFade

if TYPE_CHECKING:
    from drivers.virtual.medium import Medium

MAX_ORDER = 1 << 16
ANSWER_S = 5.0


class Server:
    """The medium's end."""

    def __init__(self, medium: Medium, path: str) -> None:
        self._medium, self._path = medium, path
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._clients: set[socket.socket] = set()
        self._listening.bind(path)
        self._listening.listen()
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for each in (self._listening, *self._clients):
            loop.remove_reader(each)
            each.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)  # noqa: PTH108 - as it was bound

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listening.accept()
            client.setblocking(False)
            self._clients.add(client)
            asyncio.get_running_loop().add_reader(client, self._read, client)

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(MAX_ORDER)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(client)
            self._clients.discard(client)
            client.close()
            return
        with contextlib.suppress(OSError):  # it does not listen any more
            client.send(json.dumps(self._obey(data)).encode())

    def _obey(self, data: bytes) -> dict[str, Any]:
        try:
            return self._do(json.loads(data))
        except TestbedError as error:
            return {"error": {"what": error.what, "where": error.where, "mend": error.mend}}
        except (ValueError, KeyError, TypeError) as unclear:
            return {"error": {"what": f"not an order: {unclear!r}", "where": "virtual medium", "mend": None}}

    def _do(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["do"] in ("attenuate", "attenuation"):
            lever = self._medium.attenuator([frozenset(link) for link in order["links"]])
            if order["do"] == "attenuate":
                lever.set_attenuation_db(float(order["db"]))
            return {"db": lever.attenuation_db()}
        radio = self._medium.air.radios[order["radio"]]
        if order["do"] == "power":
            radio.power_dbm = float(order.get("dbm", radio.power_dbm))
            return {"dbm": radio.power_dbm}
        if order["do"] == "mute":
            radio.mute = bool(order["on"])
        elif order["do"] == "off":
            radio.mute = radio.deaf = bool(order["on"])
        elif order["do"] == "move":
            x_m, y_m = order["place_m"]
            radio.place_m = (float(x_m), float(y_m))
        else:
            raise ValueError(order["do"])
        return {}


class Client:
    """The rig's end; each call waits for its answer."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._socket.settimeout(ANSWER_S)
        try:
            self._socket.connect(str(path))
        except OSError as failed:
            self._socket.close()
            raise DriverError(f"is not there: {failed.strerror}", where="virtual medium") from failed

    def close(self) -> None:
        self._socket.close()

    def order(self, verb: str, **values: Any) -> dict[str, Any]:
        """Give an order; raises DriverError with the medium's words, or when it does not answer."""
        try:
            self._socket.send(json.dumps({"do": verb, **values}).encode())
            data = self._socket.recv(MAX_ORDER)
        except OSError as failed:
            raise DriverError(f"{verb}: {failed.strerror or failed}", where="virtual medium") from failed
        if not data:
            raise DriverError(f"{verb}: its process has ended", where="virtual medium")
        answer: dict[str, Any] = json.loads(data)
        if "error" in answer:
            raise DriverError(answer["error"]["what"], where=answer["error"]["where"], mend=answer["error"]["mend"])
        return answer

    def attenuator(self, links: Sequence[Sequence[str]]) -> RemoteAttenuator:
        return RemoteAttenuator(self, links)

    def _set_power(self, radio: str, dbm: float) -> None:
        self.order("power", radio=radio, dbm=dbm)

    def power(self, radio: str, full_dbm: float = 20.0, least_dbm: float = 0.0) -> PowerFade:
        """A radio's transmit power as an attenuator: the kernel does not tell the medium what is set with iw."""
        return PowerFade(
            lambda dbm: self._set_power(radio, dbm),
            lambda: float(self.order("power", radio=radio)["dbm"]),
            full_dbm=full_dbm,
            least_dbm=least_dbm,
            where=f"virtual medium, {radio}",
        )


class RemoteAttenuator:
    """An :class:`drivers.protocols.Attenuator` over links of a medium in another process."""

    def __init__(self, client: Client, links: Sequence[Sequence[str]]) -> None:
        self._client, self._links = client, [list(link) for link in links]

    def set_attenuation_db(self, db: float) -> float:
        return float(self._client.order("attenuate", links=self._links, db=db)["db"])

    def attenuation_db(self) -> float:
        return float(self._client.order("attenuation", links=self._links)["db"])
