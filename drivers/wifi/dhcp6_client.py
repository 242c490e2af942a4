"""The P-CSCF by stateless DHCPv6 (RFC 8415 18.2.6, RFC 3319): dhclient asks once, its hook reports.

Asking begins after a random time of up to a second, as the RFC has it (INF_MAX_DELAY): who has no time for that is
given the P-CSCF by configuration.
"""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path

from drivers.protocols import Host
from drivers.wifi.daemon import Daemon
from drivers.wifi.errors import DaemonGone, DaemonSilent, NoPcscf

DEADLINE_S = 6.0  # a request, and two more after 1 and 2 s
MARK = "sip-servers: "
CONFIGURATION = "also request dhcp6.sip-servers-addresses;\n"
HOOK = f"""#!/bin/sh
case "$reason" in
    *6) [ "$reason" = PREINIT6 ] || printf '%s%s\\n' "{MARK}" "$new_dhcp6_sip_servers_addresses" ;;
esac
"""


async def sip_servers(host: Host, device: str, folder: str, log: Path | None = None) -> tuple[str, ...]:
    """The addresses of option 22, in the order of preference; none when the server has none.

    `folder` is one of `host`.  Raises NoPcscf when nobody answers, DaemonGone when dhclient does not run.
    """
    where, told = f"DHCPv6 on {device}, {host.name}", list[str]()
    files = {"hook6": (HOOK, 0o755), "dhclient6.conf": (CONFIGURATION, 0o644)}
    paths = {name: f"{folder}/{device}.{name}" for name in (*files, "lease6", "pid6")}
    for name, (text, mode) in files.items():
        await asyncio.to_thread(host.write, paths[name], text.encode(), mode=mode)
    argv = ["dhclient", "-6", "-S", "-1", "-d", "-sf", paths["hook6"], "-cf", paths["dhclient6.conf"]]
    argv += ["-lf", paths["lease6"], "-pf", paths["pid6"], device]
    daemon = Daemon(
        host, argv, where, log=log, on_line=lambda line: told.append(line) if line.startswith(MARK) else None
    )
    try:
        await daemon.start(lambda: bool(told), DEADLINE_S, "answer")
    except DaemonSilent as silent:
        mend = "is a DHCPv6 server on that network?  Otherwise configure the P-CSCF"
        raise NoPcscf(f"nobody answered within {DEADLINE_S:g} s", where=where, mend=mend) from silent
    except DaemonGone:
        if not told:
            raise
    finally:
        await daemon.end()
        for path in paths.values():
            await asyncio.to_thread(host.remove, path)
    return tuple(each for each in told[0].removeprefix(MARK).split() if _is_address(each))


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
