"""What the rig kernel has otherwise than Debian's source: in simulated time everything that it draws can be repeated.

Simulated time makes a guest deterministic but for what the kernel draws at random: ports, SPIs, address layout, the
delays of multicast listeners, the seeds of every program.  All of that comes from what the kernel gets of the host when
it starts; with SEED in its environment it gets that instead.  (The kernel also mixes its command line into what it
draws, and that names the guest's folder, which is never the same.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import RigError

SEED = "UML_SEED"  # in the environment of linux.uml


@dataclass(frozen=True)
class Adaptation:
    """In one file of the source, one line for other text."""

    file: str
    line: re.Pattern[str]  # there must be exactly one
    new: str


ADAPTATIONS = (
    Adaptation(
        "arch/um/os-Linux/util.c",
        re.compile(r"^\s*return getrandom\(.*\n", re.MULTILINE),
        f"""\tconst char *seed = getenv("{SEED}");
	size_t i;

	if (!seed || !*seed)
		return getrandom(buf, len, flags);
	for (i = 0; i < len; i++)
		((char *)buf)[i] = seed[i % strlen(seed)];
	return len;
""",
    ),
    Adaptation("drivers/char/random.c", re.compile(r"^\s*\w+\(command_line,.*\n", re.MULTILINE), ""),
)


def adapt(tree: Path) -> None:
    """Change an unpacked source.  Raises RigError where it is not the one that these changes were made for."""
    for one in ADAPTATIONS:
        path = tree / one.file
        text = path.read_text() if path.exists() else ""
        if len(one.line.findall(text)) != 1:
            mend = "the source is newer than this project: use linux-source-6.12 of Debian 12 or 13"
            raise RigError("has nothing to change where the rig kernel differs", where=one.file, mend=mend)
        path.write_text(one.line.sub(lambda _, new=one.new: new, text))  # type: ignore[misc]
