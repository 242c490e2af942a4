"""The live view: what it shows on a terminal and in a pipe, and that it stands still while the handoff is measured."""

import io

import pytest
from rich.console import Console

from testbed.dashboard.board import Board, draw, line
from testbed.dashboard.live import LiveView, PlainView, watch
from testbed.scenario.progress import STAGES, Progress

BEFORE = [
    Progress("rig", "begun", "11 namespaces"),
    Progress("rig", "note", "cable ue-lte"),
    Progress("rig", "done", "11 namespaces", 0.12),
    Progress("register", "begun", "ue over lte"),
    Progress("register", "done", "ue over lte", 0.8, {"connections": {"lte": "active"}}),
    Progress("call", "begun", "ue calls far"),
]
MEASURED = [
    Progress("call", "done", "ue calls far", 2.1),
    Progress("trigger", "done", "carrier-loss on lte"),
    Progress("register", "note", "NOTIFY at ue: moved to wifi"),
]
OVER = [
    Progress("detect", "done", "detected", 0.0004),
    Progress("reregister", "done", "registered", 0.0823, {"connections": {"lte": "inactive", "wifi": "active"}}),
    Progress("session", "done", "session-moved", 0.0351),
    Progress("hangup", "begun", "ue hangs up"),
    Progress("hangup", "done", "ue hangs up", 0.1),
]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


def terminal(width: int = 80) -> tuple[Console, io.StringIO]:
    screen = io.StringIO()
    return Console(file=screen, force_terminal=True, width=width, height=24, color_system=None), screen


def text(board: Board, width: int, *, live: bool = False) -> str:
    console, screen = terminal(width)
    console.print(draw(board, width, live=live))
    return screen.getvalue()


def board_of(events: list[Progress]) -> Board:
    board = Board("global-reregistration on two-access", 0.0)
    for number, event in enumerate(events):
        board.take(event, float(number))
    return board


@pytest.mark.parametrize("kind", [LiveView, PlainView])
def test_nothing_is_written_between_the_call_and_the_end_of_the_handoff(
    kind: type[LiveView] | type[PlainView],
) -> None:
    console, screen = terminal()
    with kind(console, "a run", Clock()) as view:
        for event in BEFORE:
            view.told(event)
        written = len(screen.getvalue())
        assert written
        for event in MEASURED:
            view.told(event)
            assert len(screen.getvalue()) == written
        view.told(OVER[0])
        late = screen.getvalue()[written:]
        assert "carrier-loss on lte" in late
        assert "NOTIFY at ue" in late
        assert "detected" in late


@pytest.mark.parametrize(
    "last", [Progress("hangup", "begun"), Progress("analysis", "begun"), Progress("failed", "note")]
)
def test_a_run_that_tells_of_no_phases_is_drawn_again_at_its_end(last: Progress) -> None:
    console, screen = terminal()
    with LiveView(console, "a run", Clock()) as view:
        for event in [*BEFORE, Progress("session", "done", "moved beforehand", 1.0), *MEASURED]:
            view.told(event)
        written = len(screen.getvalue())
        view.told(last)
        assert len(screen.getvalue()) > written


def test_whatever_was_kept_is_shown_when_the_view_ends() -> None:
    console, screen = terminal()
    with pytest.raises(KeyboardInterrupt), LiveView(console, "a run", Clock()) as view:
        for event in [*BEFORE, *MEASURED]:
            view.told(event)
        raise KeyboardInterrupt
    assert "NOTIFY at ue" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_log_fits_the_terminal_and_tells_every_stage_once(width: int) -> None:
    shown = text(board_of([*BEFORE, *MEASURED, *OVER]), width)
    assert all(len(row) <= width for row in shown.splitlines())
    for word in ("✓ rig", "✓ register", "✓ call", "▼ trigger", "✓ detect", "✓ reregister", "✓ session", "✓ hangup"):
        assert shown.count(word) == 1, word
    assert "82.3 ms" in shown
    assert "lte inactive   wifi active" in shown
    assert "cable ue-lte" not in shown  # a note of a stage that is over
    assert len(shown.splitlines()) < 24


def test_a_long_title_and_a_long_note_are_cut() -> None:
    board = Board("x" * 200, 0.0)
    board.take(Progress("register", "note", "y" * 200), 1.0)
    assert [len(row) for row in text(board, 80).splitlines()] == [80, 80]


def test_an_open_stage_shows_its_last_note() -> None:
    assert "11 namespaces: cable ue-lte" in text(board_of(BEFORE[:2]), 80, live=True)


def test_a_failed_stage_says_so() -> None:
    shown = text(board_of([*BEFORE[:2], Progress("rig", "failed", "11 namespaces", 0.2)]), 80)
    assert "✗ rig        11 namespaces: cable ue-lte" in shown


def test_of_many_notes_the_last_are_shown() -> None:
    shown = text(board_of([Progress("register", "note", f"note {number}.") for number in range(9)]), 80)
    assert "note 4." not in shown
    assert [f"note {number}." in shown for number in (5, 6, 7, 8)] == [True] * 4


def test_undoing_a_rig_is_one_line_and_a_failure_is_no_note() -> None:
    told = [("rig", "removed a"), ("rig", "removed b"), ("failed", "408")]
    shown = text(board_of([Progress(stage, "note", said) for stage, said in told]), 80)
    assert "removed a" not in shown
    assert "· rig        removed b" in shown
    assert "✗ failed     408" in shown


def test_media_is_a_strip_of_marks() -> None:
    board = board_of([Progress("media", "note", "", None, {"uplink": [5, 5, 0, 5], "downlink": 2})])
    assert "uplink   ▇▇▁▇" in text(board, 80)
    assert "downlink ▃" in text(board, 80)


def test_a_line_of_plain_text_has_time_stage_and_duration() -> None:
    assert line(BEFORE[2], 1.5) == "   1.50 s  rig        done   11 namespaces (0.12 s)"
    assert line(OVER[1], 12.0) == "  12.00 s  reregister done   registered (82.3 ms)"
    assert line(BEFORE[0], 0.0) == "   0.00 s  rig        begins 11 namespaces"


def test_a_terminal_gets_the_picture_and_a_pipe_gets_lines() -> None:
    console, _ = terminal()
    assert isinstance(watch(console, "a run"), LiveView)
    pipe = io.StringIO()
    with watch(Console(file=pipe), "a run") as view:
        view.told(Progress("rig", "begun", "z" * 200))
    assert isinstance(view, PlainView)
    assert pipe.getvalue().splitlines()[0] == "a run"
    assert pipe.getvalue().splitlines()[1].endswith("z" * 200)
    assert "\x1b" not in pipe.getvalue()


def test_all_stages_have_names_that_fit_their_column() -> None:
    assert max(map(len, STAGES)) <= 10
