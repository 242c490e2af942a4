"""The eNB's user plane: GTP-U tunnels on one side, the UEs' devices on the other, on an asyncio event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from ipaddress import IPv4Address

from drivers.errors import DriverError
from drivers.virtual.ran import gtpu
from drivers.virtual.ran.effects import TunnelUp
from drivers.virtual.ran.errors import PeerFault
from drivers.virtual.ran.tunnel import MAX_PACKET, TunDevice, place

Key = tuple[Hashable, int]  # a UE and the default bearer of one of its PDN connections
BUFFER = 1 << 20


@dataclass
class Counts:
    """Packets, and those that had no tunnel or no device to go to."""

    up: int = 0
    down: int = 0
    lost: int = 0


class UserPlane:
    """All tunnels of an eNB.

    A dedicated bearer's tunnel brings packets to the device of its connection; what the UE sends leaves by the default
    bearer.  `idle` is told of a UE that wants to send and has no tunnel.
    """

    def __init__(self, own: IPv4Address, namespace: str | None, idle: Callable[[Hashable], None]) -> None:
        """Raises DriverError where the address is not here, or somebody has its port."""
        self.counts = Counts()
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._tunnels: dict[int, TunnelUp] = {}
        self._linked: dict[Key, int] = {}
        self._devices: dict[Key, TunDevice] = {}
        with place(namespace):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            self._socket.bind((str(own), gtpu.PORT))
        except OSError as refused:
            self._socket.close()
            raise DriverError(f"GTP-U cannot be had: {refused.strerror}", where=f"{own}:{gtpu.PORT}") from refused
        self._loop.add_reader(self._socket, self._down)

    def tunnel_up(self, tunnel: TunnelUp) -> None:
        self._tunnels[tunnel.teid] = tunnel
        self.listen(tunnel.ue)

    def listen(self, ue: Hashable) -> None:
        """Hear again what a UE wants to send: it waits in the device since there was no tunnel for it."""
        for (owner, bearer), device in self._devices.items():
            if owner == ue:
                self._loop.add_reader(device, self._up, ue, bearer, device)

    def tunnel_down(self, teid: int) -> None:
        self._tunnels.pop(teid, None)

    def link(self, ue: Hashable, bearer: int, default: int) -> None:
        """A dedicated bearer belongs to the connection of a default one."""
        self._linked[ue, bearer] = default

    def attach(self, ue: Hashable, bearer: int, device: TunDevice) -> None:
        """A PDN connection's device; its packets go to the tunnel of the same bearer."""
        self._devices[ue, bearer] = device
        self._loop.add_reader(device, self._up, ue, bearer, device)

    def detach(self, ue: Hashable, bearer: int) -> None:
        self._linked.pop((ue, bearer), None)
        device = self._devices.pop((ue, bearer), None)
        if device:
            self._loop.remove_reader(device)
            device.close()

    def close(self) -> None:
        for ue, bearer in list(self._devices):
            self.detach(ue, bearer)
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _up(self, ue: Hashable, bearer: int, device: TunDevice) -> None:
        tunnel = next((one for one in self._tunnels.values() if (one.ue, one.bearer) == (ue, bearer)), None)
        if tunnel is None:  # the packets wait in the device's queue
            self._loop.remove_reader(device)
            self._idle(ue)
            return
        for packet in device.read():
            self.counts.up += 1
            self._send(gtpu.encode(tunnel.peer_teid, packet), (str(tunnel.peer), gtpu.PORT))

    def _down(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, peer = self._socket.recvfrom(MAX_PACKET)
                with contextlib.suppress(PeerFault):
                    self._received(gtpu.decode(data), peer)

    def _received(self, packet: gtpu.Packet, peer: tuple[str, int]) -> None:
        if packet.kind == gtpu.ECHO_REQUEST:
            self._send(gtpu.echo_response(packet), peer)
        if packet.kind != gtpu.G_PDU:
            return
        tunnel = self._tunnels.get(packet.teid)
        device = None
        if tunnel:
            key = (tunnel.ue, tunnel.bearer)
            device = self._devices.get((tunnel.ue, self._linked.get(key, tunnel.bearer)))
        if device is None:
            self.counts.lost += 1
            return
        self.counts.down += 1
        device.write(packet.payload)

    def _send(self, data: bytes, peer: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):  # a full queue loses packets, as a radio does
            self._socket.sendto(data, peer)
