"""Opening and closing a serial port for ourselves alone, and why that did not work, as one error a reason."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import termios
from pathlib import Path

import serial

from drivers.modem.errors import NotAModem, PortBusy, PortError, PortForbidden, PortGone

BAUD = 115200  # of no meaning to USB; what a UART behind a bridge most often has
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO})
_BUSY = frozenset({errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK})


def open_serial(path: str) -> serial.Serial:
    """Open a port so that no other program gets it (flock and TIOCEXCL), unbuffered and never blocking.

    Raises PortGone, PortBusy (which names the program), PortForbidden or NotAModem.  A program that opened the port
    without locking it is not seen here; it is named when nothing is answered, for it reads our answers.
    """
    try:
        port = serial.Serial(path, BAUD, timeout=0, write_timeout=0, exclusive=True)
    except serial.SerialException as refused:
        raise _why(path, refused) from refused
    except (OSError, ValueError) as refused:  # ENOTTY and the like, from its terminal settings
        raise NotAModem(f"it cannot be set up as a serial port ({refused})", where=path) from refused
    fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
    return port


def close_serial(port: serial.Serial) -> None:
    """Give the port back; it may be gone already."""
    with contextlib.suppress(OSError, ValueError):  # termios.error is an OSError; ValueError: its descriptor is closed
        fcntl.ioctl(port.fileno(), termios.TIOCNXCL)
    with contextlib.suppress(OSError):
        port.close()


def holders(path: str) -> list[str]:
    """Other programs that have this device open, as `name (pid)`; only those that this user may look at.

    It reads every descriptor of every process, 15 ms on a common bench: for when something is wrong, not before.
    """
    device = os.path.realpath(path)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and _holds(process, device):
                found.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


def _holds(process: Path, device: str) -> bool:
    for entry in os.scandir(process / "fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if os.readlink(entry.path) == device:  # noqa: PTH115 - five times as quick, and there may be 100,000
                return True
    return False


def _busy(path: str, others: list[str]) -> PortBusy:
    who = f"{', '.join(others)} holds the port" if others else "somebody holds the port, perhaps this program itself"
    return PortBusy(who, where=path, mend="end that program; ModemManager is kept off by the bench's udev rule")


def _why(path: str, refused: serial.SerialException) -> PortError:
    code = refused.errno
    if code is None and "exclusively lock" in str(refused):  # pyserial gives the number in the text only
        code = errno.EBUSY
    if code in _GONE:
        return PortGone("there is no such device", where=path, mend="plug the modem in; `testbed modem list` shows all")
    if code in _BUSY:
        return _busy(path, holders(path))
    if code in (errno.EACCES, errno.EPERM):
        mend = "join the group dialout, or run as root"
        return PortForbidden("this user may not open it", where=path, mend=mend)
    return NotAModem(f"it is no serial port ({refused})", where=path, mend="name the modem's AT port")
