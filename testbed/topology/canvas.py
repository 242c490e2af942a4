"""Boxes and lines in a grid of characters, for a terminal."""

from __future__ import annotations

from rich.text import Text

# For a terminal or a file whose encoding has no box drawing.
ASCII = str.maketrans("╭╮╰╯│─┤├┃┨┠━±", "++++|-||||||~")


class Canvas:
    """A grid of characters, each with a style of rich.  What is drawn later lies on top."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._cells = [[(" ", "")] * width for _ in range(height)]

    def write(self, x: int, y: int, text: str, style: str = "") -> None:
        for offset, character in enumerate(text):
            if 0 <= x + offset < self.width and 0 <= y < self.height:
                self._cells[y][x + offset] = (character, style)

    def box(self, x: int, y: int, width: int, height: int, label: str, style: str) -> None:
        """A box with its label in the middle."""
        self.write(x, y, "╭" + "─" * (width - 2) + "╮", style)
        for row in range(y + 1, y + height - 1):
            self.write(x, row, "│" + " " * (width - 2) + "│", style)
        self.write(x, y + height - 1, "╰" + "─" * (width - 2) + "╯", style)
        self.write(x + (width - len(label)) // 2, y + height // 2, label, f"bold {style}")

    def across(self, x: int, y: int, length: int, style: str = "") -> None:
        self.write(x, y, "─" * length, style)

    def down(self, x: int, y: int, length: int, style: str = "") -> None:
        for row in range(y, y + length):
            self.write(x, row, "┃", style)

    def text(self, encoding: str = "utf-8") -> Text:
        """The drawing for rich to print; blanks at line ends are left out."""
        drawn = Text(no_wrap=True, overflow="ignore")
        for number, row in enumerate(self._cells):
            last = max((x for x, (character, _) in enumerate(row) if character != " "), default=-1)
            for character, style in row[: last + 1]:
                drawn.append(character if "utf" in encoding.lower() else character.translate(ASCII), style)
            if number < self.height - 1:
                drawn.append("\n")
        return drawn
