"""Which kernels this machine offers to a rig, and which of them `--kernel auto` would take."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from testbed.errors import RigError
from testbed.rig.kernel import choose, uml


@dataclass(frozen=True)
class KernelStatus:
    """One kernel: what keeps it from carrying a rig, in a sentence (empty where nothing does), and the mend."""

    name: choose.Kernel
    release: str  # empty where it is not installed
    lacks: str
    mend: str | None
    features: Mapping[str, str | None]  # each of choose.FEATURES with the reason why it is missing; {} where not asked
    build: str = ""  # of a uml: debian | rig

    @property
    def usable(self) -> bool:
        return not self.lacks


@dataclass(frozen=True)
class Status:
    """All kernels, and what `auto` comes to: None where no kernel can carry a rig."""

    kernels: tuple[KernelStatus, ...]
    choice: choose.Kernel | None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def status() -> Status:
    """Look at this machine, starting nothing but the probe of the host's kernel."""
    try:
        chosen = choose.choose("auto")
    except RigError as cannot:
        return Status((host(), guest()), None, cannot.what)
    return Status((host(), guest()), chosen.kernel, chosen.reason)


def host() -> KernelStatus:
    """The kernel that we run on."""
    lacks = choose.host_lacks()
    return KernelStatus("host", os.uname().release, lacks, choose.HOST_MEND if lacks else None, choose.probe_host())


def guest() -> KernelStatus:
    """The User-mode Linux that a guest gets.  Its features are known: it is Debian's one build, or the rig kernel."""
    missing, build = uml.lacks(), uml.best()
    why, mend = (missing.what, missing.mend) if missing else ("", None)
    return KernelStatus("uml", build.release if build else "", why, mend, {}, build.name if build else "")
