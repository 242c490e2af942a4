"""The UE in a call with a user agent that is not ours: SIPp, which echoes its media before and after a handoff."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from pathlib import Path

import pytest
from living import Living, living, run

from drivers.host import netns
from testbed.core.core import PEER_MEDIA_PORT

ECHO = "sip:echo@peer.net"
ETH_P_IP = 0x800
TALK_S = 1.0
PACKETS = 30  # at the least, of the 50 that a second has


class Echoes:
    """What has come back from SIPp's media port, by the UE's address."""

    def __init__(self, up: Living) -> None:
        with netns.inside(up.rig.namespace("ue")):
            self._tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self._tap.setblocking(False)

    def since(self) -> Counter[str]:
        """Since the last time that was asked."""
        found: Counter[str] = Counter()
        while True:
            try:
                packet, (_, _, kind, *_) = self._tap.recvfrom(2048)
            except BlockingIOError:
                return found
            udp = packet[9] == socket.IPPROTO_UDP and kind == socket.PACKET_HOST
            if udp and int.from_bytes(packet[20:22], "big") == PEER_MEDIA_PORT:
                found[socket.inet_ntoa(packet[16:20])] += 1

    def close(self) -> None:
        self._tap.close()


@pytest.mark.simulated
@pytest.mark.parametrize("how", ["re-invite", "replaces"])
def test_a_call_to_sipp_is_handed_over_and_its_media_comes_back_over_the_new_access(tmp_path: Path, how: str) -> None:
    with living(tmp_path, "peer-sipp") as up:
        run(_talk(up, how))


async def _talk(up: Living, how: str) -> None:
    lte, wifi = (up.plan.accesses[name].address(4).address for name in ("lte", "wifi"))
    echoes = Echoes(up)
    async with up.ue() as ue:
        await ue.order("attach", access="lte")
        await ue.order("register", access="lte")
        await ue.order("call", access="lte", to=ECHO)
        await asyncio.sleep(TALK_S)
        heard = echoes.since()
        assert set(heard) == {lte} and heard[lte] > PACKETS
        await ue.order("attach", access="wifi")
        await ue.order("register", access="wifi", move="global")
        await ue.order("move", access="wifi", how=how)
        await asyncio.sleep(TALK_S / 2)  # the last echoes to lte
        echoes.since()
        await asyncio.sleep(TALK_S)
        heard = echoes.since()
        assert set(heard) == {wifi} and heard[wifi] > PACKETS
        await ue.order("hang-up")
        await asyncio.sleep(TALK_S)
        assert up.core.scscf_state().sessions == []
    echoes.close()
