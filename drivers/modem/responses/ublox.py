"""u-blox: +UIPADDR (TOBY-L2 and LARA-R2 AT manuals)."""

from __future__ import annotations

from drivers.modem.responses.text import Answer, Columns, body, fields_of

_INTERFACE = Columns("cid:d if_name ipv4_address ipv4_subnet ipv6_global_address ipv6_link_local_address")


def interface(answer: str) -> Answer:
    """AT+UIPADDR=<cid>: the modem's own interface for a context."""
    return _INTERFACE.read(fields_of(body(answer, "+UIPADDR")))
