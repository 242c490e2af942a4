"""A rig: the hosts, links and processes of a plan, made in namespaces of this machine, held by one process.

    rig = Rig(plan)
    with rig.hold():            # nobody else has it; what a dead holder left is undone
        rig.bring_up()
        rig.spawn("scscf", ["kamailio", ...], log=...)
        rig.lever("lte").cut()
                                # at the end of the block everything is undone

Everything that is made outside this process is announced to the journal first (:mod:`testbed.rig.journal`).
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, TypeVar

from drivers.host import netns, sysctl
from drivers.host.processes import VARIABLE
from drivers.link import devices
from drivers.link.netlink import Netlink
from drivers.protocols import Attenuator
from testbed.errors import RigError, UsageError
from testbed.rig.blueprint import UE_CABLE_INDEX, Blueprint, draw, settings, shaper
from testbed.rig.journal import Entry, Failure, Journal
from testbed.rig.lever import AccessLever
from testbed.rig.reservation import Reservation, check_name, state_folder
from testbed.topology.plan import UE_CABLE, Plan

if TYPE_CHECKING:
    from drivers.modem.usb_port import UsbPort
    from testbed.rig.radios import RigRadios
    from testbed.rig.sticks import CardSecrets, RigStick

T = TypeVar("T")
Told = Callable[[str], None]
ENDING = (signal.SIGTERM, signal.SIGHUP)


def quietly(_: str) -> None:
    """For those who do not want to be told."""


class Rig:
    """The rig of one plan under one name.

    A thread of its own does what changes the thread's namespace, and starts the processes: they are tied to the life
    of the thread that started them, and that one lives as long as the rig.
    """

    def __init__(
        self,
        plan: Plan,
        name: str = "tb",
        state: Path | None = None,
        seed: int | None = None,
        cards: Mapping[str, CardSecrets] = {},
    ) -> None:
        """From `seed` comes what the links draw, where the kernel can repeat it (`seeded` says so after bring-up).

        `cards` are those in the sticks, by access.
        """
        self._seed = seed
        self.seeded = False
        self.plan, self.name = plan, check_name(name)
        folder = (state or state_folder()) / name
        self._reservation = Reservation(name, folder)
        self._journal = Journal(folder / "journal.jsonl")
        self._mark = f"testbed:{name}:{secrets.token_hex(8)}"
        self._thread = ThreadPoolExecutor(1, f"rig-{name}")
        self._netlinks: dict[str, Netlink] = {}
        self._levers: dict[str, AccessLever] = {}
        self._ports: dict[str, UsbPort] = {}
        self.sticks = _sticks(plan, name, cards)
        self.radios = _radios(plan, name, self._mark, seed)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._started: list[tuple[subprocess.Popen[bytes], str]] = []

    @contextmanager
    def hold(self, told: Told = quietly, run: str = "") -> Iterator[Rig]:
        """Have the rig for the time of a `with` block, and leave nothing behind at its end.

        Raises RigError when another process holds it.  What a holder that died left behind is undone first.  In the
        main thread SIGTERM and SIGHUP end the block like an exception.
        """
        before = self._reservation.holder()
        self._reservation.acquire(run)
        try:
            if self._journal.entries():
                told(f"rig {self.name}: undoing what was left by {before or 'a process that died'}")
                self._undo(told)
            with _ending_is_an_exception():
                try:
                    yield self
                finally:
                    self.tear_down(told)
        finally:
            self._reservation.release()

    def bring_up(self, told: Told = quietly) -> None:
        """Make everything that the plan says; an error or an interrupt undoes what was made by then."""
        if not self._reservation.held:
            raise RigError("is not held", where=f"rig {self.name}", mend="call bring_up() inside `with rig.hold():`")
        try:
            self._refuse_taken_names()
            self._announce()
            self._do(self._make_namespaces)
            told(f"{len(self._netlinks)} namespaces")
            for stick in self.sticks:
                stick.start(self.spawn)
                self._journal.announce(stick.port_entry())
                told(f"{stick} is plugged in")
            for access, port in self._real_modems():
                self._journal.announce(Entry("usb-port", port.undo_values()))
                self._ports[access] = port
                told(f"modem of {access}: {port}")
            for borrowed in self._borrowed:
                self._do(devices.move, borrowed["device"], borrowed["namespace"], UE_CABLE, index=UE_CABLE_INDEX)
            if self.radios is not None:
                self._do(self.radios.make)
            blueprint = self._do(self._connect)
            if self.radios is not None:
                self.radios.start(self.spawn)
                told(f"{len(self.plan.wifis)} access points with DHCP")
            told(f"{sum(map(len, blueprint.cables.values())) - 1} cables, addresses and routes")
            self._do(self._shape, blueprint)
            told(f"{len(blueprint.shapes)} shaped links")
        except BaseException:
            self.tear_down(told)
            raise

    def namespace(self, host: str) -> str:
        """The kernel's name for the namespace of a host (`ue`, `access-lte`, `scscf`)."""
        if host not in self.plan.namespaces:
            raise RigError(f"no host {host}; there are {', '.join(self.plan.namespaces)}", where=f"rig {self.name}")
        return f"{self.name}-{host}"

    def _real_modems(self) -> Iterator[tuple[str, UsbPort]]:
        """The USB ports of modems that are no sticks of ours.  Raises DriverError where one is not plugged in."""
        for access in self.plan.accesses.values():
            if access.modem is not None and access.modem.sgi is not None:
                from drivers.modem.usb_port import of_serial_port

                yield access.name, of_serial_port(access.modem.port)

    @property
    def _borrowed(self) -> list[dict[str, str]]:
        """Devices of this machine that lead to real packet cores, and the namespaces that they are lent to."""
        modems = [(access, access.modem) for access in self.plan.accesses.values() if access.modem is not None]
        return [
            {"device": modem.sgi.device, "namespace": self.namespace(access.namespace), "lent_as": UE_CABLE}
            for access, modem in modems
            if modem.sgi is not None
        ]

    def lever(self, access: str) -> AccessLever:
        """What breaks an access network and mends it."""
        if access not in self._levers:
            raise RigError(f"no access {access} that is up", where=f"rig {self.name}")
        return self._levers[access]

    def attenuator(self, access: str) -> Attenuator:
        """What makes the signal of an access by radio weaker."""
        if self.radios is not None and self.plan.accesses[access].wifi is not None:
            return self.radios.attenuator(access)
        for stick in self.sticks:
            if stick.access.name == access:
                return stick.attenuator()
        raise UsageError(f"access {access} has no signal", where=f"rig {self.name}", mend="fade one by Wi-Fi or modem")

    def spawn(
        self,
        host: str | None,
        argv: Sequence[str],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] = {},
        pass_fds: Sequence[int] = (),
        stdin: IO[bytes] | int | None = None,
        stdout: IO[bytes] | int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process in the namespace of a host, or (None) in our own.

        It is the leader of a session of its own, so Ctrl-C is not for it; it gets SIGTERM when we die; the token in
        its environment, which its children inherit, has it found by `testbed clean`.  What it says is appended to
        `log`, or is lost; `stdout` takes its standard output elsewhere.
        """
        namespace = None if host is None else self.namespace(host)
        streams = (stdin, stdout)
        return self._do(self._spawn, namespace, list(argv), log, dict(environment), tuple(pass_fds), streams)

    @property
    def sockets(self) -> Path | None:
        """A folder for the sockets of Wi-Fi daemons, which goes with the rig; None where it has no Wi-Fi."""
        return self.radios.folder if self.radios is not None else None

    @property
    def token(self) -> str:
        """In the environment of all that this rig started (see :mod:`drivers.host.processes`)."""
        return self._mark

    def sessions(self) -> Mapping[int, str]:
        """The host of each process that was started and still runs; each leads a session of its own."""
        hosts = {self.namespace(host): host for host in self.plan.namespaces}
        return {process.pid: hosts[name] for process, name in self._started if name and process.poll() is None}

    def tear_down(self, told: Told = quietly) -> None:
        """Undo everything, newest first.  Raises RigError when something could not be undone."""
        with _endings_wait():
            try:
                self._do(self._close)  # after what an interrupted bring-up still has under way in that thread
            finally:
                self._undo(told)

    def _close(self) -> None:
        if self.radios is not None:
            self.radios.stop()
        for stick in self.sticks:
            stick.stop()
        for netlink in self._netlinks.values():
            netlink.close()
        self._netlinks.clear()
        self._levers.clear()

    def _undo(self, told: Told) -> None:
        lines: list[str] = []
        failures = self._do(self._journal.undo, lines.append)
        for process in self._processes:
            process.poll()
        self._processes = [process for process in self._processes if process.returncode is None]
        for line in lines:
            told(line)
        if failures:
            raise _not_undone(self.name, failures)

    def _do(self, work: Callable[..., T], *values: object, **named: object) -> T:
        """Have something done by the rig's own thread."""
        return self._thread.submit(work, *values, **named).result()

    def _refuse_taken_names(self) -> None:
        if self.radios is not None:
            self.radios.refuse_taken()
        taken = [name for name in map(self.namespace, self.plan.namespaces) if netns.exists(name)]
        if taken:
            mend = f"use another rig with --rig NAME, or remove them: ip netns delete {taken[0]}"
            raise RigError(f"not ours, but there already: {', '.join(taken)}", where="network namespaces", mend=mend)

    def _announce(self) -> None:
        entries = [] if netns.folder_is_shared() else [Entry("namespace-folder", {"made": not netns.FOLDER.exists()})]
        names = [self.namespace(host) for host in self.plan.namespaces]
        entries.append(Entry("namespaces", {"names": names, "mark": self._mark}))
        entries += [Entry("borrowed-device", borrowed) for borrowed in self._borrowed]
        entries += [entry for stick in self.sticks for entry in stick.entries()]
        entries += self.radios.entries() if self.radios is not None else []
        entries.append(Entry("processes", {"token": self._mark}))  # ended first: a stick's serves what it is made of
        self._journal.announce(*entries)

    def _make_namespaces(self) -> None:
        netns.share_folder()
        for host in self.plan.namespaces:
            name = self.namespace(host)
            with netns.making(name, self._mark) as netlink:
                self._netlinks[host] = netlink
                sysctl.write(settings(self.plan, host), f"network namespace {name}")

    def _connect(self) -> Blueprint:
        with ExitStack() as opened:
            descriptors = {}
            for host in self.plan.namespaces:
                descriptors[host] = netns.open_descriptor(self.namespace(host))
                opened.callback(os.close, descriptors[host])
            blueprint = draw(self.plan, descriptors)
            for requests in (blueprint.cables, blueprint.addressing):
                for host, batch in requests.items():
                    self._netlinks[host].batch(batch)
        return blueprint

    def _shape(self, blueprint: Blueprint) -> None:
        for one in blueprint.shapes:
            link = shaper(one, self._netlinks[one.namespace], self._seed)
            link.apply(one.shape)
            self.seeded = link.seeded
        sticks = {stick.access.name: stick for stick in self.sticks}
        for access in self.plan.accesses.values():
            netlink = self._netlinks[access.namespace]
            radios = self.radios if access.wifi is not None else None
            port = self._ports.get(access.name)
            self._levers[access.name] = AccessLever(access, netlink, self._seed, sticks.get(access.name), radios, port)

    def _spawn(
        self,
        namespace: str | None,
        argv: list[str],
        log: Path | None,
        environment: dict[str, str],
        pass_fds: tuple[int, ...],
        streams: tuple[IO[bytes] | int | None, IO[bytes] | int | None],
    ) -> subprocess.Popen[bytes]:
        # The child inherits the namespace of this thread: no `ip netns exec` has to run before it.  A preexec_fn in
        # place of setpriv would make Python copy the whole process (fork, not vfork): 60 ms in a guest.
        with ExitStack() as opened:
            output: IO[bytes] | int = opened.enter_context(log.open("ab")) if log else subprocess.DEVNULL
            stdin, stdout = streams
            with netns.inside(namespace) if namespace else nullcontext():
                process = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "TERM", "--", *argv],
                    stdin=subprocess.DEVNULL if stdin is None else stdin,
                    stdout=output if stdout is None else stdout,
                    stderr=output,
                    env={**os.environ, **environment, VARIABLE: self._mark},
                    pass_fds=pass_fds,
                    start_new_session=True,
                )
        self._processes.append(process)
        self._started.append((process, namespace or ""))
        return process


def _sticks(plan: Plan, rig: str, cards: Mapping[str, CardSecrets]) -> list[RigStick]:
    if not plan.sticks:
        return []
    from testbed.rig.sticks import RigStick  # with it come serial ports and a firmware, which few rigs need

    numbers = {access: number for number, access in enumerate(plan.accesses, 1)}
    return [RigStick(rig, plan.accesses[one], numbers[one], cards[one]) for one in plan.sticks]


def _radios(plan: Plan, rig: str, mark: str, seed: int | None) -> RigRadios | None:
    if not plan.wifis:
        return None
    from testbed.rig.radios import RigRadios

    return RigRadios(rig, plan.wifis, mark, seed)


def _not_undone(name: str, failures: Sequence[Failure]) -> RigError:
    what = "".join(f"\n    {failure.why}" for failure in failures)
    mend = f"see what is in the way, then `testbed clean --rig {name}`"
    return RigError(f"not everything could be undone:{what}", where=f"rig {name}", mend=mend)


@contextmanager
def _ending_is_an_exception() -> Iterator[None]:
    """SIGTERM and SIGHUP raise SystemExit (128 + signal), as long as nobody else has a use for them."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handlers({number: end for number in ENDING if signal.getsignal(number) == signal.SIG_DFL}):
        yield


@contextmanager
def _endings_wait() -> Iterator[None]:
    """What would end us waits until we have cleaned up: that has deadlines of its own."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    numbers = (signal.SIGINT, *ENDING)
    with _handlers({number: note for number in numbers if signal.getsignal(number) != signal.SIG_IGN}):
        yield
    for number in came:
        signal.raise_signal(number)


@contextmanager
def _handlers(handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    """Signal handlers for the time of a block; elsewhere than in the main thread Python allows none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
