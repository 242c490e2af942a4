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

    Raises PortGone, PortBusy (which names the program), PortForbidden or NotAModem.
    """
    others = holders(path)
    if others:
        raise _busy(path, others)
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
    """Programs that have this device open, as `name (pid)`; only those that this user may look at."""
    device = os.path.realpath(path)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            if any(str(entry.readlink()) == device for entry in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


def _busy(path: str, others: list[str]) -> PortBusy:
    who = f"{', '.join(others)} holds the port" if others else "another program holds the port"
    return PortBusy(who, where=path, mend="end it; ModemManager is kept off by the udev rule of the bench's role")


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
