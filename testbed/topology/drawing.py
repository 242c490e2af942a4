"""A topology as a picture in the terminal: UEs on the left, their accesses, P-CSCFs, the backbone, the core.

╭─────╮                           ╭────────────╮  ┃  ╭───────╮
│     ├── lte ─── 25 ± 2 ms ──────┤ pcscf-lte  ├──┨  │ scscf │
│ ue  │                           ╰────────────╯  ┠──┤       │
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from drivers.protocols import Shape
from testbed.topology.canvas import Canvas
from testbed.topology.plan import AccessPlan, Plan, ServerPlan

ROW = 3  # lines for an access, and for a server
WIDEST = 104
LINK_LEAST, STUB = 24, 2
UE, ACCESS, PCSCF, CORE, WIRE = "green", "cyan", "yellow", "magenta", "dim"


@dataclass(frozen=True)
class _Block:
    """A box that neighbouring accesses share."""

    name: str
    top: int
    height: int


def drawing(plan: Plan, width: int, encoding: str = "utf-8") -> Text:
    """The picture, as wide as `width` allows.  Narrower than its parts need, it does not become."""
    rows = [plan.accesses[name] for ue in plan.ues.values() for name in ue.accesses]
    shown = {row.pcscf for row in rows}
    servers = [server for server in plan.servers.values() if server.name not in shown]
    tops = [number * ROW + list(plan.ues).index(row.ue) for number, row in enumerate(rows)]  # a blank line between UEs
    height = max(tops[-1] + ROW, len(servers) * ROW)
    ue_width = max(len(name) for name in plan.ues) + 4
    pcscf_width = max(len(row.pcscf) for row in rows) + 4
    core_width = max((len(server.name) for server in servers), default=0) + 4
    fixed = 1 + ue_width + pcscf_width + core_width + 2 * STUB + 1
    link = max(LINK_LEAST, max(len(row.name) + len(_label(row)) for row in rows) + 8, min(width, WIDEST) - fixed - 1)
    canvas = Canvas(fixed + link, height + 1)
    x_pcscf = 1 + ue_width + link
    x_bus = x_pcscf + pcscf_width + STUB
    for block in _blocks([row.ue for row in rows], tops):
        canvas.box(1, block.top, ue_width, block.height, block.name, UE)
    canvas.down(x_bus, 0, height, WIRE)
    backbone = "backbone" + (f" {plan.core_delay_ms:g} ms" if plan.core_delay_ms else "")
    canvas.write(x_bus - len(backbone) // 2, height, backbone, WIRE)
    for block in _blocks([row.pcscf for row in rows], tops):
        canvas.box(x_pcscf, block.top, pcscf_width, block.height, block.name, PCSCF)
        middle = block.top + block.height // 2
        canvas.write(x_pcscf + pcscf_width - 1, middle, "├", PCSCF)
        canvas.across(x_pcscf + pcscf_width, middle, STUB, WIRE)
        canvas.write(x_bus, middle, "┨", WIRE)
    name_width, label_width = max(len(row.name) for row in rows), max(len(_label(row)) for row in rows)
    for top, row in zip(tops, rows, strict=True):
        _link(canvas, ue_width, top + 1, link, row, name_width, label_width)
    _core(canvas, x_bus, core_width, height, servers)
    return canvas.text(encoding)


def _blocks(names: list[str], tops: list[int]) -> Iterator[_Block]:
    for name, group in groupby(zip(names, tops, strict=True), key=lambda pair: pair[0]):
        own = [top for _, top in group]
        yield _Block(name, own[0], own[-1] + ROW - own[0])


def _link(canvas: Canvas, x: int, y: int, length: int, access: AccessPlan, name_width: int, label_width: int) -> None:
    canvas.write(x, y, "├", UE)
    canvas.across(x + 1, y, length, ACCESS)
    canvas.write(x + 1 + length, y, "┤", PCSCF)
    canvas.write(x + 3, y, f" {access.name} ", f"bold {ACCESS}")
    left = 3 + name_width + 2
    canvas.write(x + left + max(1, (length - left - label_width) // 2), y, _label(access), ACCESS)


def _label(access: AccessPlan) -> str:
    stick = access.modem.stick if access.modem else None
    by = f"{stick.model}, " if stick else "modem, " if access.modem else "Wi-Fi, " if access.wifi else ""
    return f" {by}{quality_words(access.shape)} "


def quality_words(shape: Shape) -> str:
    """Delay, jitter and loss in few words: `25 ± 2 ms, 1% lost`."""
    jitter = f" ± {shape.jitter_ms:g}" if shape.jitter_ms else ""
    loss = f", {shape.loss_percent:g}% lost" if shape.loss_percent else ""
    return f"{shape.delay_ms:g}{jitter} ms{loss}"


def _core(canvas: Canvas, x_bus: int, width: int, height: int, servers: list[ServerPlan]) -> None:
    """The servers that no access leads to, spread evenly along the backbone."""
    for number, server in enumerate(servers):
        share = height / len(servers)
        y = round(share * number + (share - ROW) / 2)
        canvas.write(x_bus, y + 1, "┠", WIRE)
        canvas.across(x_bus + 1, y + 1, STUB, WIRE)
        canvas.box(x_bus + 1 + STUB, y, width, ROW, server.name, CORE)
        canvas.write(x_bus + 1 + STUB, y + 1, "┤", CORE)


def page(plan: Plan, title: str, console: Console, *, addresses: bool = False) -> RenderableType:
    """Everything that `testbed topology show` prints."""
    head = Text.assemble((plan.topology, "bold"), f"  {title}" if title else "")
    delays = Text("Delays are one way and the same each way.", "dim")
    parts: list[RenderableType] = [head, Text(), drawing(plan, console.width, console.encoding), Text(), delays, Text()]
    parts.append(_identities(plan))
    if addresses:
        parts += [Text(), _addresses(plan)]
    return Group(*parts)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _identities(plan: Plan) -> Table:
    table = _table("UE", "private identity", "public identities")
    for ue in plan.ues.values():
        public = [line for one in ue.implicit_sets for line in (one[0], *(f"{impu} (implicit)" for impu in one[1:]))]
        table.add_row(Text(ue.name, UE), ue.impi, "\n".join(public))
    return table


def _addresses(plan: Plan) -> Table:
    table = _table("namespace", "device", "IPv4", "IPv6")
    for access in plan.accesses.values():
        four, six = access.address(4), access.address(6)
        mine = (f"{four.address}/{four.prefix}", f"{six.address}/{six.prefix}")
        table.add_row(Text(access.ue, UE), Text(access.name, ACCESS), *mine)
        table.add_row(Text(access.namespace, ACCESS), "ue0", four.gateway, six.gateway)
        table.add_row("", "net0", *(f"{access.backbone[family]}/{plan.backbone_prefix[family]}" for family in (4, 6)))
    for server in plan.servers.values():
        style = PCSCF if server.role == "pcscf" else CORE
        theirs = (f"{server.addresses[family]}/{plan.backbone_prefix[family]}" for family in (4, 6))
        table.add_row(Text(server.name, style), "eth0", *theirs)
    return table
