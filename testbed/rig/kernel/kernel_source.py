"""Where the rig kernel's source comes from: Debian's package of it, and the tools that turn it into a kernel."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import RigError

FOLDER = Path("/usr/src")
# By preference: 6.12's netem can be seeded, so that jitter repeats.
VERSIONS = ("6.12", "6.1")
# Program -> Debian package.  Whatever else the kernel's build calls comes with them or is essential.
TOOLS = {
    "make": "make",
    "gcc": "gcc",
    "ld": "binutils",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "perl": "perl",
    "xz": "xz-utils",
}
C_LIBRARY = Path("/usr/include/stdio.h")  # User-mode Linux is a program of the host's C library


@dataclass(frozen=True)
class Source:
    """A kernel's source as its package brings it."""

    version: str  # 6.12
    package: str  # the package's version, 6.12.117-1~deb12u1
    archive: Path


def find_source(folder: Path = FOLDER) -> Source:
    """The best source that is installed.  Raises RigError, which names the package to install."""
    for version in VERSIONS:
        archive = folder / f"linux-source-{version}.tar.xz"
        if archive.is_file():
            return Source(version, _package_version(version, archive), archive)
    others = [path.name for path in sorted(folder.glob("linux-source-*.tar.*"))]
    what = f"only {', '.join(others)} is there" if others else "there is no kernel source"
    raise RigError(f"{what}; the rig kernel is built from {' or '.join(VERSIONS)}", where=str(folder), mend=offer())


def missing_tools() -> list[str]:
    """The Debian packages that a build needs and this machine lacks."""
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    return missing if C_LIBRARY.exists() else [*missing, "libc6-dev"]


def offer() -> str:
    """How to get a source: the command for the best one that apt has."""
    for version in VERSIONS:
        if candidate := _candidate(f"linux-source-{version}"):
            backports = " -t bookworm-backports" if "~bpo12" in candidate else ""
            return f"apt-get install{backports} --no-install-recommends linux-source-{version}"
    names = " or ".join(f"linux-source-{version}" for version in VERSIONS)
    return f"apt-get update, and install {names} (6.12: Debian 13, or bookworm-backports on Debian 12)"


def _package_version(version: str, archive: Path) -> str:
    asked = _ask("dpkg-query", "--show", "--showformat=${Version}", f"linux-source-{version}")
    if asked:
        return asked
    mend = f"apt-get install --reinstall linux-source-{version}"
    raise RigError("belongs to no installed package: nobody knows its version", where=str(archive), mend=mend)


def _candidate(package: str) -> str:
    """The version that apt would install; empty where it has none."""
    lines = _ask("apt-cache", "policy", package).splitlines()
    found = next((line.split()[-1] for line in lines if line.strip().startswith("Candidate:")), "")
    return "" if found == "(none)" else found


def _ask(*argv: str) -> str:
    try:
        asked = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
