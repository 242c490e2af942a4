"""A virtual stick at work: firmware, the network behind it, and a body, bound to an event loop.

It is a process of its own (`python -m testbed.rig.stick`): whoever opens its port waits in the kernel until the stick
has answered a control request, and a process cannot wait for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from drivers.errors import DriverError
from drivers.virtual.bodies import Body, PtyBody, UsbBody
from drivers.virtual.card import Aka, Card
from drivers.virtual.faults import Fault
from drivers.virtual.firmware import Firmware
from drivers.virtual.network import ConfiguredNetwork, Network
from drivers.virtual.plan import StickPlan
from drivers.virtual.state import Stat

RESET_S = 0.1  # a modem that is told to reset still says OK
Told = Callable[[Mapping[str, Any]], None]


class Stick:
    """One stick, out of its port at first.  `told` hears what happens to it: USB states, the data call, that it went.

    The methods named `do_...` are the orders of a rig.
    """

    def __init__(self, plan: StickPlan, aka: Aka | None, told: Told, network: Network | None = None) -> None:
        """`network` is a packet core; without one the plan's own stands in."""
        self.plan, self._told = plan, told
        card = Card(plan.subscription, aka) if plan.subscription and aka else None
        self.firmware = Firmware(plan.model, plan.imei, card, fetches_response=plan.fetches_response)
        stand_in = ConfiguredNetwork(plan.pdns, plan.cell, plan.roaming, plan.attach_s, plan.connect_s)
        self.network: Network = network or stand_in
        self.network.watch(self._tick)
        self._card = card
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._boot: asyncio.TimerHandle | None = None
        self._state = "not attached"
        self._data_cid: int | None = None
        self._body: Body = UsbBody(plan, self) if plan.form == "usb" else PtyBody(plan, self)

    def close(self) -> None:
        """Out, and gone."""
        for timer in (self._timer, self._boot):
            if timer:
                timer.cancel()
        self._body.close()

    # What the body tells

    def received(self, data: bytes) -> None:
        self.firmware.receive(data, self._loop.time())
        self._settle()

    def opened(self, is_open: bool) -> None:
        if not is_open:
            self.firmware.port_closed()
        self._told({"event": "at-port", "open": is_open})

    def usb_state(self, state: str) -> None:
        self._state = state
        self._told({"event": "usb", "state": state})

    # Orders

    def do_plug(self) -> None:
        """Plug it in; it boots."""
        if self._boot:
            self._boot.cancel()
            self._boot = None
        self.firmware.power_on(self._loop.time())
        self._body.plug()
        self._settle()

    def do_unplug(self, back_s: float | None = None) -> None:
        """Pull it out, and plug it in again after a while if `back_s` says so."""
        self.firmware.power_off(self._loop.time())
        self._settle()
        self._body.unplug()
        if back_s is not None:
            self._boot = self._loop.call_later(back_s, self.do_plug)

    def do_reboot(self) -> None:
        """The modem starts anew: it goes, and is back when it has booted."""
        self.do_unplug(self.plan.boot_s)

    def do_signal(self, **levels: int) -> None:
        """`rsrp_dbm`, `rsrq_db`, `sinr_db`, `rssi_dbm`; what is left out stays."""
        self.firmware.set_signal(replace(self.firmware.state.signal, **levels), self._loop.time())
        self._settle()

    def do_coverage(self, covered: bool) -> None:
        """Take the cells away, or bring them back."""
        self._stand_in().cover(covered, self._loop.time())

    def do_network(self, attach_cause: int | None = None, connect_causes: Mapping[str, int] | None = None) -> None:
        """What the network refuses from now on: attaching (EMM cause), PDN connections (ESM cause by APN)."""
        network = self._stand_in()
        network.attach_cause = attach_cause
        network.connect_causes = {apn.lower(): cause for apn, cause in (connect_causes or {}).items()}

    def do_detach(self) -> None:
        """The network ends the registration."""
        self._stand_in().detach(self._loop.time())

    def do_deactivate(self, cid: int) -> None:
        """The network ends a context."""
        self._stand_in().deactivate(cid, self._loop.time())

    def do_say(self, line: str) -> None:
        """The modem says this line by itself."""
        self.firmware.volunteer(line, self._loop.time())
        self._settle()

    def do_sim(self, there: bool) -> None:
        """Take the card out of the stick, or put it back; the modem notices when it boots."""
        self.firmware.card = self._card if there else None

    def do_fault(self, kind: str, data: str = "", **values: Any) -> None:
        """Have a fault happen (:mod:`drivers.virtual.faults`); `data` is hexadecimal."""
        try:
            fault = Fault(kind=kind, data=bytes.fromhex(data), **values)  # type: ignore[arg-type]
        except (TypeError, ValueError) as wrong:
            raise DriverError(str(wrong), where=f"fault for virtual stick {self.plan.name}") from wrong
        self.firmware.inject(fault)

    def do_clear_faults(self) -> None:
        self.firmware.faults.clear()

    def do_state(self) -> dict[str, Any]:
        """What it is doing, and which faults have fired."""
        state = self.firmware.state
        return {
            "usb": self._state,
            "stat": Stat(state.stat).name.lower().replace("_", "-"),
            "functionality": state.functionality,
            "contexts": {
                str(cid): {"apn": context.bearer_apn or context.apn, "active": context.active}
                for cid, context in state.contexts.items()
            },
            "data_cid": state.data_cid,
            "signal": asdict(state.signal),
            "faults": [{"kind": fault.kind, "fired": fault.fired} for fault in self.firmware.faults],
        }

    # At work

    def _stand_in(self) -> ConfiguredNetwork:
        if not isinstance(self.network, ConfiguredNetwork):
            raise DriverError("its network is a packet core: tell that one", where=f"virtual stick {self.plan.name}")
        return self.network

    def _settle(self) -> None:
        """Carry out what the firmware wants, and set the clock for what comes next."""
        now = self._loop.time()
        while requests := self.firmware.requests():
            for request in requests:
                self.network.ask(request, now)
        if data := self.firmware.data_to_send(now):
            self._body.write(data)
        for action in self.firmware.actions():
            if action == "data-call":
                self._carry()
            elif action == "vanish":
                self._told({"event": "vanished"})
                self.do_unplug()
            elif not self._boot:
                self._boot = self._loop.call_later(RESET_S, self.do_reboot)
        self._set_clock()

    def _carry(self) -> None:
        state = self.firmware.state
        if state.data_cid == self._data_cid:
            return
        self._data_cid = cid = state.data_cid
        self._body.carry(cid is not None)
        bearer = state.contexts[cid].bearer if cid else None
        own = [str(one.own) for one in bearer.addresses] if bearer else []
        self._told({"event": "data-call", "cid": cid, "addresses": own})

    def _set_clock(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        times = [one for one in (self.firmware.deadline, self.network.deadline) if one is not None]
        if times:
            self._timer = self._loop.call_at(min(times), self._tick, min(times))

    def _tick(self, due: float = 0.0) -> None:
        now = max(self._loop.time(), due)  # a timer may be called a little early: to the clock's resolution
        for event in self.network.tick(now):
            self.firmware.told(event, now)
        self.firmware.tick(now)
        self._settle()
