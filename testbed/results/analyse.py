"""From a run's folder to its verdict: the one call that the scenario runner makes after the run."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from testbed.errors import RigError, UsageError
from testbed.results.context import RunContext
from testbed.results.folder import RunFolder
from testbed.results.model import Result

if TYPE_CHECKING:  # numpy takes its time, and a rig is up while this module is imported
    from testbed.results.reading import Reading

CONTEXT = "context.json"
# Files with a name of their own in `artifacts`; any other is called by its path.
NAMES = {
    "result": "result.json",
    "timeline": "timeline.jsonl",
    "report": "report.html",
    "context": CONTEXT,
    "topology": "topology.yaml",
    "scenario": "scenario.yaml",
    "capture_ue": "captures/ue.pcapng",
    "capture_far": "captures/far.pcapng",
    "esp_sa": "captures/esp_sa",
}


def analyse(folder: RunFolder, context: RunContext) -> Result:
    """Read the captures, judge, and write `result.json`, `timeline.jsonl` and `report.html` into the folder.

    It never raises for what the captures hold or lack: that is the verdict's to say.  RigError when the folder cannot
    be written.
    """
    from testbed.results.reading import nothing_read, read_run

    try:
        write_context(folder, context)
        try:
            result, files = _texts(folder, context, read_run(folder, context))
        except Exception:  # a fault of ours must not cost the run's evidence: it is told, kept, and judged
            sentence = f"the analysis itself failed; see {_keep_traceback(folder)}"
            result, files = _texts(folder, context, nothing_read(context, sentence))
        for name, text in files.items():
            folder.write(name, text)
    except OSError as error:
        raise RigError(
            f"the result cannot be written: {error.strerror}",
            where=str(error.filename or folder.path),
            mend="see that the disk is not full and the folder may be written, then `testbed report` the run",
        ) from error
    return result


def _texts(folder: RunFolder, context: RunContext, reading: Reading) -> tuple[Result, dict[str, str]]:
    """The result, and what is to be written: `result.json` last, for who sees it may rely on the others."""
    from testbed.measure.verdict import conclude
    from testbed.results.record import result_record
    from testbed.results.report import report_html
    from testbed.results.story import tell

    verdict, reasons = conclude(reading.findings)
    result = result_record(folder.id, context, reading, verdict, reasons)
    story = tell(reading, context)
    result.artifacts = artifacts(folder)
    files = {
        "timeline.jsonl": story.lines(),
        "report.html": report_html(result, story),
        "result.json": result.to_json(),
    }
    return result, files


def write_context(folder: RunFolder, context: RunContext) -> None:
    """What `analyse` needs of a run whose analysis comes later."""
    folder.write(CONTEXT, TypeAdapter(RunContext).dump_json(context, indent=2).decode() + "\n")


def read_context(folder: RunFolder) -> RunContext:
    """What `analyse` was given when the run ended; UsageError where the folder does not hold it."""
    path = folder.path / CONTEXT
    try:
        return TypeAdapter(RunContext).validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"the run cannot be analysed again: {error.strerror}", where=str(path), mend="repeat the run"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{place or 'the file'}: {first['msg']}", where=str(path), mend="repeat the run") from error


def artifacts(folder: RunFolder) -> dict[str, str]:
    """The files of a run's folder, by name; those that this module is about to write are among them."""
    written = {"result.json", "timeline.jsonl", "report.html"}
    there = {path.relative_to(folder.path).as_posix() for path in folder.path.rglob("*") if _is_evidence(path)}
    names = {file: name for name, file in NAMES.items()}
    return {names.get(file, file): file for file in sorted(there | written)}


def _is_evidence(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _keep_traceback(folder: RunFolder) -> str:
    folder.logs.mkdir(exist_ok=True)
    folder.write("logs/analysis.log", traceback.format_exc())
    return "logs/analysis.log"
