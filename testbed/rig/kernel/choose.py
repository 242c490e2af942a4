"""Which kernel a rig runs on: the host's own, or a User-mode Linux guest that the same command line is repeated in.

    choice = choose(wanted, clock)                # "auto", "host" or "uml"; "real" or "simulated"
    if choice.kernel != "host":
        sys.exit(repeat_in_guest([runs, state], clock=clock))  # the same command, in there, where choose() says "host"
"""

from __future__ import annotations

import compileall
import functools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import drivers
import testbed
from testbed.errors import RigError, UsageError
from testbed.rig.kernel import uml
from testbed.rig.kernel.uml import Clock

Kernel = Literal["host", "uml"]
# In the environment of everything that runs inside a guest: which kernel that is, whose build, and its clock.
GUEST, BUILD, CLOCK = "TESTBED_GUEST", "TESTBED_GUEST_BUILD", "TESTBED_GUEST_CLOCK"
PROBE_DEADLINE_S = 20.0
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_ADMIN": 21}  # a container's root may lack them
HOST_MEND = "use --kernel uml, which needs neither root nor modules; `testbed doctor` lists what is missing"
# What a wired rig asks of a kernel, in words; the names are those of testbed.rig.kernel.probe.
FEATURES = {
    "netns": "network namespaces",
    "veth": "veth",
    "bridge": "bridge",
    "netem": "netem",
    "esp4": "ESP over IPv4",
    "esp6": "ESP over IPv6",
}


@dataclass(frozen=True)
class Choice:
    """A kernel and why it was taken."""

    kernel: Kernel
    reason: str


def current() -> str:
    """The kernel that this process runs on: "host", or the guest's name."""
    return os.environ.get(GUEST, "host")


def current_build() -> str | None:
    """Whose build of User-mode Linux this process runs on, "debian" or "rig"; None on the host."""
    return os.environ.get(BUILD)


def current_clock() -> Clock:
    """Whether time is simulated where this process runs."""
    return "simulated" if os.environ.get(CLOCK) == "simulated" else "real"


def require_radios(*, usb: bool, wifi: bool) -> None:
    """Raises RigError where the virtual radios of a topology can be had neither on this kernel nor in a guest's."""
    build = uml.best() if current() == "host" else None
    if build is not None and build.name == "rig":
        return
    controllers = Path("/sys/class/udc")
    if usb and not (controllers.is_dir() and any(controllers.iterdir())):
        mend = "testbed kernel build (some minutes, once); on a kernel of your own: modprobe dummy_hcd libcomposite"
        raise RigError("a virtual stick needs a kernel with USB gadgets", where="this topology's modem", mend=mend)
    if wifi and not Path("/sys/module/mac80211_hwsim").is_dir() and not Path("/sys/class/mac80211_hwsim").is_dir():
        mend = "testbed kernel build (some minutes, once); on a kernel of your own: modprobe mac80211_hwsim radios=0"
        raise RigError("virtual radios need a kernel with mac80211_hwsim", where="this topology's Wi-Fi", mend=mend)


def choose(wanted: str = "auto", clock: Clock = "real") -> Choice:
    """Decide by what a topology needs and what there is.  Raises RigError where the wanted kernel cannot do it."""
    if current() != "host":
        return Choice("host", f"inside the guest already ({current()})")
    if clock == "simulated":
        return _choose_simulated(wanted)
    lacks = "" if wanted == "uml" else host_lacks()
    if wanted in ("host", "auto") and not lacks:
        return Choice("host", "this kernel has everything that a rig needs, and we are root")
    if wanted == "host":
        raise RigError(f"this kernel cannot carry a rig: {lacks}", where="--kernel host", mend=HOST_MEND)
    missing = uml.lacks()
    if missing is None:
        return Choice("uml", f"the host's kernel cannot carry a rig: {lacks}" if lacks else "asked for")
    if wanted == "auto":
        raise RigError(f"the host's kernel cannot carry a rig ({lacks}), and a guest cannot start: {missing.what}",
                       where="--kernel auto", mend=missing.mend)  # fmt: skip
    raise missing


def _choose_simulated(wanted: str) -> Choice:
    if wanted == "host":
        what = "a machine's own kernel cannot simulate time"
        raise UsageError(what, where="--clock simulated --kernel host", mend="use --kernel auto, or --clock real")
    if missing := uml.lacks("simulated"):
        raise missing
    return Choice("uml", "simulated time, in the rig kernel")


def host_lacks() -> str:
    """What keeps a rig from running on the host's own kernel, in a sentence; empty when nothing does."""
    found = probe_host()
    missing = [FEATURES[name] for name, why in found.items() if why is not None]
    missing += missing_privileges()
    return f"it lacks {', '.join(missing)}" if missing else ""


def missing_privileges() -> list[str]:
    """What we may not do that a rig on the host's kernel asks for."""
    if os.geteuid() != 0:
        return ["root's privileges"]
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff:"))
    held = int(line.split()[1], 16)
    return [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]


@functools.cache
def probe_host() -> dict[str, str | None]:
    """Each feature of FEATURES with the reason why the host's kernel does not offer it, None where it does."""
    probed = subprocess.run(
        [sys.executable, "-m", "testbed.rig.kernel.probe"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PROBE_DEADLINE_S,
        check=False,
    )
    try:
        answers: dict[str, str | None] = json.loads(probed.stdout)
    except ValueError:
        said = (probed.stderr.strip().splitlines() or ["it said nothing"])[-1]
        answers = {"netns": f"the probe failed: {said}"}
    return {name: answers.get(name, "not probed") for name in FEATURES}


def repeat_in_guest(
    writable: Sequence[Path],
    *,
    log: Path | None = None,
    clock: Clock = "real",
    seed: int | None = None,
    argv: Sequence[str] | None = None,
) -> int:
    """Run this process's own command line, or `argv`, again inside a guest and return its exit status.

    The folders in `writable` (runs, state) are the host's own inside; they are made when they do not exist.
    """
    if not sys.dont_write_bytecode:  # what the guest compiles is lost with it, and compiling is slow there
        for package in (testbed, drivers):
            compileall.compile_dir(package.__path__[0], quiet=2)
    program = [sys.executable, "-P", "-m", "testbed.cli.main", *(sys.argv[1:] if argv is None else argv)]
    return run_in_guest(program, writable, log=log, clock=clock, seed=seed)


def run_in_guest(
    argv: Sequence[str],
    writable: Sequence[Path],
    *,
    log: Path | None = None,
    interactive: bool = False,
    clock: Clock = "real",
    seed: int | None = None,
) -> int:
    """Run any command inside a guest and return its exit status; `interactive` gives it our keyboard."""
    build = uml.best()
    environment = {GUEST: "uml", BUILD: build.name if build else "", CLOCK: clock}
    return uml.run(
        uml.GuestCommand(
            argv, writable, environment, log=log, interactive=interactive, clock=clock, seed=seed, build=build
        )
    )
