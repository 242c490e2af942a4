"""A host that answers as an OpenWrt machine does, as far as its documentation says; no real one is behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from drivers.host.errors import CommandFailed
from drivers.protocols import Completed, LongProcess

BEFORE = "package wireless\n\nconfig wifi-device 'radio0'\n\toption disabled '1'\n"
SHOWN = ["wireless.radio0=wifi-device", "wireless.default_radio0=wifi-iface"]


class OpenWrtHost:
    """`given` has every command as it came; `looks` is how often netifd is asked before the device is there."""

    name = "root@openwrt"

    def __init__(self, looks: int = 1, status: str = "ENABLED") -> None:
        self.given: list[list[str]] = []
        self.options: dict[str, str] = {}
        self.imported: str | None = None
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.clients: dict[str, Any] = {}
        self._looks, self._status, self._power = looks, status, "20.00"

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", environment: Mapping[str, str] = {}, timeout_s: float = 30.0
    ) -> str:
        self.given.append(list(argv))
        match list(argv):
            case ["uci", "export", "wireless"]:
                return BEFORE
            case ["uci", "show", "wireless"]:
                return "\n".join(SHOWN)
            case ["uci", "batch"]:
                for key, value in re.findall(r"^set (\S+)='(.*)'$", stdin.decode(), re.MULTILINE):
                    self.options[key] = value.replace("'\\''", "'")
                return ""
            case ["uci", "import", "wireless"]:
                self.imported = stdin.decode()
                return ""
            case ["ubus", "call", thing, method, arguments]:
                self.calls.append((thing, method, json.loads(arguments)))
                return json.dumps(self._ubus(thing, method, list(argv)))
            case ["iw", "dev", "phy0-ap0", "info"]:
                return f"Interface phy0-ap0\n\twiphy 0\n\ttxpower {self._power} dBm\n"
            case ["iw", "phy#0", "set", "txpower", "fixed", mbm]:
                self._power = f"{int(mbm) / 100:.2f}"
                return ""
            case ["uci" | "wifi", *_]:
                return ""
        raise AssertionError(f"no such command is expected: {argv}")

    def _ubus(self, thing: str, method: str, argv: list[str]) -> Any:
        match thing, method:
            case "network.wireless", "status":
                self._looks -= 1
                up = self._looks < 0
                interface = {"section": "testbed", "ifname": "phy0-ap0"} if up else {"section": "testbed"}
                return {"radio0": {"up": up, "interfaces": [interface]}}
            case "hostapd.phy0-ap0", "get_status":
                return {"status": self._status, "channel": 6}
            case "hostapd.phy0-ap0", "get_clients":
                return {"freq": 2437, "clients": self.clients}
            case "hostapd.phy0-ap0", "switch_chan" | "bss_transition_request" | "del_client":
                return {}
        raise CommandFailed(argv, Completed(4, "", "Command failed: Not found"), where=self.name)

    def execute(self, argv: Sequence[str], **_: Any) -> Completed:
        return Completed(0, self.run(argv), "")

    def start(
        self,
        argv: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        log: Path | None = None,
        environment: Mapping[str, str] = {},
    ) -> LongProcess:
        raise NotImplementedError

    def read(self, path: str, *, timeout_s: float = 30.0) -> bytes:
        raise NotImplementedError

    def write(self, path: str, data: bytes, *, mode: int = 0o644, timeout_s: float = 30.0) -> None:
        raise NotImplementedError

    def mode(self, path: str, *, timeout_s: float = 30.0) -> int:
        raise NotImplementedError

    def remove(self, path: str, *, timeout_s: float = 30.0) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """There is no connection."""
