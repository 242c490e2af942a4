"""A modem's AT port by its stable name: opened, lost, and opened again once the modem is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from drivers.modem.at.command import Command
from drivers.modem.errors import PortError, PortGone, PortNotBack
from drivers.modem.port import AtPort
from drivers.modem.transcript import Recorder
from drivers.modem.uevents import DeviceNews
from drivers.modem.usb import PortName

CHECK_S = 0.1  # then we look: not every node in /dev has an event of its own, nor has its owner
BACK_S = 30.0  # a modem that was reset enumerates again after 5 to 25 s


class PortKeeper:
    """Runs commands on the port while it is there; tells when it goes.  Opening again is asked for, never hidden."""

    def __init__(
        self,
        name: PortName,
        on_unsolicited: Callable[[str], None] = lambda line: None,
        on_gone: Callable[[], None] = lambda: None,
        recorder: Recorder | None = None,
    ) -> None:
        self.name = name
        self._on_unsolicited, self._on_gone, self._recorder = on_unsolicited, on_gone, recorder
        self._port: AtPort | None = None

    @property
    def is_open(self) -> bool:
        return self._port is not None and self._port.is_open

    @property
    def path(self) -> str | None:
        """The device node while the port is open."""
        return self._port.path if self._port and self._port.is_open else None

    def open(self) -> None:
        """Open the port now; raises the PortError that says why not."""
        if self.is_open:
            return
        path = self.name.find()
        if path is None:
            mend = "plug the modem in; `testbed modem list` shows all"
            raise PortGone("there is no such port", where=str(self.name), mend=mend)
        self._port = AtPort(path, self._on_unsolicited, self._on_gone, self._recorder)
        self._port.doubt()  # whoever had the port before us may have left half a dialogue

    async def wait_open(self, deadline_s: float = BACK_S) -> None:
        """Open the port as soon as it is there and ours; raises PortNotBack with what was last in the way."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        with DeviceNews() as news:
            while not self.is_open:
                try:
                    self.open()
                except PortError as why:  # busy and forbidden pass as well: udev is about to set the node's owner
                    left = until - loop.time()
                    if left <= 0:
                        what = f"the port is not back after {deadline_s:g} s: {why.what}"
                        raise PortNotBack(what, where=str(self.name), mend=why.mend) from why
                    await news.wait(min(CHECK_S, left))

    async def run(self, command: Command) -> list[str]:
        """Run a command; raises PortGone while the port is away, otherwise as :meth:`AtPort.run`."""
        if not self._port or not self._port.is_open:
            raise PortGone("the port is not open", where=str(self.name), mend="wait until the modem is back")
        return await self._port.run(command)

    def close(self) -> None:
        if self._port:
            self._port.close()
