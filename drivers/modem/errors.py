"""What can be wrong with a modem, each state a type of its own, so that a caller can tell them apart."""

from __future__ import annotations

from drivers.errors import DriverError


class ModemError(DriverError):
    """Root of everything that a modem, its port or its card did or did not do."""


class PortError(ModemError):
    """There is no talking to the port at the moment; the subclass says why."""


class PortGone(PortError):
    """The device is not there: never was, or was pulled out."""


class PortNotBack(PortError):
    """The device went away and did not come back within the time given."""


class PortBusy(PortError):
    """Another program holds the port."""


class PortForbidden(PortError):
    """This user may not open the port."""


class NotAModem(PortError):
    """The path is no serial port, or one that cannot be set up as one."""


class Unanswered(ModemError):
    """A command was sent and no final result code came in time."""


class Silent(Unanswered):
    """The port answers nothing at all, not even AT."""


class Aborted(ModemError):
    """The command was given up by whoever asked for it."""


class Refused(ModemError):
    """The modem answered a command with an error; `code` is what followed +CME ERROR: or +CMS ERROR:."""

    def __init__(
        self, what: str, *, code: str | None = None, where: str | None = None, mend: str | None = None
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.code = code


class ResponseError(ModemError):
    """Text that is no answer to the command it was read for."""


class SimError(ModemError):
    """The card is missing, locked, or refuses."""


class SimMissing(SimError):
    """There is no card in the modem, or it does not see it."""


class SimLocked(SimError):
    """The card or the modem wants a code; we never guess one."""


class CardRefused(SimError):
    """The card answered an APDU with a status word that is no success (ETSI TS 102 221 10.2.1)."""

    def __init__(self, what: str, *, status: int, where: str | None = None, mend: str | None = None) -> None:
        super().__init__(what, where=where, mend=mend)
        self.status = status


class ForeignNetwork(SimError):
    """The card says that AUTN was not made by its home network (status word 9862, TS 31.102 7.1.2.1)."""


class NoService(ModemError):
    """The modem is not registered: denied, searching, or roaming where that is not wanted."""


class ContextRefused(ModemError):
    """The network or the modem refused to activate a context: a wrong APN above all."""


class NoDataCall(ModemError):
    """This vendor's data call cannot be made over AT; the error says with what it can."""
