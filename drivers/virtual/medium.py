"""A Wi-Fi medium for virtual radios (mac80211_hwsim): carries each frame as far as the air lets it.

    python -m drivers.virtual.medium PLAN.json --moves /run/x --orders /run/y

PLAN.json: `{"radios": {"ap1": {"address": "02:00:5e:10:00:01", "place_m": [0, 0], "power_dbm": 20}, ...}, "seed": 1,
"exponent": 3, "losses_db": [["ap1", "ue", 40]], "channels": {"1": [["ap1", "ue"]]}}`.

What a virtual attenuator tells (`{"channel": 1, "db": 12.25}`, see :mod:`drivers.virtual.attenuator`) is taken from the
UNIX datagram socket `--moves`: the links of that channel get so much weaker.  Orders of a rig come to `--orders`, see
:mod:`drivers.virtual.medium_orders`.  Without a frame nothing runs here: it may be used in simulated time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivers.errors import DriverError, TestbedError
from drivers.rf.limits import Limits
from drivers.virtual.air import Air, Frame, Link, Radio
from drivers.virtual.hwsim import CTL_NO_ACK, AddressChange, Hwsim, SentFrame
from drivers.virtual.medium_orders import Server

LIMITS = Limits(0.0, 120.0, 0.25)  # as the attenuators of a bench
NOWHERE_DBM = -100  # told to a sender with a frame that nobody acknowledged
LAST_OF_2_GHZ, LAST_OF_5_GHZ = 11, 7  # the highest index in a band's table of rates

logger = logging.getLogger(__name__)


class Medium:
    """The medium at work, in the running event loop; `addresses` are those of the radios, by their names."""

    def __init__(self, air: Air, addresses: Mapping[str, bytes]) -> None:
        self.air = air
        self._addresses = dict(addresses)
        self._names = {address: name for name, address in addresses.items()}
        self._owners = dict(self._names)  # of every address that frames are sent to
        self._hwsim: Hwsim | None = None

    def open(self) -> None:
        """From now on the radios hear each other only through us."""
        self._hwsim = Hwsim()
        try:
            self._hwsim.register()
        except BaseException:
            self.close()
            raise
        asyncio.get_running_loop().add_reader(self._hwsim, self._read)

    def close(self) -> None:
        """The radios hear each other as if there were no air between them."""
        if self._hwsim:
            asyncio.get_running_loop().remove_reader(self._hwsim)
            self._hwsim.close()
            self._hwsim = None

    def attenuator(self, links: Sequence[Link]) -> LinkAttenuator:
        """One lever over one or several links."""
        return LinkAttenuator(self.air, links)

    def _read(self) -> None:
        assert self._hwsim is not None
        for event in self._hwsim.events():
            if isinstance(event, AddressChange):
                self._readdress(event)
            elif name := self._names.get(event.transmitter):
                if event.source and not event.source[0] & 1:
                    self._owners[event.source] = name
                self._carry(self._hwsim, name, event)
            else:  # a radio that is not in the plan: it speaks to nobody
                self._hwsim.report(event, tuple(rate.tries for rate in event.rates), False, NOWHERE_DBM)

    def _readdress(self, change: AddressChange) -> None:
        if change.added and (name := self._names.get(change.transmitter)):
            self._owners[change.address] = name
        elif not change.added and change.address not in self._names:
            self._owners.pop(change.address, None)

    def _carry(self, hwsim: Hwsim, sender: str, sent: SentFrame) -> None:
        # An address that nobody has becomes a name that nobody has: no radio receives it.
        to = None if sent.is_to_all else self._owners.get(sent.destination, "")
        outcome = self.air.carry(Frame(sender, to, len(sent.data), sent.frequency_mhz, sent.rates))
        received, signal_dbm = False, NOWHERE_DBM
        for reception in outcome.receptions:
            rate = sent.rates[min(len(outcome.tries), len(sent.rates)) - 1]
            last = LAST_OF_2_GHZ if sent.frequency_mhz < 4000 else LAST_OF_5_GHZ
            index = last if rate.mcs else min(rate.index, last)
            if hwsim.deliver(sent, self._addresses[reception.radio], reception.signal_dbm, index):
                received, signal_dbm = True, reception.signal_dbm
        acknowledged = received and outcome.acknowledged and not sent.flags & CTL_NO_ACK
        # A radio that is off, or on another channel, acknowledges none of the tries either.
        tries = outcome.tries if acknowledged or sent.is_to_all else tuple(rate.tries for rate in sent.rates)
        hwsim.report(sent, tries, acknowledged, signal_dbm)


class LinkAttenuator:
    """An :class:`drivers.protocols.Attenuator` made of air."""

    def __init__(self, air: Air, links: Sequence[Link], limits: Limits = LIMITS) -> None:
        if not links:
            raise DriverError("an attenuator has one link at least", where="virtual medium")
        self._air, self._links, self.limits = air, tuple(links), limits
        self.where = "virtual medium, " + ", ".join("-".join(sorted(link)) for link in links)
        for link in links:
            air.attenuation_db(link)  # raises where there is no such link

    def set_attenuation_db(self, db: float) -> float:
        wanted = self.limits.checked(db, self.where)
        for link in self._links:
            self._air.attenuate(link, wanted)
        return wanted

    def attenuation_db(self) -> float:
        return self._air.attenuation_db(self._links[0])


def from_plan(plan: Mapping[str, Any]) -> tuple[Medium, dict[int, LinkAttenuator]]:
    """A medium, and what each channel of an attenuator moves; raises DriverError that names what the plan lacks."""
    try:
        radios = {
            name: Radio(name, float(each.get("power_dbm", 20.0)), tuple(each.get("place_m", (0.0, 0.0))))
            for name, each in plan["radios"].items()
        }
        addresses = {name: bytes.fromhex(each["address"].replace(":", "")) for name, each in plan["radios"].items()}
        losses = {frozenset((one, other)): float(db) for one, other, db in plan.get("losses_db", ())}
        air = Air(radios, int(plan.get("seed", 0)), float(plan.get("exponent", 3.0)), losses)
        medium = Medium(air, addresses)
        channels = {
            int(number): medium.attenuator([frozenset(link) for link in links])
            for number, links in plan.get("channels", {}).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise DriverError(f"its plan is none: {wrong!r}", where="virtual medium") from wrong
    return medium, channels


class _Moves(asyncio.DatagramProtocol):
    """What attenuators tell."""

    def __init__(self, channels: Mapping[int, LinkAttenuator]) -> None:
        self._channels = channels

    def datagram_received(self, data: bytes, _: Any) -> None:
        try:
            told = json.loads(data)
            lever = self._channels.get(int(told["channel"]))
            if lever:
                lever.set_attenuation_db(float(told["db"]))
        except (ValueError, KeyError, TypeError, TestbedError) as unclear:
            logger.warning("virtual medium: not a move: %s", unclear)


async def _serve(arguments: argparse.Namespace) -> None:
    medium, channels = from_plan(json.loads(arguments.plan.read_text()))
    medium.open()
    server = Server(medium, arguments.orders) if arguments.orders else None
    try:
        if arguments.moves:
            stream = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            stream.bind(arguments.moves)
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Moves(channels), sock=stream)
        print(json.dumps({"ready": sorted(medium.air.radios)}), flush=True)
        await asyncio.Event().wait()
    finally:
        if server:
            server.close()
        medium.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="A Wi-Fi medium for virtual radios.")
    parser.add_argument("plan", type=Path)
    parser.add_argument("--moves", help="UNIX datagram socket that is told what attenuators do")
    parser.add_argument("--orders", help="UNIX socket that takes orders")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(parser.parse_args()))
    except TestbedError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
