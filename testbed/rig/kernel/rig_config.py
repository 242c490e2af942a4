"""The rig kernel's configuration: the options that the project names, and whether they took.

A line is `CONFIG_NAME=value` or `# CONFIG_NAME is not set`, as in the kernel's own `.config`.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from testbed.rig.kernel.adapt import ADAPTATIONS

FRAGMENT = Path(__file__).with_name("rig.config")
NOT_SET = "n"
_LINE = re.compile(r"^(?:# )?(CONFIG_\w+)(?:=(.*)| is not set)$")


def options(text: str) -> dict[str, str]:
    """Each option that a configuration names, with its value as written; NOT_SET where it says so."""
    matches = (_LINE.match(line.strip()) for line in text.splitlines())
    return {found[1]: NOT_SET if found[2] is None else found[2] for found in matches if found}


def not_taken(wanted: str, final: str) -> list[str]:
    """What the final configuration has otherwise than wanted, one sentence for each option."""
    there = options(final)
    return [
        f"{name}: wanted {value}, got {there.get(name, NOT_SET)}"
        for name, value in options(wanted).items()
        if there.get(name, NOT_SET) != value
    ]


def fingerprint(text: str) -> str:
    """A short name for a configuration and our changes to the source: comments and order do not count."""
    lines = sorted(f"{name}={value}" for name, value in options(text).items())
    return hashlib.sha256("\n".join([*lines, repr(ADAPTATIONS)]).encode()).hexdigest()[:12]
