"""Commands that ask the card: PIN, IMSI, ICCID, logical channels and APDUs (TS 27.007 8.3, 8.17, 8.45 to 8.47)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from drivers.virtual import radio
from drivers.virtual.answers import BAD_PARAMETERS, INVALID_INDEX, CmeError, Reply
from drivers.virtual.at_line import Call
from drivers.virtual.card import PIN_TRIES, PUK_TRIES
from drivers.virtual.state import SimState

if TYPE_CHECKING:
    from drivers.virtual.firmware import Firmware

WRONG_PASSWORD = 16
CPIN = {SimState.READY: "READY", SimState.PIN: "SIM PIN", SimState.PUK: "SIM PUK"}


def _cpin(modem: Firmware, call: Call) -> Reply:
    """+CPIN: what the card waits for; the PIN, or the PUK and a new PIN."""
    if modem.card is None:
        raise CmeError(SimState.MISSING)
    if call.form != "=":
        return [] if call.form == "=?" else [f"+CPIN: {CPIN[modem.sim]}"]
    if modem.sim == SimState.READY:
        raise CmeError(3)
    if modem.sim == SimState.PUK:
        right = len(call.parameters) == 2 and modem.card.unblock(call.text(0), call.text(1))
    else:
        right = modem.card.verify(call.text(0))
    if not right:
        raise CmeError(WRONG_PASSWORD if modem.sim == SimState.PIN else SimState.PUK)
    modem.say("+CPIN: READY")
    radio.attach(modem)
    return []


def _cpinr(modem: Firmware, call: Call) -> Reply:
    """+CPINR: how many tries are left (TS 27.007 8.65)."""
    if modem.card is None:
        raise CmeError(SimState.MISSING)
    return [
        f"+CPINR: SIM PIN,{modem.card.pin_tries},{PIN_TRIES}",
        f"+CPINR: SIM PUK,{modem.card.puk_tries},{PUK_TRIES}",
    ]


def _cimi(modem: Firmware, call: Call) -> Reply:
    return [] if call.form == "=?" else [modem.need_card().subscription.imsi]


def iccid(name: str) -> Callable[[Firmware, Call], Reply]:
    """The card's number under the maker's name for the command; it is read without the PIN."""

    def handler(modem: Firmware, call: Call) -> Reply:
        if modem.card is None:
            raise CmeError(SimState.MISSING)
        return [] if call.form == "=?" else [f"{name}: {modem.card.subscription.iccid}"]

    return handler


def _ccho(modem: Firmware, call: Call) -> Reply:
    """+CCHO: a logical channel to an application."""
    if call.form == "=?":
        return []
    if modem.card is None:
        raise CmeError(SimState.MISSING)
    session = modem.card.open_channel(_bytes(call.text(0)))
    if session is None:
        raise CmeError(INVALID_INDEX)
    return [modem.dialect.session(session)]


def _cchc(modem: Firmware, call: Call) -> Reply:
    if call.form == "=?":
        return []
    if modem.card is None or not modem.card.close_channel(call.number(0)):
        raise CmeError(INVALID_INDEX)
    return ["+CCHC"]


def _cgla(modem: Firmware, call: Call) -> Reply:
    """+CGLA: an APDU on a logical channel; the modem puts the channel's number into the class byte."""
    if call.form == "=?":
        return []
    session = call.number(0)
    apdu = _apdu(call, 1)
    if not 1 <= session <= 3:
        raise CmeError(INVALID_INDEX)
    return _transmitted(modem, "+CGLA", bytes((apdu[0] & 0xFC | session,)) + apdu[1:])


def _csim(modem: Firmware, call: Call) -> Reply:
    """+CSIM: an APDU as it is."""
    return [] if call.form == "=?" else _transmitted(modem, "+CSIM", _apdu(call, 0))


def _transmitted(modem: Firmware, name: str, apdu: bytes) -> Reply:
    if modem.card is None:
        raise CmeError(SimState.MISSING)
    answer = modem.card.transmit(apdu)
    if modem.fetches_response and answer[-2] == 0x61:
        answer = modem.card.transmit(bytes((apdu[0], 0xC0, 0, 0, answer[-1])))
    text = answer.hex().upper()
    return [f'{name}: {len(text)},"{text}"']


def _apdu(call: Call, first: int) -> bytes:
    """<length>,"<command>": the length counts hexadecimal digits."""
    apdu = _bytes(call.text(first + 1))
    if call.number(first) != 2 * len(apdu) or not apdu:
        raise CmeError(BAD_PARAMETERS)
    return apdu


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as no_hex:
        raise CmeError(BAD_PARAMETERS) from no_hex


CARD_COMMANDS: Mapping[str, Callable[[Firmware, Call], Reply]] = {
    "+CPIN": _cpin,
    "+CPINR": _cpinr,
    "+CIMI": _cimi,
    "+CCID": iccid("+CCID"),
    "+CCHO": _ccho,
    "+CCHC": _cchc,
    "+CGLA": _cgla,
    "+CSIM": _csim,
}
