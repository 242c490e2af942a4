"""What is known of a run while it goes on, and how that is drawn: a row for each stage, in the order of events."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from testbed.dashboard.strip import level_marks
from testbed.scenario.progress import HANDOFF, Progress

MARKS = {"begun": ("▸", "bold cyan"), "done": ("✓", "green"), "failed": ("✗", "bold red"), "note": ("·", "dim")}
TRIGGER_MARK = ("▼", "bold red")
CONNECTION_STYLE = {"active": "green", "inactive": "yellow", "ended": "dim"}
STANDS_STILL = "the view stands still until the handoff is over: drawing would be measured too"
BAR_WIDTH = 24
SAMPLES = 200  # of media that are kept
FULL = 5  # packets in 100 ms, when all is well
NOTES = 4  # in a row; of more only the last are shown


@dataclass
class Row:
    """A stage, or a note that belongs to none that is open."""

    stage: str
    state: str
    text: str
    seconds: float | None = None
    latest: str = ""  # the last note while the stage is open
    in_handoff: bool = False


@dataclass
class Board:
    """Takes events; `rows` is what there is to tell.

    `now_s` and `begun_s` are of the caller's clock; where that is simulated `wall_s` is what has passed outside.
    """

    title: str
    begun_s: float
    now_s: float = 0.0
    rows: list[Row] = field(default_factory=list)
    samples: dict[str, deque[int]] = field(default_factory=dict)
    connections: dict[str, str] = field(default_factory=dict)
    triggered: bool = False
    wall_s: float | None = None

    def take(self, event: Progress, now_s: float) -> None:
        """One event more."""
        self.now_s = now_s
        self._take_detail(event)
        row = self._open(event.stage)
        if event.state == "note":
            if row is not None:
                row.latest = event.text
            elif event.stage == "rig" and self.rows and self.rows[-1].state == "note" and self.rows[-1].stage == "rig":
                self.rows[-1].text = event.text  # one line for all that is undone
            else:
                self.rows.append(Row(event.stage, "failed" if event.stage == "failed" else "note", event.text))
            return
        if row is None:
            row = Row(event.stage, event.state, event.text, in_handoff=self.triggered and event.stage in HANDOFF)
            self.rows.append(row)
        row.state, row.seconds = event.state, event.seconds
        row.text = event.text or row.text
        self.triggered = self.triggered or event.stage == "trigger"

    def _open(self, stage: str) -> Row | None:
        return next((row for row in reversed(self.rows) if row.stage == stage and row.state == "begun"), None)

    def _take_detail(self, event: Progress) -> None:
        for way in ("uplink", "downlink"):
            told = event.detail.get(way)
            if told is not None:
                counts = told if isinstance(told, (list, tuple)) else [told]
                self.samples.setdefault(way, deque(maxlen=SAMPLES)).extend(counts)
        self.connections.update(event.detail.get("connections", {}))


def draw(board: Board, width: int, *, live: bool) -> RenderableType:
    """The board for a terminal of this width; `live` adds what only matters while the run goes on."""
    parts: list[RenderableType] = [_title(board, width), _rows(board)]
    parts += [Text.assemble((f" {way:9}", "dim"), _strip(board, way, width - 11)) for way in board.samples]
    if board.connections:
        parts.append(_connections(board))
    if live and any(row.stage == "call" and row.state == "begun" for row in board.rows):
        parts.append(Text(f" {STANDS_STILL}", "dim italic"))
    return Group(*parts)


def line(event: Progress, elapsed_s: float, wall_s: float | None = None) -> str:
    """An event as a line of plain text, for what is no terminal; `wall_s` where the elapsed time is simulated."""
    words = {"begun": "begins", "done": "done", "failed": "FAILED", "note": ""}
    took = f" ({duration(event.seconds, event.stage in HANDOFF)})" if event.seconds is not None else ""
    outside = f" ({wall_s:.1f} s wall)" if wall_s is not None else ""
    return f"{elapsed_s:7.2f} s{outside}  {event.stage:10} {words[event.state]:6} {event.text}{took}".rstrip()


def duration(seconds: float, short: bool) -> str:
    """Milliseconds where phases of a handoff are told, seconds elsewhere."""
    return f"{seconds * 1000:.1f} ms" if short and seconds < 1 else f"{seconds:.2f} s"


def _title(board: Board, width: int) -> Text:
    elapsed = f"{board.now_s - board.begun_s:.1f} s"
    if board.wall_s is not None:
        elapsed += f" simulated, {board.wall_s:.1f} s wall"
    title = Text(board.title, "bold", no_wrap=True, overflow="ellipsis")
    title.truncate(max(1, width - len(elapsed) - 1), overflow="ellipsis", pad=True)
    return Text.assemble(title, " ", (elapsed, "dim"), no_wrap=True)


def _rows(board: Board) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    for options in ({"width": 2, "justify": "right"}, {"width": 10}, {"ratio": 1}, {"justify": "right"}):
        table.add_column(no_wrap=True, overflow="ellipsis", **options)
    longest = max((row.seconds or 0.0 for row in board.rows if row.in_handoff), default=0.0)
    for row in _shown(board.rows):
        mark, style = TRIGGER_MARK if row.stage == "trigger" and row.state == "done" else MARKS[row.state]
        took = duration(row.seconds, row.in_handoff) if row.seconds is not None else ""
        name = Text(row.stage, "dim" if row.state == "note" else "bold" if row.state == "begun" else "")
        table.add_row(Text(mark, style), name, _text(row, longest), Text(took, "" if row.in_handoff else "dim"))
    return table


def _text(row: Row, longest: float) -> Text:
    if row.in_handoff and row.seconds is not None and longest:
        bar = "█" * round(row.seconds / longest * BAR_WIDTH) or "▏"
        return Text.assemble((f"{bar:{BAR_WIDTH}}", "cyan"), " ", (row.text, "dim"))
    if row.state == "begun" and row.latest:
        return Text.assemble(row.text, ": ", (row.latest, "dim"))
    if row.state == "failed" and row.latest and row.latest != row.text:
        return Text.assemble(row.text, ": ", row.latest)
    return Text(row.text, {"note": "dim", "failed": "red"}.get(row.state, ""))


def _shown(rows: list[Row]) -> list[Row]:
    """The rows, of many notes one after the other only the last."""
    shown: list[Row] = []
    for row in rows:
        shown.append(row)
        tail = shown[-NOTES - 1 :]
        if len(tail) > NOTES and all(each.state == "note" for each in tail):
            del shown[-NOTES - 1]
    return shown


def _strip(board: Board, way: str, width: int) -> Text:
    samples = list(board.samples[way])[-max(1, width) :]
    return Text(level_marks([count / FULL for count in samples]), "green")


def _connections(board: Board) -> Text:
    text = Text(" ")
    for access, state in board.connections.items():
        text.append(f"{access} ", "dim")
        text.append(f"{state}   ", CONNECTION_STYLE.get(state, ""))
    return text
