"""The scenarios that come with the project, one YAML file each, and the way from a name to a scenario."""

from __future__ import annotations

from pathlib import Path

from testbed.errors import UsageError
from testbed.scenario.model import Scenario, complaints
from testbed.topology import files
from testbed.topology.faults import nearest, shown

FOLDER = Path(__file__).parent


def catalogue() -> dict[str, Scenario]:
    """All of them by name."""
    return {path.stem: load(path) for path in sorted(FOLDER.glob("*.yaml"))}


def load(path: Path) -> Scenario:
    """Read and check a scenario file.  Raises UsageError with file, line, column and key of all that is wrong."""
    return files.read(path, Scenario, complaints)


def find(name: str) -> Scenario:
    """The scenario that a command line means: a name of the catalogue, or the path of a file.  Raises UsageError."""
    built_in = FOLDER / f"{name}.yaml"
    path = Path(name)
    if path.name == name and built_in.is_file() and not path.is_file():
        return load(built_in)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return load(path)
    names = [found.stem for found in sorted(FOLDER.glob("*.yaml"))]
    mend = nearest(path.name, names, "give the path of a file, or one of")
    raise UsageError(f"there is no scenario `{shown(name)}`", mend=mend)
