"""What a stick's firmware sits in: a USB gadget that the kernel enumerates, or a pseudo-terminal alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from drivers.link import devices
from drivers.modem.pty import PseudoPort
from drivers.virtual import nic
from drivers.virtual.acm import AcmPort
from drivers.virtual.functionfs import FunctionFsPort
from drivers.virtual.gadget import CONTROLLERS, Gadget
from drivers.virtual.plan import NicPlan, StickPlan

NOT_ATTACHED = "not attached"
CONFIGURED = "configured"  # USB 2.0, 9.1.1: the host has chosen a configuration, its drivers may be bound


class Listener(Protocol):
    """What a body tells."""

    def received(self, data: bytes) -> None:
        """The host wrote to the AT port."""

    def opened(self, is_open: bool) -> None:
        """A program on the host opened the AT port, or closed it."""

    def usb_state(self, state: str) -> None:
        """The device's state, as USB 2.0 9.1 names it."""


class Body(Protocol):
    """A body; `plug` and `unplug` may be repeated."""

    def plug(self) -> None: ...
    def unplug(self) -> None: ...
    def write(self, data: bytes) -> None:
        """Send to the host, if it listens."""

    def carry(self, up: bool) -> None:
        """Let the network device carry packets, or not."""

    def close(self) -> None:
        """Take it away."""


class UsbBody:
    """A gadget, its AT port, and the gadget's end of its network device."""

    def __init__(self, plan: StickPlan, listener: Listener) -> None:
        self._plan, self._listener = plan, listener
        self._gadget = Gadget(plan.gadget())
        self._nic: nic.GadgetNic | None = None
        self._up = False
        self._state: _DeviceState | None = None
        self._gadget.make()
        try:
            self._port = self._make_port()
        except BaseException:
            self._gadget.remove()
            raise

    def plug(self) -> None:
        if self._state is None:
            self._state = _DeviceState(self._gadget.controller(), self._changed)
        self._state.follow()
        self._gadget.plug()
        # From the first time on the gadget's end stays, wherever it was moved to.
        if self._nic is None and self._plan.nic:
            self._nic = self._place(self._plan.nic)

    def unplug(self) -> None:
        self._gadget.unplug()
        self._port.unplugged()
        if self._state:
            self._state.leave()

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def carry(self, up: bool) -> None:
        if self._nic and up != self._up:
            self._nic.up() if up else self._nic.down()
            self._up = up

    def close(self) -> None:
        self._gadget.unplug()
        if self._state:
            self._state.close()
        if self._nic:
            self._nic.close()
        self._port.close()
        self._gadget.remove()

    def _make_port(self) -> FunctionFsPort | AcmPort:
        model = self._plan.model
        if model.at_port == "acm":
            return AcmPort(self._gadget.at_node(), self._listener.received)
        listener = self._listener
        return FunctionFsPort(self._gadget.at_folder, model.at_interface, listener.received, listener.opened)

    def _place(self, plan: NicPlan) -> nic.GadgetNic:
        devices.move(self._gadget.nic(), plan.namespace, plan.name, index=plan.index)
        return nic.GadgetNic(plan.name, plan.namespace, plan.addresses)

    def _changed(self, state: str) -> None:
        if isinstance(self._port, AcmPort):
            (self._port.plugged if state == CONFIGURED else self._port.unplugged)()
            self._listener.opened(state == CONFIGURED)
        self._listener.usb_state(state)


class PtyBody:
    """The AT port alone; with each plug a new pseudo-terminal, behind the same link."""

    def __init__(self, plan: StickPlan, listener: Listener) -> None:
        self._link, self._listener = Path(plan.link), listener
        self._port: PseudoPort | None = None

    def plug(self) -> None:
        if self._port is None:
            self._port = PseudoPort(self._listener.received)
            new = self._link.with_name(self._link.name + ".new")
            new.unlink(missing_ok=True)
            new.symlink_to(self._port.path)
            new.replace(self._link)
            self._listener.opened(True)
            self._listener.usb_state(CONFIGURED)

    def unplug(self) -> None:
        if self._port:
            self._link.unlink(missing_ok=True)
            self._port.close()
            self._port = None
            self._listener.usb_state(NOT_ATTACHED)

    close = unplug

    def write(self, data: bytes) -> None:
        if self._port:
            self._port.write(data)

    def carry(self, up: bool) -> None:
        """There is no network device."""


class _DeviceState:
    """Follows /sys/class/udc/NAME/state, which the kernel announces as a priority event and never otherwise.

    When a gadget is taken from its controller the file keeps saying what it said before.
    """

    def __init__(self, controller: str, told: Callable[[str], None]) -> None:
        self._told, self._last, self._followed = told, NOT_ATTACHED, False
        self._descriptor = os.open(CONTROLLERS / controller / "state", os.O_RDONLY | os.O_CLOEXEC)
        self._poll = select.epoll()
        self._loop = asyncio.get_running_loop()
        os.pread(self._descriptor, 64, 0)  # what was before is no event
        # The file itself counts as readable always; an epoll of priority events alone is readable when there is one.
        self._poll.register(self._descriptor, select.EPOLLPRI)
        self._loop.add_reader(self._poll, self._changed)

    def follow(self) -> None:
        """It is about to be plugged in."""
        self._followed = True

    def leave(self) -> None:
        """It has been pulled out."""
        self._followed = False
        self._tell(NOT_ATTACHED)

    def close(self) -> None:
        self._loop.remove_reader(self._poll)
        self._poll.close()
        os.close(self._descriptor)

    def _changed(self) -> None:
        self._poll.poll(0)
        with contextlib.suppress(OSError):
            state = os.pread(self._descriptor, 64, 0).decode().strip()
            if self._followed:
                self._tell(state)

    def _tell(self, state: str) -> None:
        if state != self._last:
            self._last = state
            self._told(state)
