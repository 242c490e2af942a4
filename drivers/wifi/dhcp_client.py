"""A DHCP client (busybox's udhcpc) for one device of a namespace, whose hook reports leases instead of setting them.

Addresses and routes are the access's to set, in its own routing table; a client's usual script would set the main one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from drivers.protocols import Host
from drivers.wifi.daemon import Daemon
from drivers.wifi.errors import BadLease, DaemonGone, DaemonSilent, NoLease
from drivers.wifi.lease import Lease, Report, parse

TRIES, PAUSE_S = 4, 1  # discovers, and the seconds between them
MARGIN_S = 3.0
# Values come from the network: what has other characters than addresses and names is not passed on.
HOOK = """#!/bin/sh
line="{\\"event\\":\\"$1\\""
for name in ip subnet router dns lease serverid sipsrv; do
    eval "value=\\${$name}"
    case "$value" in
        "" | *[!0-9A-Za-z.:\\ _-]*) ;;
        *) line="$line,\\"$name\\":\\"$value\\"" ;;
    esac
done
printf '%s}\\n' "$line"
"""

logger = logging.getLogger(__name__)


class DhcpClient:
    """`folder` is one of `host`, for the hook."""

    def __init__(self, host: Host, device: str, folder: str, log: Path | None = None) -> None:
        self.where = f"DHCP on {device}, {host.name}"
        self._host, self._device, self._hook, self._log = host, device, f"{folder}/{device}.lease", log
        self._daemon: Daemon | None = None
        self._lease: Lease | None = None
        self._wrong: BadLease | None = None
        self._refused = False
        self._on_change: Callable[[Report], None] | None = None

    @property
    def lease(self) -> Lease | None:
        return self._lease

    async def acquire(self, *, tries: int = TRIES) -> Lease:
        """Get a lease, and keep it renewed until :meth:`release`.

        Raises NoLease when nobody has answered `tries` requests, one a second, and BadLease when what came is no use.
        """
        await self.release()
        self._wrong, self._refused = None, False
        await asyncio.to_thread(self._host.write, self._hook, HOOK.encode(), mode=0o755)
        argv = ["busybox", "udhcpc", "-f", "-n", "-R", "-i", self._device, "-s", self._hook]
        argv += ["-t", str(tries), "-T", str(PAUSE_S), "-O", "sipsrv"]
        self._daemon = Daemon(
            self._host, argv, self.where, log=self._log, on_line=self._said, on_end=lambda: self._tell("lost")
        )
        try:
            await self._daemon.start(lambda: bool(self._lease or self._wrong), tries * PAUSE_S + MARGIN_S, "lease")
        except (DaemonGone, DaemonSilent) as failed:
            await self.release()
            raise self._no_lease(failed, tries) from failed
        if self._wrong:
            await self.release()
            raise self._wrong
        assert self._lease is not None
        return self._lease

    async def release(self) -> None:
        """Give the lease back, if there is one."""
        self._lease = None
        daemon, self._daemon = self._daemon, None
        if daemon:
            await daemon.end()
            await asyncio.to_thread(self._host.remove, self._hook)

    def watch(self, on_change: Callable[[Report], None]) -> None:
        """Call back when the lease is lost, or another one has come in its place ("bound" or "renewed")."""
        self._on_change = on_change

    def _no_lease(self, failed: DaemonGone | DaemonSilent, tries: int) -> NoLease | DaemonGone | DaemonSilent:
        if self._refused:
            return NoLease("the server refuses the address that it was asked for", where=self.where)
        if "no lease" not in failed.what:
            return failed
        mend = "is a DHCP server on that network, and does it have addresses left?"
        return NoLease(f"nobody answered {tries} requests within {tries * PAUSE_S} s", where=self.where, mend=mend)

    def _said(self, line: str) -> None:
        try:
            report = parse(line, self.where)
        except BadLease as wrong:
            self._wrong = wrong
            logger.warning("%s", wrong)
            if self._lease:
                self._tell("lost")
            return
        if report is None:
            return
        self._refused |= report.happened == "refused"
        if report.lease:
            before, self._lease = self._lease, report.lease
            if before and before.address != report.lease.address and self._on_change:
                self._on_change(report)
        elif self._lease and report.happened in ("lost", "refused"):
            self._tell("lost")

    def _tell(self, what: str) -> None:
        had, self._lease = self._lease, None
        if had and self._on_change:
            self._on_change(Report("lost", None))
