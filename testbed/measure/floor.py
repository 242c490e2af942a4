"""The floor: the interruption that the topology's own delays make unavoidable for a procedure.

It counts one-way delays only; every program takes no time.  Let a, o, f be the one-way delays of the new access, the
old access and the far end's access, c that between a P-CSCF and the S-CSCF.  Signalling runs UE - P-CSCF - S-CSCF -
P-CSCF - far end; media runs from access to access.

**How long until the session is moved.**  The UE must notice (`detection`; 0 where the kernel reports the carrier) and
must have the access (`access`; 0 where it stands ready).  Then it registers: an unprotected REGISTER and its 401, a
protected REGISTER and its 200 (TS 33.203 6.1), two round trips to the S-CSCF:

    register = 2 * 2 * (a + c)                                   UDP
             + 2 * 2 * a                                         TCP: a handshake (RFC 9293 3.5) before each of the two,
                                                                 since the protected one is a connection of its own

With N identities that were registered explicitly and move one by one (C1-062198 2.2) there are N - 1 more, over the
connection that the first of them made:

    register += (N - 1) * 2 * (a + c)

and moves the session by re-INVITE (RFC 3261 14), INVITE with Replaces (RFC 3891), or, as release 7 must, a new INVITE:

    invite   = a + 2c + f                                        until the far end has it

**Downlink.**  The far end sends to the new address as soon as it has the INVITE; that media needs f + a.  The last
packet by the old access arrived at the cut itself, for the cut is at the UE:

    downlink = detection + access + register + invite + (f + a)

**Uplink.**  The UE sends by the new access when it has the 200, one `invite` later; that media needs a + f.  What the
UE had sent before the cut still arrives up to o + f after it, so the far end's gap begins that much later.  Where the
access is a black hole that swallows its queue too (`old_path_drains` False), only what had left it arrives, f later:

    uplink   = detection + access + register + 2 * invite + (a + f) - drain,    drain = o + f, or f

A UE that sends uplink media before it has the 200 would beat this; the offer's answer it has not seen forbids it
(RFC 3264 5.1 lets it receive, not send, at once).

**Make-before-break**: access 2 carries media before access 1 is cut, nothing is unavoidable: 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.measure.words import Procedure


@dataclass(frozen=True)
class Delays:
    """One-way delays in milliseconds: each access from its end to the P-CSCF, and P-CSCF to S-CSCF."""

    old_access: float
    new_access: float
    far_access: float
    core: float = 0.0


@dataclass(frozen=True)
class Floor:
    """Milliseconds of unavoidable interruption in each direction."""

    uplink: float
    downlink: float


@dataclass(frozen=True)
class Legs:
    """What each piece of a procedure needs, in milliseconds: the letters of the derivation added up."""

    handshake: float  # of TCP, to the P-CSCF
    register: float  # one round trip to the S-CSCF
    invite: float  # one way to the far end
    media: float  # one way by the new access
    drain: float  # for how long media by the old access still arrives after the cut


def legs(delays: Delays, *, old_path_drains: bool = True) -> Legs:
    """The pieces that a floor is made of."""
    return Legs(
        handshake=2 * delays.new_access,
        register=2 * (delays.new_access + delays.core),
        invite=delays.new_access + 2 * delays.core + delays.far_access,
        media=delays.new_access + delays.far_access,
        drain=delays.far_access + (delays.old_access if old_path_drains else 0.0),
    )


@dataclass(frozen=True)
class _Cost:
    """What a procedure does between the trigger and media, in round trips to the S-CSCF."""

    register_round_trips: int
    handshakes_tcp: int  # round trips to the P-CSCF
    moves_session: bool


COSTS: dict[Procedure, _Cost] = {
    Procedure.GLOBAL_REREGISTRATION: _Cost(2, 2, True),
    Procedure.EXPLICIT_REREGISTRATION: _Cost(2, 2, True),
    Procedure.REPLACES: _Cost(2, 2, True),
    Procedure.RELEASE7: _Cost(2, 2, True),
    Procedure.MAKE_BEFORE_BREAK: _Cost(0, 0, False),
}


def further_registers(procedure: Procedure, identities: int) -> int:
    """How many REGISTERs follow the two that make a connection."""
    return identities - 1 if procedure == Procedure.EXPLICIT_REREGISTRATION else 0


def floor(
    procedure: Procedure,
    delays: Delays,
    transport: str = "udp",
    detection_ms: float = 0.0,
    *,
    access_ms: float = 0.0,
    old_path_drains: bool = True,
    identities: int = 1,
) -> Floor:
    """The floor of one handoff (derivation above).  `transport` is udp or tcp; all times are milliseconds.

    `identities` counts those that were registered explicitly; it matters where they move one by one.
    """
    cost = COSTS[Procedure(procedure)]
    if not cost.moves_session:
        return Floor(0.0, 0.0)
    leg = legs(delays, old_path_drains=old_path_drains)
    handshakes = cost.handshakes_tcp if transport == "tcp" else 0
    register = (cost.register_round_trips + further_registers(procedure, identities)) * leg.register
    register += handshakes * leg.handshake
    before = detection_ms + access_ms + register
    uplink = before + 2 * leg.invite + leg.media - leg.drain
    return Floor(uplink=max(0.0, uplink), downlink=before + leg.invite + leg.media)
