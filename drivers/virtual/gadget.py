"""A stick's USB side: a gadget made by configfs, with an AT port and a network device (Linux, gadget_configfs.rst).

The real drivers of the kernel enumerate it.  A vendor-specific AT port lies on FunctionFS, whose file system has to be
served (functionfs.py) before the stick can be plugged in; an ACM port and the network device the kernel serves itself.

What is made outlives us, so :meth:`Gadget.undo_entries` says beforehand what undoes it, as lines for a rig's journal.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.errors import DriverError
from drivers.host import mounts
from drivers.virtual.models import Model

CONFIGFS = Path("/sys/kernel/config")
GADGETS = CONFIGFS / "usb_gadget"
CONTROLLERS = Path("/sys/class/udc")
RUN = Path("/run")
ENGLISH = "strings/0x409"  # USB's number for English (United States)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{2,31}")
UndoEntry = tuple[str, Mapping[str, Any]]  # a kind of the journal, and what that kind needs to know


@dataclass(frozen=True)
class GadgetPlan:
    """`name` is ours alone, on this whole machine: by it the gadget is found and undone.

    `host_mac` is the address of the stick's network device, `own_mac` that of its other end, the gadget's.
    `controller` is a UDC (a name in /sys/class/udc); None takes one that is free.
    """

    name: str
    model: Model
    serial: str
    host_mac: str
    own_mac: str
    controller: str | None = None


class Gadget:
    """One gadget.  `make`, then `plug` and `unplug` as often as wanted, then `remove`."""

    def __init__(self, plan: GadgetPlan) -> None:
        if not NAME.fullmatch(plan.name):
            raise DriverError(f"{plan.name!r} is no name for a gadget", mend="use letters, digits and dashes")
        self.plan = plan
        self.where = f"virtual stick {plan.name}"
        self._path = GADGETS / plan.name
        # What :func:`undo` needs to know; that configfs was not mounted before is true until we make the gadget only.
        self._undo: Mapping[str, Any] = {"name": plan.name, "configfs": not mounts.is_mounted(CONFIGFS)}
        self.at_folder = RUN / f"{plan.name}.at"  # where FunctionFS is mounted

    def undo_entries(self) -> list[UndoEntry]:
        """To be written down before :meth:`make`, in this order; undone from the last to the first."""
        entries: list[UndoEntry] = []
        if self.plan.model.at_port == "vendor":
            entries.append(("folder", {"path": str(self.at_folder)}))
            entries.append(("mount", {"target": str(self.at_folder)}))
        entries.append(("usb-gadget", self._undo))
        return entries

    def make(self) -> None:
        """Describe the device to the kernel.  Raises DriverError; what was made by then is taken away again."""
        if not mounts.is_mounted(CONFIGFS):
            with self._refusals("configfs"):
                mounts.mount("none", CONFIGFS, 0, "configfs")
        if not GADGETS.is_dir():
            mend = "modprobe libcomposite dummy_hcd, or run on the rig kernel: testbed kernel build"
            raise DriverError("this kernel has no USB gadgets", where=self.where, mend=mend)
        try:
            with self._refusals("the gadget"):
                self._describe()
        except BaseException:
            self.remove()
            raise

    def plug(self) -> None:
        """Plug it in.  The kernel enumerates it from here on by itself."""
        with self._refusals("plugging it in"):
            (self._path / "UDC").write_text(self.controller())

    def unplug(self) -> None:
        """Pull it out; it may be out already."""
        unplug(self.plan.name)

    def controller(self) -> str:
        """The device controller that it is, or would be, plugged into."""
        if self.plan.controller:
            return self.plan.controller
        current = (self._path / "UDC").read_text().strip()
        if current:
            return current
        there = sorted(controller.name for controller in CONTROLLERS.iterdir()) if CONTROLLERS.is_dir() else []
        free = [name for name in there if not (CONTROLLERS / name / "function").read_text().strip()]
        if not free:
            mend = "one stick needs one controller: load dummy_hcd with num=N"
            taken = ", ".join(there) or "there are none"
            raise DriverError(f"no USB device controller is free ({taken})", where=self.where, mend=mend)
        return free[0]

    def nic(self) -> str:
        """The name that the kernel gave to the gadget's end of the network device; known from the first plug on."""
        return (self._path / "functions" / self._nic_function / "ifname").read_text().strip()

    def at_node(self) -> Path:
        """The gadget's end of an ACM port."""
        return Path(f"/dev/ttyGS{(self._path / 'functions/acm.at/port_num').read_text().strip()}")

    def remove(self) -> None:
        """Take all of it away."""
        undo(self._undo)
        if mounts.is_mounted(self.at_folder):
            mounts.unmount(self.at_folder)
        if self.at_folder.is_dir():
            self.at_folder.rmdir()

    @property
    def _nic_function(self) -> str:
        return f"{self.plan.model.nic}.nic"

    def _describe(self) -> None:
        plan, path = self.plan, self._path
        path.mkdir()
        (path / "idVendor").write_text(f"0x{plan.model.vendor_id:04x}")
        (path / "idProduct").write_text(f"0x{plan.model.product_id:04x}")
        (path / ENGLISH).mkdir()
        strings = {
            "manufacturer": plan.model.usb_manufacturer,
            "product": plan.model.usb_product,
            "serialnumber": plan.serial,
        }
        for name, value in strings.items():
            (path / ENGLISH / name).write_text(value)
        nic = path / "functions" / self._nic_function
        nic.mkdir()
        (nic / "host_addr").write_text(plan.host_mac)
        (nic / "dev_addr").write_text(plan.own_mac)
        at = path / "functions" / (f"ffs.{plan.name}" if plan.model.at_port == "vendor" else "acm.at")
        at.mkdir()
        if plan.model.at_port == "vendor":
            self.at_folder.mkdir()
            mounts.mount(plan.name, self.at_folder, 0, "functionfs")
        (path / "configs/c.1").mkdir()
        for function in (at, nic):  # in this order the AT port has the lower interface numbers
            (path / "configs/c.1" / function.name).symlink_to(function)

    @contextmanager
    def _refusals(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as refused:
            mend = {
                errno.EEXIST: "another stick has that name, or a dead one left it: testbed clean",
                errno.EBUSY: "another gadget holds the controller: one stick needs one (dummy_hcd num=N)",
                errno.EPERM: "run as root, or with --kernel uml",
                errno.EACCES: "run as root, or with --kernel uml",
                errno.ENODEV: "the AT port is not served: open it before plugging in",
            }.get(refused.errno or 0)
            raise DriverError(f"{what}: {refused.strerror}", where=self.where, mend=mend) from refused


def there(values: Mapping[str, Any]) -> list[str]:
    """What is left of a gadget, as sentences; `values` are those of its undo entry."""
    left = [f"USB gadget {values['name']}"] if (GADGETS / values["name"]).is_dir() else []
    return left + ([f"mount on {CONFIGFS}"] if values["configfs"] and mounts.is_mounted(CONFIGFS) else [])


def undo(values: Mapping[str, Any]) -> list[str]:
    """Take a gadget away; configfs too where it was mounted for it and nobody else has a gadget there."""
    done = [f"removed USB gadget {values['name']}"] if remove(values["name"]) else []
    if values["configfs"] and GADGETS.is_dir() and not any(GADGETS.iterdir()):
        mounts.unmount(CONFIGFS, lazily=False)
        done.append(f"unmounted {CONFIGFS}")
    return done


def unplug(name: str) -> None:
    """An empty write to UDC; ENODEV says that it was not plugged in."""
    with contextlib.suppress(FileNotFoundError):
        try:
            (GADGETS / name / "UDC").write_text("\n")
        except OSError as refused:
            if refused.errno != errno.ENODEV:
                raise


def remove(name: str) -> bool:
    """Take a gadget away, pulled out first; True when there was one.  What serves its AT port may still run."""
    path = GADGETS / name
    if not path.is_dir():
        return False
    unplug(name)
    for configuration in (path / "configs").iterdir():
        for entry in configuration.iterdir():
            if entry.is_symlink():
                entry.unlink()
        configuration.rmdir()
    for folder in (path / "functions", path / "strings"):
        for entry in folder.iterdir():
            entry.rmdir()
    path.rmdir()
    return True
