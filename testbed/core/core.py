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
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from drivers.host import netns
from drivers.link import cleartext
from drivers.link.xfrm import Xfrm
from drivers.protocols import Family
from testbed.core.inspect import PcscfState, ScscfState, pcscf_state, scscf_state
from testbed.core.rpc import Rpc
from testbed.core.subscribers import Subscriber, to_lines
from testbed.errors import RigError, UsageError
from testbed.topology.plan import SIP_PORT, Plan, ServerPlan

CONFIGURATION = Path(__file__).with_name("kamailio")
HSS_READY, CX_OPEN, KAMAILIO_READY = "\nready\n", "Cx is open", "<script>: ready"
PORT_C, PORT_S = 5100, 6100  # the first of a P-CSCF's protected ports (TS 33.203 7.1)
STOP_DEADLINE_S = 2.0
LOOK_AGAIN_S = 0.1
LAST_WORDS = 6  # lines
# What a core does for each row of the proposal, by the row's number: what `CoreOptions.without` may take out.
RULES = {
    1: "several-connections",
    2: "standing-bindings",
    3: "implicit-sets",
    4: "explicit-move",
    5: "own-contact",
    6: "imsglobreg",
    7: "linger",
    8: "session-move",
    9: "reg-event",
    10: "gruu",
    11: "release7",
    12: "unsupported",
    13: "protected-only",
}


Profile = Literal["seamless", "plain", "release7", "stock"]


class Hosts(Protocol):
    """Where the core runs (as :class:`testbed.rig.rig.Rig`)."""

    def spawn(
        self, host: str, argv: Sequence[str], *, log: Path | None = None, stdin: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a daemon in the namespace of a host."""

    def namespace(self, host: str) -> str:
        """The kernel's name for the namespace of a host."""


@dataclass(frozen=True)
class CoreOptions:
    """How this core behaves.

    `profile` is what the core knows: "seamless" is the extension of C1-062198 (and release 7 for a UE that does not ask
    for it); "plain" has never heard of it and answers 420; "release7" is the same core, by the name of what it does for
    a UE that does not ask; "stock" has Kamailio's own registrar in the S-CSCF, unchanged.  `without` names rules (see
    RULES) that both kinds of CSCF shall leave out, so that a test can show that it would notice.
    """

    profile: Profile = "seamless"
    linger_s: float = 20.0
    min_expires_s: int = 60
    max_expires_s: int = 600_000
    reauthenticate_s: int = 86_400  # a refresh is challenged when the last authentication was so long ago
    ipv6: bool = True  # whether P-CSCFs listen for IPv6 UEs
    family: Family = 4  # what UEs will use for signalling: P-CSCFs are warmed up for it (see pcscf_warm_up.cfg)
    transport: Literal["udp", "tcp"] = "udp"
    warm_up: bool = True  # without, the core is ready sooner, and slow with the first message on each of its ports
    connections: int = 0  # protected port pairs of a P-CSCF; 0: as many as its accesses may need
    debug: bool = False
    seed: int | None = None  # what the HSS draws its RANDs from; random without
    store: Path | None = None  # an HSS of one's own subscribers; otherwise those given to Core, in memory only
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if unknown := sorted(self.without - set(RULES.values())):
            mend = f"take one of {', '.join(RULES.values())}"
            raise UsageError(f"there is no rule {unknown[0]!r} to take out", where="IMS core", mend=mend)


@dataclass
class _Daemon:
    """One process of the core and the line of its log that says it serves."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready: str
    from_byte: int  # where its log begins: an earlier run may have written to the same file
    looked_at: int = -1  # how long the log was when we last read it

    def is_ready(self) -> bool:
        """Whether it has said so.  A log is read again only when it has grown: reading costs the daemons time."""
        size = self.log.stat().st_size
        if size == self.looked_at:
            return False
        self.looked_at = size
        return self.ready in self.said()

    def said(self) -> str:
        with self.log.open("rb") as stream:
            stream.seek(self.from_byte)
            return "\n" + stream.read().decode(errors="replace")

    def last_words(self) -> str:
        lines = [line for line in self.said().splitlines() if line.strip()]
        telling = [line for line in lines if "CRITICAL" in line or "ERROR" in line or "ALERT" in line] or lines
        return "\n    ".join(telling[-LAST_WORDS:]) or "(it said nothing)"


def subscribers_of(plan: Plan) -> list[Subscriber]:
    """Subscribers for all UEs of a plan, with random keys that live as long as the run."""
    return [
        Subscriber(ue.impi, ue.impus, secrets.token_bytes(16), secrets.token_bytes(16), implicit_sets=ue.implicit_sets)
        for ue in plan.ues.values()
    ]


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
        self._daemons: list[_Daemon] = []
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
        self._wait(self._daemons, until, deadline_s)

    def failures(self) -> list[str]:
        """What has died since it was started, each with its last words."""
        return [
            f"{daemon.name} {_ending(daemon.process.returncode)}; it last said:\n    {daemon.last_words()}"
            for daemon in self._daemons
            if daemon.process.poll() is not None
        ]

    def stop(self) -> None:
        """End everything, the P-CSCFs first; what does not end by itself is killed."""
        with self._starting:
            self._stopping = True
        died = [daemon for daemon in self._daemons if daemon.process.poll() is not None]
        for daemon in reversed(self._daemons):
            daemon.process.terminate()
        until = time.monotonic() + STOP_DEADLINE_S
        for daemon in reversed(self._daemons):
            if not _wait(daemon.process, max(0.0, until - time.monotonic())) or daemon in died:
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

    def _wait(self, daemons: Sequence[_Daemon], until: float, deadline_s: float) -> None:
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
                _wait(waiting[0].process, LOOK_AGAIN_S)

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
        for rule in sorted(self.options.without):
            argv += ["-A", f"WITHOUT_{rule.upper().replace('-', '_')}"]
        if self.options.debug:
            argv += ["-A", "LOG=3"]
        self._daemon(server.name, argv, KAMAILIO_READY)

    def _daemon(self, name: str, argv: Sequence[str], ready: str, stdin: int | None = None) -> None:
        log = self._logs / f"{name}.log"
        log.touch()
        from_byte = log.stat().st_size
        host = self._hss.name if name == "hss" else name
        with self._starting:
            self._refuse_when_stopping()
            process = self._hosts.spawn(host, argv, log=log, stdin=stdin)
            self._daemons.append(_Daemon(name, process, log, ready, from_byte))

    @property
    def _scscf_uri(self) -> str:
        """As it names itself to the HSS (Server-Name)."""
        return f"sip:{self._scscf.addresses[4]}:{SIP_PORT}"


def _ending(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for a process to end, at most so long; whether it did."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
