"""The modem and the network: registration, contexts and the data call, and what is said of them by itself.

Everything that changes registration or contexts is in this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.virtual.answers import NO_SERVICE, CmeError
from drivers.virtual.network import (
    Attach,
    AttachRejected,
    Connect,
    Connected,
    ConnectRejected,
    CoverageBack,
    CoverageLost,
    Detach,
    DetachedByNetwork,
    Disconnect,
    Disconnected,
    Event,
    Registered,
)
from drivers.virtual.state import E_UTRAN, SERVICES, Context, Signal, SimState, Stat

if TYPE_CHECKING:
    from drivers.virtual.firmware import Firmware

FULL, AIRPLANE = 1, 4  # +CFUN (TS 27.007 8.2)
DEFAULT_CID = 1  # the context of the default bearer, which attaching brings


# What the modem does


def attach(modem: Firmware) -> None:
    """Look for the network, if the radio is on, the card is ready and nobody forbade it."""
    state = modem.state
    may = state.functionality == FULL and state.wants_attach and modem.sim == SimState.READY
    if not may or state.stat.registered or state.attaching or modem.card is None:
        return
    state.attaching = True
    modem.request(Attach(modem.card.subscription.imsi))
    set_stat(modem, Stat.SEARCHING)


def detach(modem: Firmware) -> None:
    """Leave the network."""
    state = modem.state
    was = state.stat.registered
    modem.request(Detach())
    state.attaching = False
    drop_contexts(modem)
    if was:
        event(modem, "ME DETACH")
    set_stat(modem, Stat.NOT_REGISTERED)


def switched_off(modem: Firmware) -> None:
    """Power went: the network will find out, and nobody is told anything."""
    modem.request(Detach())
    state = modem.state
    state.attaching, state.stat, state.cell = False, Stat.NOT_REGISTERED, None
    for context in state.contexts.values():
        context.bearer = None
    if state.data_cid is not None:
        state.data_cid = None
        modem.act("data-call")


def set_functionality(modem: Firmware, value: int) -> None:
    """+CFUN: radio on, or off."""
    state = modem.state
    was, state.functionality = state.functionality, value
    if value == FULL and was != FULL:
        state.wants_attach = True
        attach(modem)
    elif value != FULL and was == FULL:
        detach(modem)


def connect(modem: Firmware, context: Context) -> None:
    """Ask for a PDN connection; raises CmeError where there is no network to ask."""
    if not modem.state.stat.registered:
        raise CmeError(NO_SERVICE)
    context.cause = None
    modem.request(Connect(context.cid, context.apn, context.pdp_type))


def disconnect(modem: Firmware, context: Context) -> None:
    modem.request(Disconnect(context.cid))


def start_data_call(modem: Firmware, cid: int) -> None:
    """The NIC carries this context from now on."""
    modem.state.dialled_cid, modem.state.data_cid = None, cid
    modem.act("data-call")
    for urc in modem.dialect.data_call_urcs(modem, cid, True):
        modem.say(urc)


def dial(modem: Firmware, context: Context) -> None:
    """Have the NIC carry this context, now or when the network has given it."""
    if context.active:
        start_data_call(modem, context.cid)
        return
    connect(modem, context)
    modem.state.dialled_cid = context.cid


def end_data_call(modem: Firmware) -> None:
    """The NIC carries nothing any more."""
    modem.state.dialled_cid, cid = None, modem.state.data_cid
    if cid is None:
        return
    modem.state.data_cid = None
    modem.act("data-call")
    for urc in modem.dialect.data_call_urcs(modem, cid, False):
        modem.say(urc)


def set_signal(modem: Firmware, signal: Signal) -> None:
    """The radio conditions changed."""
    modem.state.signal = signal
    if modem.state.settings.signal_urcs:
        for urc in modem.dialect.signal_urcs(modem):
            modem.say(urc)


# What the network does


def told(modem: Firmware, happened: Event) -> None:
    """Take an event of the network in."""
    state = modem.state
    if isinstance(happened, Registered):
        _registered(modem, happened)
    elif isinstance(happened, AttachRejected):
        state.attaching, state.reject_cause = False, happened.cause
        set_stat(modem, Stat.DENIED)
    elif isinstance(happened, CoverageLost):
        state.attaching = False
        drop_contexts(modem)
        state.cell = None
        set_stat(modem, Stat.SEARCHING)
    elif isinstance(happened, CoverageBack):
        state.attaching = False
        attach(modem)
    elif isinstance(happened, DetachedByNetwork):
        state.wants_attach = False
        event(modem, "NW DETACH")
        drop_contexts(modem)
        set_stat(modem, Stat.NOT_REGISTERED)
    else:
        _context_event(modem, happened)


def _registered(modem: Firmware, happened: Registered) -> None:
    state = modem.state
    if not state.attaching:  # we left meanwhile
        return
    state.attaching, state.cell, state.reject_cause = False, happened.cell, None
    set_stat(modem, Stat.ROAMING if happened.roaming else Stat.HOME)
    connect(modem, state.contexts.setdefault(DEFAULT_CID, Context(DEFAULT_CID)))


def _context_event(modem: Firmware, happened: Connected | ConnectRejected | Disconnected) -> None:
    context = modem.state.contexts.get(happened.cid)
    if context is None or not modem.state.stat.registered:
        return
    if isinstance(happened, Connected):
        context.bearer, context.bearer_apn = happened.bearer, happened.apn
        event(modem, f"ME PDN ACT {context.cid}")
        if modem.dialect.nic_follows or modem.state.dialled_cid == context.cid:
            start_data_call(modem, context.cid)
    elif isinstance(happened, ConnectRejected):
        context.cause = happened.cause
        if modem.state.dialled_cid == context.cid:
            modem.state.dialled_cid = None
    elif context.active:
        drop(modem, context, "NW" if happened.by_network else "ME")


def drop(modem: Firmware, context: Context, whose: str) -> None:
    """A PDN connection is over."""
    context.bearer = None
    event(modem, f"{whose} PDN DEACT {context.cid}")
    if modem.state.data_cid == context.cid:
        end_data_call(modem)


def drop_contexts(modem: Firmware) -> None:
    for context in modem.state.contexts.values():
        if context.active:
            drop(modem, context, "ME")


# What is said of it


def set_stat(modem: Firmware, stat: Stat) -> None:
    """Enter a registration state, and say so where it was asked for (TS 27.007 7.2, 10.1.20, 10.1.22)."""
    state = modem.state
    if stat == state.stat:
        return
    state.stat = stat
    if not stat.registered:
        state.cell = None
    for service in SERVICES:
        if reporting := state.settings.reporting[service]:
            modem.say(f"{service}: {registration(modem, reporting)}")


def registration(modem: Firmware, reporting: int) -> str:
    """<stat> and, from 2 on, where that is, from 3 on, why it was refused."""
    state = modem.state
    text = str(int(state.stat))
    if reporting >= 2 and state.cell:
        text += f',"{state.cell.tac:04X}","{state.cell.ci:08X}",{E_UTRAN}'
    elif reporting >= 3 and state.stat == Stat.DENIED and state.reject_cause is not None:
        text += f",,,,0,{state.reject_cause}"
    return text


def event(modem: Firmware, text: str) -> None:
    """+CGEV, where +CGEREP asks for it (TS 27.007 10.1.19)."""
    if modem.state.settings.cgerep:
        modem.say(f"+CGEV: {text}")
