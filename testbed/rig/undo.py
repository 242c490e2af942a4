"""The kinds of things that a rig makes outside its process, and how each is undone.

Undoing is exact: it takes away what we made and nothing else of the same name, and what is gone already is no error.
Each `there` tells what is left, as sentences, and each `undo` takes it away and tells what it did.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from drivers.host import mounts, netns, processes
from drivers.link import devices
from drivers.modem import usb_port
from drivers.virtual import gadget

PATIENCE_S = 5.0  # from SIGTERM to SIGKILL

Values = Mapping[str, Any]


class Kind(Protocol):
    """What the journal may ask of a kind."""

    def there(self, values: Values) -> list[str]:
        """What is left, a sentence each."""

    def undo(self, values: Values) -> list[str]:
        """Take it away; a sentence for each thing done.  Raises when something stays that should not."""


class Namespaces:
    """`{"names": [...], "mark": ...}`: network namespaces, each with the mark; links, SAs and routes go with them."""

    def there(self, values: Values) -> list[str]:
        return [
            f"network namespace {name}"
            for name in values["names"]
            if netns.is_namespace(name) and netns.read_mark(name) == values["mark"]
        ]

    def undo(self, values: Values) -> list[str]:
        mark = values["mark"]
        return [f"removed network namespace {name}" for name in values["names"] if netns.remove(name, mark)]


class NamespaceFolder:
    """`{"made": ...}`: the mount on the folder of names, which was not there before, and the folder itself where it was
    made; both stay while anybody has a namespace."""

    def there(self, values: Values) -> list[str]:
        return [f"mount on {netns.FOLDER}, where nobody else has a namespace"] if netns.folder_is_shared() else []

    def undo(self, values: Values) -> list[str]:
        return [f"unmounted {netns.FOLDER}"] if netns.unshare_folder(values["made"]) else []


class Processes:
    """`{"token": ...}`: every process with this token in its environment."""

    def there(self, values: Values) -> list[str]:
        with processes.bearing(values["token"]) as found:
            return [str(process) for process in found]

    def undo(self, values: Values) -> list[str]:
        return [f"ended {process}" for process in processes.end(values["token"], PATIENCE_S)]


class Mount:
    """`{"target": ...}`: a mount at a place of our own."""

    def there(self, values: Values) -> list[str]:
        return [f"mount on {values['target']}"] if mounts.is_mounted(Path(values["target"])) else []

    def undo(self, values: Values) -> list[str]:
        if not mounts.is_mounted(Path(values["target"])):
            return []
        mounts.unmount(Path(values["target"]))
        return [f"unmounted {values['target']}"]


class Folder:
    """`{"path": ...}`: a folder whose name is ours alone, with what is in it, but for mounts."""

    def there(self, values: Values) -> list[str]:
        return [f"folder {values['path']}"] if Path(values["path"]).is_dir() else []

    def undo(self, values: Values) -> list[str]:
        path = Path(values["path"])
        if not path.is_dir() or path.is_symlink():
            return []
        inside = str(path).encode() + b"/"
        if any(place.startswith(inside) for place in mounts.mounted()):
            raise OSError(f"{path}: something is mounted in it")
        shutil.rmtree(path)
        return [f"removed folder {path}"]


class UsbGadget:
    """`{"name": ..., "configfs": ...}`: a virtual stick's USB gadget, whose name is ours alone, and its network device;
    configfs too, where it was mounted for it and nobody else has a gadget (drivers.virtual.gadget)."""

    def there(self, values: Values) -> list[str]:
        return gadget.there(values)

    def undo(self, values: Values) -> list[str]:
        return gadget.undo(values)


class DisabledUsbPort:
    """`{"usb_path": ...}`: the port that a stick sits in, which a trigger switches off (drivers.modem.usb_port)."""

    def there(self, values: Values) -> list[str]:
        return usb_port.there(values)

    def undo(self, values: Values) -> list[str]:
        return usb_port.undo(values)


class WifiRadio:
    """`{"name": ..., "namespace": ...}`: a virtual Wi-Fi radio and the namespace that it was put into."""

    def there(self, values: Values) -> list[str]:
        from testbed.rig import radios  # few rigs have any

        return radios.there(values)

    def undo(self, values: Values) -> list[str]:
        from testbed.rig import radios

        return radios.undo(values)


class BorrowedDevice:
    """`{"device": ..., "namespace": ..., "lent_as": ...}`: a network device of this machine, lent to a namespace."""

    def there(self, values: Values) -> list[str]:
        lent = netns.is_namespace(values["namespace"]) and devices.is_in(values["namespace"], values["lent_as"])
        return [f"network device {values['device']}, lent to {values['namespace']}"] if lent else []

    def undo(self, values: Values) -> list[str]:
        if not self.there(values):
            return []
        devices.bring_home(values["namespace"], values["lent_as"], values["device"])
        return [f"brought network device {values['device']} home"]


class RadioLever:
    """`{"lever": ..., "states": ...}`: an attenuator, relay or power switch that is put back (drivers.rf.safe)."""

    def there(self, values: Values) -> list[str]:
        from drivers.rf import safe  # few rigs have one, and pydantic's import costs every other guest its time

        return safe.there(values)

    def undo(self, values: Values) -> list[str]:
        from drivers.rf import safe

        return safe.undo(values)


KINDS: Mapping[str, Kind] = {
    "namespaces": Namespaces(),
    "namespace-folder": NamespaceFolder(),
    "processes": Processes(),
    "mount": Mount(),
    "folder": Folder(),
    "radio-lever": RadioLever(),
    "usb-gadget": UsbGadget(),
    "usb-port": DisabledUsbPort(),
    "wifi-radio": WifiRadio(),
    "borrowed-device": BorrowedDevice(),
}
