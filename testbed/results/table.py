"""Results for the terminal: the table that a person can read aloud, of one run, of many, and of two side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from testbed.measure.words import Direction, Phase, Verdict
from testbed.results import summary, words
from testbed.results.model import Handoff, Result

STYLE = {Verdict.PASSED: "green", Verdict.FAILED: "red", Verdict.RIG_ERROR: "magenta", Verdict.INVALID: "yellow"}
PHASE_STYLE = dict(zip(Phase, ("red", "yellow", "cyan", "blue", "green"), strict=True))
BAR_WIDTH = 30
SHOWN = 3  # handoffs of one run that are told in full
WAYS = (Direction.UPLINK, Direction.DOWNLINK)


def result_table(result: Result, evidence: Path | None = None) -> RenderableType:
    """One result: figures, phases, what lies above the floor, the verdict in words, and where the evidence lies."""
    parts: list[RenderableType] = [Text(words.headline(result), style="bold")]
    shown = result.handoffs[:SHOWN]
    for handoff in shown:
        parts += [
            Text(words.procedure(handoff), style="dim"),
            _figures(handoff),
            _phases(handoff),
            *_above_floor(handoff),
        ]
    if len(result.handoffs) > len(shown):
        parts.append(_many(result))
    if result.steps:
        parts.append(steps_text(result))
    parts += [verdict_text(result), *_evidence(result, evidence)]
    return Group(*parts)


def steps_text(result: Result) -> RenderableType:
    """How many steps passed, and the durations that have a name."""
    passed = sum(step.state == "passed" for step in result.steps)
    lines = [Text(f"{passed} of {len(result.steps)} steps passed")]
    for step in result.steps:
        if step.figure is not None and step.took_ms is not None:
            lines.append(Text(f" {step.figure}: {words.milliseconds(step.took_ms)}"))
    return Group(*lines)


def _many(result: Result) -> RenderableType:
    """What all handoffs of one run come to."""
    table = _plain(f"{len(result.handoffs)} handoffs", "uplink", "downlink")
    for name, figure, form in (
        ("interruption ms, median", summary.interruption, "{:.1f}"),
        ("over floor, median", summary.over_floor, "{:.2f}"),
        ("over floor, at most", summary.over_floor, "{:.2f}"),
        ("without the packet grid, median", summary.outage_over_floor, "{:.2f}"),
        ("without the packet grid, at most", summary.outage_over_floor, "{:.2f}"),
    ):
        cells = []
        for way in WAYS:
            values = sorted(value for each in result.handoffs if (value := figure(each, way)) is not None)
            chosen = (values[-1] if name.endswith("most") else values[len(values) // 2]) if values else None
            cells.append("–" if chosen is None else form.format(chosen))
        table.add_row(name, *cells)
    lost = [sum(getattr(each.lost, way.value) for each in result.handoffs) for way in WAYS]
    table.add_row("packets lost, all", *map(str, lost))
    return table


def verdict_text(result: Result) -> RenderableType:
    """`PASSED: the handoff did what the scenario expects`, and the reasons below it."""
    lines: list[RenderableType] = [
        Text.assemble(
            (result.verdict.value.upper(), f"bold {STYLE[result.verdict]}"), ": ", words.VERDICT[result.verdict]
        )
    ]
    lines += [_item("•", reason) for reason in result.reasons]
    lines += [_item("note:", note, "dim") for note in result.notes]
    return Group(*lines)


def summary_table(results: Sequence[Result]) -> RenderableType:
    """Many runs of one scenario: a row each, then median and extremes."""
    table = _plain(
        "run", "verdict", "interruption\nup / down ms", "over floor\nup / down", "lost\nup / down", "handoff\nms"
    )
    for number, result in enumerate(results, start=1):
        mark = Text(result.verdict.value, style=STYLE[result.verdict])
        name = f"{number:>2} …{result.id[-4:]}"  # the scenario is the same for all, the time nearly
        if not result.handoffs:
            table.add_row(name, mark, *["–"] * 4)
        for handoff in result.handoffs:
            table.add_row(
                name,
                mark,
                _pair(handoff, summary.interruption, "{:.1f}"),
                _pair(handoff, summary.over_floor, "{:.2f}"),
                f"{handoff.lost.uplink} / {handoff.lost.downlink}",
                "–" if handoff.handoff_ms is None else f"{handoff.handoff_ms:.1f}",
            )
    figures = summary.summarise(results)
    table.add_section()
    for name in ("median", "min", "max"):
        table.add_row(
            name,
            "",
            _spread_pair(figures["interruption_ms"], name, "{:.1f}"),
            _spread_pair(figures["over_floor"], name, "{:.2f}"),
            _spread_pair(figures["lost"], name, "{:g}"),
            _number(figures["handoff_ms"][name], "{:.1f}"),
        )
    counts = ", ".join(f"{count} {verdict}" for verdict, count in figures["verdicts"].items() if count)
    return Group(table, Text.assemble(("verdicts: ", "bold"), counts or "no runs"))


def runs_table(entries: Sequence[tuple[str, Result | None]]) -> RenderableType:
    """What lies in a folder of runs, oldest first; None: that run left no result."""
    table = _plain("run", "verdict", "interruption\nup / down ms")
    for name, result in entries:
        mark = Text("no result", "dim") if result is None else Text(result.verdict.value, STYLE[result.verdict])
        first = result.handoffs[0] if result is not None and result.handoffs else None
        table.add_row(name, mark, "–" if first is None else _pair(first, summary.interruption, "{:.1f}"))
    return table


def comparison_table(seamless: Result, release7: Result) -> RenderableType:
    """The proposal beside what the core did without it."""
    table = _plain("", seamless.scenario, release7.scenario)
    pairs = list(zip(seamless.handoffs[:1], release7.handoffs[:1], strict=False))
    for left, right in pairs:
        for way in WAYS:
            figures = (words.interruption(summary.measured(handoff, way)) for handoff in (left, right))
            table.add_row(f"interruption, {way}", *figures)
        for way in WAYS:
            table.add_row(f"packets lost, {way}", *(str(getattr(each.lost, way.value)) for each in (left, right)))
        for way in WAYS:
            table.add_row(f"floor, {way}", *(words.milliseconds(getattr(e.floor_ms, way.value)) for e in (left, right)))
        table.add_row("trigger until media both ways", *(words.milliseconds(e.handoff_ms) for e in (left, right)))
        table.add_row("the call", *("lost and dialled again" if _redialled(e) else "went on" for e in (left, right)))
    table.add_row("verdict", *(Text(r.verdict.value, style=STYLE[r.verdict]) for r in (seamless, release7)))
    return table


def _figures(handoff: Handoff) -> Table:
    table = _plain("", "uplink", "downlink")
    figures = [summary.measured(handoff, way) for way in WAYS]
    table.add_row(Text("interruption", "bold"), *(Text(words.interruption(figure), "bold") for figure in figures))
    table.add_row("floor", *(words.milliseconds(getattr(handoff.floor_ms, way.value)) for way in WAYS))
    excess = [(summary.above_floor_ms(handoff, way), summary.over_floor(handoff, way)) for way in WAYS]
    table.add_row("above the floor", *(words.above(*pair) for pair in excess))
    outages = [(summary.outage_ms(handoff, way), summary.outage_over_floor(handoff, way)) for way in WAYS]
    table.add_row("without the packet grid", *(words.outage(*pair) for pair in outages))
    table.add_row("packets lost", str(handoff.lost.uplink), str(handoff.lost.downlink))
    return table


def _phases(handoff: Handoff) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 1))
    known = [value or 0.0 for value in handoff.phases_ms.values()]
    scale = max([*known, 0.001])
    for phase, value in handoff.phases_ms.items():
        length = round((value or 0.0) / scale * BAR_WIDTH)
        bar = Text("█" * length or "▏", style=PHASE_STYLE[phase])
        table.add_row(
            phase.value, Text(words.milliseconds(value), justify="right"), bar, Text(words.PHASE[phase], "dim")
        )
    return Group(Text(words.handoff_time(handoff), "bold"), table)


def _above_floor(handoff: Handoff) -> list[RenderableType]:
    shares = {way: summary.whose(handoff, way) for way in WAYS}
    names = dict.fromkeys(name for way in WAYS for name in shares[way])
    if not names:
        return [Text()]
    table = _plain("above the floor, and whose it is", "uplink", "downlink")
    for name in sorted(names, key=lambda name: -max(shares[way].get(name, 0.0) for way in WAYS)):
        each = (shares[way].get(name, 0.0) if shares[way] else None for way in WAYS)  # None: not apportioned
        table.add_row(words.whose(name), *(words.milliseconds(ms, signed=True) for ms in each))
    return [table]


def _evidence(result: Result, evidence: Path | None) -> list[RenderableType]:
    where = evidence if evidence is not None else Path(result.id)
    return [Text.assemble("evidence: ", (f"{where}/", "bold")), Text("          report.html, captures/", "dim")]


def _item(mark: str, text: str, style: str = "") -> RenderableType:
    """A line that is indented below its mark when it is long."""
    table = Table.grid(padding=(0, 1))
    table.add_row(Text(mark, style), Text(text, style))
    return Padding(table, (0, 0, 0, 2))


def _plain(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table


def _pair(handoff: Handoff, figure: Callable[[Handoff, Direction], float | None], form: str) -> str:
    return " / ".join(_number(figure(handoff, way), form) for way in WAYS)


def _spread_pair(figures: dict[str, dict[str, float | None]], name: str, form: str) -> str:
    return " / ".join(_number(figures[way.value][name], form) for way in WAYS)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _redialled(handoff: Handoff) -> bool:
    return handoff.procedure.value == "release7"
