"""Pictures of a study: interruption along an axis, a line for each procedure, its floor dashed in the same colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

matplotlib.use("Agg")
# A palette that people with any colour vision tell apart (Okabe and Ito), and a mark for each line beside it.
COLOURS = ("#0072B2", "#D55E00", "#009E73")
MARKS = ("o", "s", "^")
SIZE_INCHES = (10.0, 4.2)


@dataclass(frozen=True)
class Line:
    """One procedure: `ms` and `floor_ms` at each place of the axis; None is a gap in the line."""

    name: str
    at: Sequence[float]
    ms: Sequence[float | None]
    floor_ms: Sequence[float | None]


def draw(path: Path, title: str, axis: str, panels: Mapping[str, Sequence[Line]]) -> list[Path]:
    """Draw panels side by side on one scale into `path` with the suffixes .svg and .png; the files written."""
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    figure.suptitle(title, fontweight="bold")
    for axes, (name, lines) in zip(every, panels.items(), strict=True):
        _panel(axes, name, axis, lines)
    every[0].set_ylabel("interruption, ms")
    handles, labels = every[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    written = []
    for suffix, options in ((".svg", {"metadata": {"Date": None}}), (".png", {"dpi": 120})):
        file = path.with_suffix(suffix)
        # Names in an SVG come from this salt: the same figures give the same file.
        with matplotlib.rc_context({"svg.hashsalt": title}):
            figure.savefig(file, **options)
        written.append(file)
    return written


def _panel(axes: Axes, name: str, axis: str, lines: Sequence[Line]) -> None:
    for line, colour, mark in zip(lines, COLOURS, MARKS, strict=False):
        axes.plot(line.at, _gaps(line.ms), color=colour, marker=mark, label=line.name, clip_on=False, zorder=3)
        axes.plot(line.at, _gaps(line.floor_ms), color=colour, linestyle="--", linewidth=1, alpha=0.7)
    axes.plot([], [], color="grey", linestyle="--", linewidth=1, label="floor")
    axes.set_title(name, loc="left", fontsize="medium")
    axes.set_xlabel(axis)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", linewidth=0.5, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]
