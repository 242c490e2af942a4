"""What a study came to: its lines, the sentences that they support, and a Markdown page with both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from testbed.measure.words import Direction
from testbed.results.plot import Line
from testbed.scenario.study import AT_ONCE, ONE_BY_ONE, SWEEPS, Measured, Sweep

BELOW_THE_FLOOR = (
    "Interruption is the largest gap between packets less their interval of 20 ms.  The UEs send their newest frame "
    "again at once over a new path, so it may lie below the floor by up to that interval."
)


def lines(sweep: Sweep, measured: Sequence[Measured], direction: Direction) -> list[Line]:
    """The lines of one picture's panel."""
    made = []
    for name in sweep.lines:
        of_line = _of_line(sweep, measured, name)
        values = [getattr(one, direction.value) for one in of_line]
        floors = [getattr(one, f"floor_{direction.value}") for one in of_line]
        made.append(Line(name, [one.point.at for one in of_line], values, floors))
    return made


def sentences(sweep: Sweep, measured: Sequence[Measured]) -> Iterator[str]:
    """What the figures say, where there are enough of them."""
    return _of_identities(sweep, measured) if sweep.name == "identities" else _of_round_trips(sweep, measured)


def page(measured: Sequence[Measured], how: str, pictures: str = "") -> str:
    """The page; `how` says on what it was measured, `pictures` is where they lie from there."""
    parts = ["# Interruption, by what moves and by how far away the core is", how, BELOW_THE_FLOOR]
    for sweep in SWEEPS:
        if not any(one.point.sweep == sweep.name for one in measured):
            continue
        parts += [f"## {sweep.title}", f"![{sweep.title}]({pictures}{sweep.name}.svg)"]
        parts += [*sentences(sweep, measured), "\n".join(_table(sweep, measured))]
    return "\n\n".join(parts) + "\n"


def _of_identities(sweep: Sweep, measured: Sequence[Measured]) -> Iterator[str]:
    one_by_one, at_once = (_known(_of_line(sweep, measured, name)) for name in (ONE_BY_ONE, AT_ONCE))
    if len(one_by_one) < 2 or len(at_once) < 2:
        return
    most = max(one_by_one)
    slope = _slope(one_by_one)
    yield (
        f"Moved one by one, each identity interrupts the call's downlink for {slope:.1f} ms more, a round trip to the "
        f"S-CSCF: {one_by_one[most]:.0f} ms with {most} of them.  Moved at once by `imsglobreg` they cost nothing: "
        f"{min(at_once.values()):.0f} to {max(at_once.values()):.0f} ms, however many there are."
    )


def _of_round_trips(sweep: Sweep, measured: Sequence[Measured]) -> Iterator[str]:
    known = {name: _known(_of_line(sweep, measured, name)) for name in sweep.lines}
    if any(len(values) < 2 for values in known.values()):
        return
    slopes = ", ".join(f"{name} {_slope(values):.2f}" for name, values in known.items())
    most = max(known["re-INVITE"])
    figures = ", ".join(f"{name} {values[most]:.0f} ms" for name, values in known.items() if most in values)
    yield (
        f"Every millisecond of round trip costs the downlink so many milliseconds: {slopes}.  At {most} ms: {figures}. "
        "Moving a call and dialling it again take the same messages: what release 7 loses is not time but the call, "
        "which here a program dials again at once and a person would not."
    )


def _table(sweep: Sweep, measured: Sequence[Measured]) -> Iterator[str]:
    yield f"| {sweep.axis} | " + " | ".join(f"{name}: up / down, ms | floor" for name in sweep.lines) + " |"
    yield "| ---: |" + " ---: | ---: |" * len(sweep.lines)
    places = sorted({one.point.at for one in measured if one.point.sweep == sweep.name})
    for at in places:
        cells = []
        for name in sweep.lines:
            one = next((each for each in _of_line(sweep, measured, name) if each.point.at == at), None)
            cells += ["–", "–"] if one is None else [_pair(one.uplink, one.downlink), _floor(one)]
        yield f"| {at} | " + " | ".join(cells) + " |"


def _floor(one: Measured) -> str:
    return _pair(one.floor_uplink, one.floor_downlink)


def _pair(up: float | None, down: float | None) -> str:
    return " / ".join("–" if value is None else f"{value:.1f}" for value in (up, down))


def _of_line(sweep: Sweep, measured: Sequence[Measured], name: str) -> list[Measured]:
    found = [one for one in measured if one.point.sweep == sweep.name and one.point.line == name]
    return sorted(found, key=lambda one: one.point.at)


def _known(of_line: Sequence[Measured]) -> dict[int, float]:
    return {one.point.at: one.downlink for one in of_line if one.downlink is not None}


def _slope(values: dict[int, float]) -> float:
    """Milliseconds for each step of the axis, by least squares."""
    return float(np.polyfit([*values], [*values.values()], 1)[0])
