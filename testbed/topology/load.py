"""Topology files: where they are, and the way from one to a checked topology."""

from __future__ import annotations

from pathlib import Path

import testbed
from testbed.errors import UsageError
from testbed.topology import files
from testbed.topology.checks import complaints
from testbed.topology.document import parse
from testbed.topology.faults import nearest, shown
from testbed.topology.model import Topology

SHIPPED = Path(testbed.__file__).resolve().parents[1] / "topologies"


def load(path: Path | str) -> Topology:
    """Read and check a topology file.  Raises UsageError with file, line, column and key of all that is wrong."""
    return files.read(Path(path), Topology, complaints)


def loads(text: str, file: str = "topology") -> Topology:
    """The same from text."""
    return files.validate(parse(text, file), Topology, complaints)


def shipped() -> dict[str, Path]:
    """The topologies that come with the project, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def resolve(name: str) -> Path:
    """The file that a command line means: a path, or the bare name of a shipped topology.  Raises UsageError."""
    path = Path(name)
    if name in shipped() and not path.is_file():
        return shipped()[name]
    if path.exists():
        return path
    mend = nearest(path.stem, list(shipped()), "give the path of a file, or a name that ships")
    raise UsageError(f"there is no topology `{shown(name)}`", mend=mend)
