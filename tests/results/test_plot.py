"""Pictures of a study."""

from __future__ import annotations

from pathlib import Path

from testbed.results.plot import Line, draw

PANELS = {
    "uplink": [
        Line("one by one", (1, 4), (70.0, 130.0), (65.0, 125.0)),
        Line("at once", (1, 4), (70.0, None), (65.0, 65.0)),
    ],
    "downlink": [
        Line("one by one", (1, 4), (80.0, 140.0), (80.0, 140.0)),
        Line("at once", (1, 4), (80.0, 80.0), (80.0, 80.0)),
    ],
}


def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        assert [file.name for file in draw(folder / "p", "Title", "axis", PANELS)] == ["p.svg", "p.png"]
    assert (tmp_path / "a/p.svg").read_bytes() == (tmp_path / "b/p.svg").read_bytes()


def test_every_line_and_the_floor_are_named(tmp_path: Path) -> None:
    svg = draw(tmp_path / "p", "Title", "axis", PANELS)[0].read_text()
    for name in ("Title", "axis", "uplink", "downlink", "one by one", "at once", "floor"):
        assert f"<!-- {name} -->" in svg  # as matplotlib notes a text that it draws as outlines
