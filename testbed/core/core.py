"""The IMS core of a rig: HSS, S-CSCF and P-CSCFs, started in their namespaces, watched, and ended.

    core = Core(plan, folder, rig, CoreOptions(), subscribers)
    core.start()
    core.wait_ready(20.0)
    ...
    core.failures()             # sentences about daemons that have died
    core.stop()

Kamailio's configuration is native (`testbed/core/kamailio/*.cfg`); the values of this rig go in on its command line.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from drivers.host import netns
from drivers.link import cleartext
from drivers.link.xfrm import Xfrm
from testbed.core.daemon import Daemon, wait
from testbed.core.inspect import PcscfState, ScscfState, pcscf_state, scscf_state
from testbed.core.options import RULES, CoreOptions, Profile
from testbed.core.rpc import Rpc
from testbed.core.subscribers import Subscriber, to_lines
from testbed.errors import RigError
from testbed.topology.plan import SIP_PORT, Plan, ServerPlan

CONFIGURATION, PEER_SCENARIO = Path(__file__).with_name("kamailio"), Path(__file__).with_name("peer.xml")
PEER_MEDIA_PORT = 6000
HSS_READY, CX_OPEN, KAMAILIO_READY = "\nready\n", "Cx is open", "<script>: ready"
PORT_C, PORT_S = 5100, 6100  # the first of a P-CSCF's protected ports (TS 33.203 7.1)
STOP_DEADLINE_S = 2.0
LOOK_AGAIN_S = 0.1


class Hosts(Protocol):
    """Where the core runs (as :class:`testbed.rig.rig.Rig`)."""

    def spawn(
        self, host: str, argv: Sequence[str], *, log: Path | None = None, stdin: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a daemon in the namespace of a host."""

    def namespace(self, host: str) -> str:
        """The kernel's name for the namespace of a host."""


class Core:
    """The core of one run.  Logs go to `folder/logs`, what it needs besides to `folder/core`; neither holds a key."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        hosts: Hosts,
        options: CoreOptions | None = None,
        subscribers: Sequence[Subscriber] = (),
    ) -> None:
        self._plan, self._hosts, self._subscribers = plan, hosts, tuple(subscribers)
        self.options = options or CoreOptions()
        folder = folder.absolute()  # the daemons work from the root folder
        self._logs, self._files = folder / "logs", folder / "core"
        self._daemons: list[Daemon] = []
        self._stopping = False
        self._starting = threading.Lock()  # held while a daemon is started, and while we say that none shall be
        self._rpcs: dict[str, Rpc] = {}
        self._hss, self._scscf = plan.server("hss"), plan.server("scscf")
        self._icscf, self._peer = plan.optional("icscf"), plan.optional("peer")

    def start(self) -> None:
        """Begin to start everything; :meth:`wait_ready` goes on with it.  Raises RigError when something is missing.

        The HSS comes first, the others when it listens: Kamailio's Diameter peer knocks once, and then not for long.
        """
        if shutil.which("kamailio") is None:
            mend = "install it: apt-get install kamailio kamailio-ims-modules (or `make setup`)"
            raise RigError("kamailio is not installed", where="IMS core", mend=mend)
        for path in (self._logs, self._files):
            path.mkdir(parents=True, exist_ok=True)
        self._stopping = False
        self._start_hss()

    def wait_ready(self, deadline_s: float = 20.0) -> None:
        """Wait until every daemon serves and Cx is open; RigError with the daemon's own last words otherwise.

        When :meth:`stop` is called meanwhile, by another thread, it gives up.
        """
        until = time.monotonic() + deadline_s
        self._wait(self._daemons, until, deadline_s)
        self._start_scscf()
        if self._icscf:
            self._start_icscf(self._icscf)
        for pcscf in self._plan.pcscfs():
            self._start_pcscf(pcscf)
        if self._peer:
            self._start_peer(self._peer)
        self._wait(self._daemons, until, deadline_s)

    def failures(self) -> list[str]:
        """What has died since it was started, each with its last words."""
        return [ended for daemon in self._daemons if (ended := daemon.ended)]

    def stop(self) -> None:
        """End everything, the P-CSCFs first; what does not end by itself is killed."""
        with self._starting:
            self._stopping = True
        died = [daemon for daemon in self._daemons if daemon.process.poll() is not None]
        for daemon in reversed(self._daemons):
            daemon.process.terminate()
        until = time.monotonic() + STOP_DEADLINE_S
        for daemon in reversed(self._daemons):
            if not wait(daemon.process, max(0.0, until - time.monotonic())) or daemon in died:
                # A Kamailio told to end while it still starts its processes hangs, and one that died has left them.
                with suppress(ProcessLookupError):
                    os.killpg(daemon.process.pid, signal.SIGKILL)
                daemon.process.wait()
        self._daemons = []
        for rpc in list(self._rpcs.values()):
            rpc.close()
        self._rpcs = {}

    def start_again(self, name: str, deadline_s: float = 20.0) -> None:
        """Start a CSCF that has ended, as it was started at first; what it knew is gone."""
        (ended,) = [daemon for daemon in self._daemons if daemon.name == name]
        with suppress(ProcessLookupError):
            os.killpg(ended.process.pid, signal.SIGKILL)  # what it started lives on when it is killed
        self._daemons.remove(ended)
        if name == self._scscf.name:
            hss = self._daemons[0]
            self._daemons[0] = replace(hss, from_byte=hss.log.stat().st_size, looked_at=-1)
            self._start_scscf()
            late = [self._daemons[0], self._daemons[-1]]
        else:
            self._start_pcscf(self._plan.server(name))
            late = [self._daemons[-1]]
        self._wait(late, time.monotonic() + deadline_s, deadline_s)

    def rpc(self, name: str) -> Rpc:
        """Questions to a running CSCF (`scscf`, `pcscf-lte`)."""
        return self._rpcs[name]

    def scscf_state(self) -> ScscfState:
        """Who is registered where, and what sessions there are.  Raises RigError when the S-CSCF does not answer."""
        return scscf_state(self._rpcs[self._scscf.name].dump, self._plan.domain, time.time())

    def pcscf_state(self, name: str) -> PcscfState:
        """What a P-CSCF keeps of its connections.  Raises RigError when it does not answer."""
        rpc = self._rpcs[name]
        contacts = rpc.call("ulpcscf.status")["AoRs"]["Stats"]["Records"]
        with netns.inside(self._hosts.namespace(name)):
            xfrm = Xfrm()
        try:
            associations = len(xfrm.associations())
        finally:
            xfrm.close()
        return pcscf_state(rpc.dump, contacts, associations, time.time())

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """The process of a daemon (`hss`, `scscf`, `pcscf-lte`), for a test that wants it to fail."""
        return next(daemon.process for daemon in self._daemons if daemon.name == name)

    def _wait(self, daemons: Sequence[Daemon], until: float, deadline_s: float) -> None:
        waiting = list(daemons)
        while waiting:
            self._refuse_when_stopping()
            waiting = [daemon for daemon in waiting if not daemon.is_ready()]
            if failures := self.failures():
                raise RigError(failures[0], where="IMS core", mend=f"see the logs in {self._logs}")
            if waiting and time.monotonic() > until:
                late = waiting[0]
                what = f"{late.name} is not ready after {deadline_s:g} s; it last said:\n    {late.last_words()}"
                raise RigError(what, where="IMS core", mend=f"see the logs in {self._logs}")
            if waiting:
                wait(waiting[0].process, LOOK_AGAIN_S)

    def _refuse_when_stopping(self) -> None:
        if self._stopping:
            raise RigError("was stopped before it was ready", where="IMS core")

    def _start_hss(self) -> None:
        argv = [sys.executable, "-m", "testbed.core.hss", "--listen", self._hss.addresses[4]]
        argv += ["--realm", self._plan.domain, "--scscf", self._scscf_uri]
        for name in ("scscf", "icscf") if self._icscf else ("scscf",):
            argv += ["--peer", f"{name}.{self._plan.domain}"]
        if self.options.seed is not None:
            argv += ["--seed", str(self.options.seed)]
        if self.options.store:
            self._daemon("hss", [*argv, "--store", str(self.options.store)], HSS_READY)
            return
        ours, theirs = os.pipe()
        try:
            # Shorter than a pipe's buffer for some hundred subscribers, so that nobody has to read yet.
            os.write(theirs, json.dumps([*to_lines(self._subscribers)]).encode())
            os.close(theirs)
            self._daemon("hss", [*argv, "--subscribers-on-stdin"], HSS_READY, stdin=ours)
        finally:
            os.close(ours)

    def _start_scscf(self) -> None:
        address = self._scscf.addresses[4]
        values = {"OUR_ADDRESS": address, "HOME_DOMAIN": self._plan.domain, "HSS_ADDRESS": self._hss.addresses[4]}
        if self._icscf:
            values["ICSCF_ADDRESS"] = self._icscf.addresses[4]
        if self._peer:
            values |= {"PEER_ADDRESS": self._peer.addresses[4], "PEER_DOMAIN": self._peer.domain}
        options = self.options
        numbers = {"LINGER_S": max(1, math.ceil(options.linger_s))}
        numbers |= {"MIN_EXPIRES": options.min_expires_s, "MAX_EXPIRES": options.max_expires_s}
        numbers |= {"REAUTHENTICATE_S": options.reauthenticate_s}
        values |= self._diameter("scscf", values)
        kind = "stock_scscf" if options.profile == "stock" else "scscf"
        self._kamailio(self._scscf, kind, [f"udp:{address}:{SIP_PORT}"], values, numbers)
        hss = self._daemons[0]
        self._daemons[0] = replace(hss, ready=CX_OPEN)  # ready means: an S-CSCF is connected

    def _start_icscf(self, server: ServerPlan) -> None:
        address = server.addresses[4]
        values = {"OUR_ADDRESS": address, "HOME_DOMAIN": self._plan.domain, "HSS_ADDRESS": self._hss.addresses[4]}
        values |= {"TABLES": str(CONFIGURATION / "icscf_tables")} | self._diameter("icscf", values)
        self._kamailio(server, "icscf", [f"udp:{address}:{SIP_PORT}"], values, {})

    def _diameter(self, kind: str, values: Mapping[str, str]) -> dict[str, str]:
        """The file of a CSCF's Diameter peers: cdp reads no values from a command line."""
        text = (CONFIGURATION / f"{kind}.cdp.xml").read_text()
        for name, value in values.items():
            text = text.replace(name, value)
        peers = self._files / f"{kind}.cdp.xml"
        peers.write_text(text)
        return {"CDP_FILE": str(peers)}

    def _start_pcscf(self, server: ServerPlan) -> None:
        address = server.addresses[4]
        values = {"OUR_ADDRESS": address, "SCSCF_ADDRESS": self._scscf.addresses[4], "HOME_DOMAIN": self._plan.domain}
        if self._icscf:
            values["ICSCF_ADDRESS"] = self._icscf.addresses[4]
        listen = [f"{transport}:{address}:{SIP_PORT}" for transport in ("udp", "tcp")]
        if self.options.ipv6 or self.options.family == 6:
            values["OUR_IPV6"] = server.addresses[6]
            listen += [f"{transport}:[{server.addresses[6]}]:{SIP_PORT}" for transport in ("udp", "tcp")]
        six = self.options.family == 6
        values["WARM_UP_HOST"] = f"[{server.addresses[6]}]" if six else address
        values["WARM_UP_PROTO"] = self.options.transport
        accesses = sum(1 for access in self._plan.accesses.values() if access.pcscf == server.name)
        # Each connection and, while it renews its associations, a second set of it.
        connections = self.options.connections or 2 * accesses
        numbers = {"PORT_C": PORT_C, "PORT_S": PORT_S, "CONNECTIONS": connections}
        if "protected-only" not in self.options.without:
            with netns.inside(self._hosts.namespace(server.name)):  # undone with the namespace
                ports = [range(first, first + connections) for first in (PORT_C, PORT_S)]
                cleartext.forbid(ports, list(server.addresses.values()))
        self._kamailio(server, "pcscf", listen, values, numbers)

    def _start_peer(self, server: ServerPlan) -> None:
        """SIPp, unmodified, with a scenario of ours: see peer.xml."""
        if shutil.which("sipp") is None:
            mend = "install it: apt-get install sip-tester (or `make setup`)"
            raise RigError("sipp is not installed", where="peer network", mend=mend)
        address, messages = server.addresses[4], self._logs / f"{server.name}-messages.log"
        signalling = ["-sf", str(PEER_SCENARIO), "-i", address, "-p", str(SIP_PORT), "-nostdin", "-f", "3600"]
        media = ["-mi", server.addresses[self.options.family], "-mp", str(PEER_MEDIA_PORT), "-rtp_echo"]
        argv = ["sipp", *signalling, *media, "-trace_msg", "-message_file", str(messages)]
        self._daemon(server.name, argv, "", udp_port=SIP_PORT)

    def _kamailio(
        self,
        server: ServerPlan,
        kind: str,
        listen: Sequence[str],
        values: dict[str, str],
        numbers: dict[str, int],
    ) -> None:
        runtime = self._files / server.name
        runtime.mkdir(exist_ok=True)
        if server.name not in self._rpcs:
            self._rpcs[server.name] = Rpc(runtime)
        values = values | {"RPC_SOCKET": self._rpcs[server.name].address}
        argv = ["kamailio", "-f", str(CONFIGURATION / f"{kind}.cfg"), "-DD", "-E", "-m", "32", "-M", "8"]
        argv += ["-Y", str(runtime), "-w", str(runtime)]
        for one in listen:
            argv += ["-l", one]
        for name, value in values.items():
            argv.append(f"--substdefs=!{name}!{value}!g")
        for name, number in numbers.items():
            argv += ["-A", f"{name}={number}"]
        if self.options.profile in ("plain", "release7"):
            argv += ["-A", "WITHOUT_SEAMLESS_IMS"]
        if not self.options.warm_up:
            argv += ["-A", "WITHOUT_WARM_UP"]
        if self.options.refuse_brief:
            argv += ["-A", "REFUSE_BRIEF"]
        for rule in sorted(self.options.without):
            argv += ["-A", f"WITHOUT_{rule.upper().replace('-', '_')}"]
        if self.options.debug:
            argv += ["-A", "LOG=3"]
        self._daemon(server.name, argv, KAMAILIO_READY)

    def _daemon(self, name: str, argv: Sequence[str], ready: str, stdin: int | None = None, udp_port: int = 0) -> None:
        log = self._logs / f"{name}.log"
        log.touch()
        from_byte = log.stat().st_size
        host = self._hss.name if name == "hss" else name
        with self._starting:
            self._refuse_when_stopping()
            process = self._hosts.spawn(host, argv, log=log, stdin=stdin)
            self._daemons.append(Daemon(name, process, log, ready, from_byte, udp_port=udp_port))

    @property
    def _scscf_uri(self) -> str:
        """As it names itself to the HSS (Server-Name)."""
        return f"sip:{self._scscf.addresses[4]}:{SIP_PORT}"


__all__ = ["RULES", "Core", "CoreOptions", "Hosts", "Profile"]
