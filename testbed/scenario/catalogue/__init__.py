"""The scenarios that come with the project, one YAML file each, and the way from a name to a scenario."""

from __future__ import annotations

from pathlib import Path

from testbed.errors import UsageError
from testbed.scenario.model import Scenario
from testbed.scenario.stepped import SteppedScenario
from testbed.topology import files
from testbed.topology.document import Document, parse
from testbed.topology.faults import nearest, shown

FOLDER = Path(__file__).parent
AnyScenario = Scenario | SteppedScenario


def catalogue() -> dict[str, AnyScenario]:
    """All of them by name."""
    return {path.stem: load(path) for path in sorted(FOLDER.glob("*.yaml"))}


def load(path: Path) -> AnyScenario:
    """Read and check a scenario file.  Raises UsageError with file, line, column and key of all that is wrong."""
    return _checked(parse(files.read_text(path), str(path)))


def loads(text: str, file: str = "scenario") -> AnyScenario:
    """The same from text."""
    return _checked(parse(text, file))


def _checked(document: Document) -> AnyScenario:
    """The form is that which the file's keys tell of."""
    if "steps" in document.data:
        return files.validate(document, SteppedScenario, SteppedScenario.complaints)
    return files.validate(document, Scenario, Scenario.complaints)


def find(name: str) -> AnyScenario:
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
