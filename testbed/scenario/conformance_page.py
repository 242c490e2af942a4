"""The page that `testbed conformance --page` writes: Markdown, for people who read it where the project is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from testbed.measure.words import Verdict
from testbed.results.words import moment
from testbed.scenario.conformance import NOT_RUN, Outcome, RowOutcome

MARK = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "**failed**",
    Verdict.RIG_ERROR: "rig-error",
    Verdict.INVALID: "invalid",
}


def page(table: Sequence[RowOutcome], kernel: str, clock: str, started: str, took_s: float, without: str = "") -> str:
    """The whole page."""
    return "\n".join(_lines(table, kernel, clock, started, took_s, without)) + "\n"


def _lines(
    table: Sequence[RowOutcome], kernel: str, clock: str, started: str, took_s: float, without: str
) -> Iterator[str]:
    runs = {run.folder: run for row in table for run in row.runs}
    passed = sum(run.verdict is Verdict.PASSED for run in runs.values())
    yield "# C1-062198, row by row"
    yield ""
    yield f"Written by `testbed conformance` on {moment(started)}."
    yield f"{passed} of {len(runs)} runs passed, in {took_s:.0f} s."
    yield f"Kernel {kernel}, {clock} time."
    if without:
        yield ""
        yield f"The core was started without its rule `{without}`."
    yield ""
    yield "| # | what must hold | clause | verdict |"
    yield "| --- | --- | --- | --- |"
    for row in table:
        verdict = MARK[row.verdict] if row.verdict else NOT_RUN
        yield f"| {row.row.number} | {row.row.what} | {row.row.clause} | {verdict} |"
    yield ""
    yield "## What was run"
    for row in table:
        yield ""
        yield f"### {row.row.number}. {row.row.what[0].upper()}{row.row.what[1:]} ({row.row.clause})"
        yield ""
        yield "| scenario | what it shows | over | verdict | figure |"
        yield "| --- | --- | --- | --- | --- |"
        for name, found in row.by_scenario():
            for number, run in enumerate(found):
                title = run.title if number == 0 else ""
                yield f"| {name if number == 0 else ''} | {title} | {run.how} | {MARK[run.verdict]} | {run.figure} |"
        for run in row.runs:
            yield from _why(run)


def _why(run: Outcome) -> Iterator[str]:
    if run.verdict is not Verdict.PASSED:
        yield ""
        yield f"{run.scenario}, {run.how}: " + "; ".join(reason.replace("\n", " ") for reason in run.reasons)
