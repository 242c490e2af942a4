"""What this machine can do for each kernel choice, and what mends what it lacks.

Nothing is changed; to see what the guest's kernel can do one is started.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal

from testbed.errors import RigError
from testbed.rig import doctor_tools
from testbed.rig.doctor_tools import SETUP, Check
from testbed.rig.kernel import choose, guest_process, kernel_source, rig_kernel, status, uml
from testbed.topology.plan import Plan

GUEST_DEADLINE_S = 90.0
# How each feature of choose.FEATURES comes to a host's own kernel.
FEATURE_MENDS = {
    "netns": "a kernel with CONFIG_NET_NS (a container: --privileged)",
    "veth": "modprobe veth",
    "bridge": "modprobe bridge",
    "netem": "modprobe sch_netem (Debian: linux-image-amd64; a cloud image's kernel may lack it)",
    "esp4": "modprobe -a esp4 xfrm_user (Debian: linux-image-amd64; a cloud image's kernel may lack them)",
    "esp6": "modprobe -a esp6 xfrm_user (Debian: linux-image-amd64; a cloud image's kernel may lack them)",
}


@dataclass(frozen=True)
class Ability:
    """Whether a rig can run on one kernel, and what keeps it from doing so."""

    kernel: choose.Kernel
    can: bool
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was looked at, and what it comes to."""

    checks: tuple[Check, ...]
    abilities: tuple[Ability, ...]
    topology: str | None

    @property
    def choice(self) -> str | None:
        """What `--kernel auto` takes; None where a rig can run nowhere."""
        return next((ability.kernel for ability in self.abilities if ability.can), None)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "choice": self.choice}


def diagnose(plan: Plan | None = None) -> Diagnosis:
    """Look at this machine; with a plan, only what that topology's rig needs of a kernel counts."""
    needed = features(plan)
    with ThreadPoolExecutor() as pool:  # most of it is waiting for programs that say their version
        ours = (_host, _guest, _rig_kernel)
        looks = [pool.submit(look) for look in (*ours, doctor_tools.programs, doctor_tools.python_packages)]
        checks = [check for look in looks for check in look.result()]
    kept = tuple(check for check in checks if check.feature is None or check.feature in needed)
    kernels: tuple[choose.Kernel, ...] = ("host",) if choose.current() != "host" else ("host", "uml")
    return Diagnosis(kept, tuple(_ability(kernel, kept) for kernel in kernels), plan.topology if plan else None)


def features(plan: Plan | None) -> tuple[str, ...]:
    """The names of choose.FEATURES that a rig needs."""
    families = (4, 6) if plan is None else tuple(plan.backbone_prefix)
    return tuple(name for name in choose.FEATURES if name != "esp6" or 6 in families)


def _ability(kernel: choose.Kernel, checks: tuple[Check, ...]) -> Ability:
    missing = tuple(check.name for check in checks if check.state == "missing" and kernel in check.kernels)
    return Ability(kernel, not missing, missing)


def _host() -> list[Check]:
    checks = [Check("host's kernel", "Linux", "there", os.uname().release)]
    checks += _features("host's kernel", "host", choose.probe_host(), FEATURE_MENDS)
    return [*checks, _privileges()]


def _privileges() -> Check:
    missing = choose.missing_privileges()
    mend = "run as root, or with --kernel uml, which needs none"
    detail = f"lacks {', '.join(missing)}" if missing else "root"
    state: Literal["missing", "there"] = "missing" if missing else "there"
    return Check("host's kernel", "privileges", state, detail, mend if missing else None, ("host",))


def _guest() -> list[Check]:
    if choose.current() != "host":
        return []
    group, kernel = "guest kernel", status.guest()
    if not kernel.usable:
        return [Check(group, "User-mode Linux", "missing", kernel.lacks, kernel.mend, ("uml",))]
    try:
        answers = _ask_guest()
    except (OSError, ValueError, subprocess.SubprocessError) as failed:
        mend = "`testbed kernel exec -- true` shows the guest's own words"
        return [Check(group, "User-mode Linux", "missing", f"does not start: {failed}", mend, ("uml",))]
    begun = Check(group, "User-mode Linux", "there", f"{kernel.release}, started")
    again = f"{uml.REMOVE_IT} && {uml.BUILD_IT}" if kernel.build == "rig" else f"reinstall user-mode-linux, or {SETUP}"
    mends = dict.fromkeys(choose.FEATURES, again)
    return [begun, *_features(group, "uml", answers, mends), _user_namespace(group)]


def _rig_kernel() -> list[Check]:
    """The build of our own that guests prefer, and whether time can be simulated: no wired rig needs it."""
    if choose.current() != "host":
        return []
    group, name = "guest kernel", "rig kernel"
    if kernel := rig_kernel.find():
        detail = f"{kernel.release}, built {kernel.built[:10]}: time can be simulated, with Wi-Fi and USB"
        return [Check(group, name, "there", detail)]
    detail, mend = "not built: no simulated time, no virtual Wi-Fi or USB", uml.BUILD_IT
    try:
        kernel_source.find_source()
    except RigError as lacking:
        mend = f"{lacking.mend}, then {uml.BUILD_IT}"
    if packages := kernel_source.missing_tools():
        mend = f"apt-get install {' '.join(packages)}; {mend}"
    return [Check(group, name, "absent", detail, mend)]


def _user_namespace(group: str) -> Check:
    """Without one the guest's dumpcap, which gives up root's right to write anywhere, cannot write into our folders."""
    name, needed = "user namespace", os.geteuid() != 0
    if guest_process.contained() != guest_process.WITHOUT_PARENT:
        return Check(group, name, "there", "" if needed else "not needed: we are root")
    if not needed:
        return Check(group, name, "absent", "not needed: we are root; a killed run may leave idle processes", None)
    mend = "sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0, or run as root"
    return Check(group, name, "missing", "not allowed here, so that dumpcap cannot write captures", mend, ("uml",))


def _ask_guest() -> dict[str, str | None]:
    """The probe's answers from inside a guest."""
    probe = [sys.executable, "-P", "-m", "testbed.rig.kernel.probe"]
    asked = subprocess.run(
        [sys.executable, "-P", "-m", "testbed.cli.main", "kernel", "exec", "--", *probe],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=GUEST_DEADLINE_S,
        check=False,
    )
    if asked.returncode != 0:
        raise ValueError((asked.stderr.strip() or f"status {asked.returncode}").removeprefix("error: "))
    answers: dict[str, str | None] = json.loads(asked.stdout)
    return answers


def _features(
    group: str, kernel: choose.Kernel, answers: Mapping[str, str | None], mends: Mapping[str, str]
) -> list[Check]:
    checks = []
    for name, words in choose.FEATURES.items():
        why = answers.get(name, "not probed")
        if why is None:
            checks.append(Check(group, words, "there", "", feature=name))
        else:
            checks.append(Check(group, words, "missing", why, mends[name], (kernel,), feature=name))
    return checks


def plan_of(topology: str | None) -> Plan | None:
    """The plan of a topology file, or of one that ships.  Raises UsageError."""
    if topology is None:
        return None
    from testbed.topology.load import load, resolve
    from testbed.topology.planning import make_plan

    return make_plan(load(resolve(topology)))
