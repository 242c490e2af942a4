"""Programs, Kamailio modules and Python packages that the testbed uses: whether they are here, and in which version."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import testbed.core
from testbed.rig.kernel.uml import best, find

SETUP = "make setup"
BOTH = ("host", "uml")
ANSWER_DEADLINE_S = 10.0
KAMAILIO_MODULES = Path("/usr/lib")  # <multi-arch triplet>/kamailio/modules


@dataclass(frozen=True)
class Check:
    """One thing that was looked for.

    `kernels` are the kernel choices that cannot do without it; an empty tuple means that only some verbs or tests can
    use it.
    """

    group: str
    name: str
    state: Literal["there", "missing", "absent"]  # absent: not here, but nothing that a rig needs
    detail: str
    mend: str | None = None
    kernels: tuple[str, ...] = ()
    feature: str | None = None  # of the kernel


@dataclass(frozen=True)
class Tool:
    """A program: what it is for, the Debian package it comes in, how it says its version, and who needs it."""

    name: str
    purpose: str
    package: str
    version: Sequence[str] = ("--version",)
    kernels: tuple[str, ...] = BOTH


TOOLS = (
    Tool("kamailio", "P-CSCFs and S-CSCF", "kamailio", ("-v",)),
    Tool("dumpcap", "captures", "tshark"),
    Tool("ip", "network namespaces", "iproute2", ("-V",)),
    Tool("setpriv", "processes that end with us", "util-linux"),
    Tool("unshare", "the guest's process namespace", "util-linux"),
    Tool("modprobe", "the guest's modules", "kmod", kernels=("uml",)),
    Tool("sipp", "the user agent of a peer network", "sip-tester", ("-v",), kernels=()),
    Tool("tshark", "tests and figures beside ours", "tshark", kernels=()),
    Tool("hostapd", "Wi-Fi access points", "hostapd", ("-v",), kernels=()),
    Tool("wpa_supplicant", "Wi-Fi stations", "wpasupplicant", ("-v",), kernels=()),
    Tool("iw", "Wi-Fi radios", "iw", kernels=()),
    Tool("dnsmasq", "addresses on a Wi-Fi access", "dnsmasq-base", kernels=()),
    Tool("busybox", "the UE's DHCP client on Wi-Fi", "busybox", (), kernels=()),
    Tool("dhclient", "the UE's DHCPv6 client on Wi-Fi", "isc-dhcp-client", kernels=()),
)
# A module of Kamailio is in a package of its own by the beginning of its name; the rest comes with kamailio itself.
MODULE_PACKAGES = {
    "ims_": "kamailio-ims-modules",
    "cdp": "kamailio-ims-modules",
    "app_python3": "kamailio-python3-modules",
    "presence": "kamailio-presence-modules",
    "pua": "kamailio-presence-modules",
    "xml": "kamailio-xml-modules",
}


def programs() -> list[Check]:
    """Every program of TOOLS, and what they load.  A guest whose kernel has everything built in loads no modules."""
    build = best()
    tools = [tool for tool in TOOLS if tool.name != "modprobe" or build is None or build.modules]
    with ThreadPoolExecutor() as pool:
        return [*pool.map(_tool, tools), kamailio_modules()]


def kamailio_modules() -> Check:
    """The modules that the core's own configuration loads."""
    folders = list(KAMAILIO_MODULES.glob("*/kamailio/modules"))
    wanted = modules_loaded()
    missing = [name for name in wanted if not any((folder / f"{name}.so").exists() for folder in folders)]
    if not missing:
        return Check("programs", "Kamailio's modules", "there", f"all {len(wanted)} that the core loads")
    packages = sorted({package_of(name) for name in missing})
    detail, mend = f"not here: {', '.join(missing)}", f"{SETUP}, or apt-get install {' '.join(packages)}"
    return Check("programs", "Kamailio's modules", "missing", detail, mend, BOTH)


def python_packages() -> list[Check]:
    """The Python that runs us, and the packages that the project asks for."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}, {sys.executable}"
    checks = [Check("Python", "Python", "there", version)]
    for requirement in importlib.metadata.requires("handoff-testbed") or []:
        name, _, marker = requirement.partition(";")
        name = re.split(r"[\s<>=!~\[]", name.strip())[0]
        optional = "extra" in marker
        try:
            checks.append(Check("Python", name, "there", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            kernels = () if optional else BOTH
            detail = "only for tests and setup" if optional else ""
            checks.append(Check("Python", name, "absent" if optional else "missing", detail, SETUP, kernels))
    return checks


def modules_loaded() -> list[str]:
    """The names of the modules in the core's configuration files."""
    texts = [path.read_text() for path in Path(testbed.core.__path__[0]).glob("kamailio/*.cfg")]
    return sorted({name for text in texts for name in re.findall(r'(?m)^loadmodule "(\w+)', text)})


def package_of(module: str) -> str:
    """The Debian package that a module of Kamailio comes in."""
    return next((package for start, package in MODULE_PACKAGES.items() if module.startswith(start)), "kamailio")


def _tool(tool: Tool) -> Check:
    path = find(tool.name)
    if path is None:
        state: Literal["missing", "absent"] = "missing" if tool.kernels else "absent"
        mend = f"{SETUP}, or apt-get install {tool.package}"
        return Check("programs", tool.name, state, f"not here; for {tool.purpose}", mend, tool.kernels)
    if not os.access(path, os.R_OK):  # the guest runs it with our rights on the host
        detail = f"{path}: not readable for us"
        return Check("programs", tool.name, "missing", detail, f"run as root, or chmod o+rx {path}", tool.kernels)
    return Check("programs", tool.name, "there", _version([path, *tool.version]))


def _version(argv: Sequence[str]) -> str:
    """The first version number in what a program says of itself."""
    try:
        said = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "does not say its version"
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr) or re.search(r"\d+", said.stdout)
    return found[0] if found else ""
