"""What state a modem is in, from what it says: result codes and answers in, events out.  No I/O, the clock passed in.

Everything that changes this state is in this file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from drivers.modem.errors import ResponseError
from drivers.modem.responses import contexts, huawei
from drivers.modem.responses.registration import registration as read_registration
from drivers.modem.responses.text import Answer, bodies

Service = Literal["registered", "roaming", "denied", "searching", "unregistered"]
What = Literal[
    "registered",
    "roaming",
    "denied",
    "searching",
    "unregistered",
    "signal",
    "signal-low",
    "signal-back",
    "context-up",
    "context-lost",
    "card-missing",
    "gone",
    "back",
    "look",
]
HYSTERESIS_DB = 3.0
# The states of TS 27.007 7.2 as a user of packet service sees them.
_SERVICE: dict[str, Service] = {
    "home": "registered",
    "home_sms_only": "registered",
    "home_csfb_not_preferred": "registered",
    "roaming": "roaming",
    "roaming_sms_only": "roaming",
    "roaming_csfb_not_preferred": "roaming",
    "denied": "denied",
    "searching": "searching",
}
# Of several domains the first of these that any of them is in.  The circuit-switched one counts when it is alone.
_BEST: tuple[Service, ...] = ("registered", "roaming", "denied", "searching", "unregistered")
_PACKET = ("+C5GREG", "+CEREG", "+CGREG")
_BY = {"NW": "by the network", "ME": "by the modem"}
# Results codes that say that there is no card: name and the beginning of what follows.
_NO_CARD = (
    ("+CPIN", "NOT INSERTED"),
    ("+CPIN", "NOT READY"),
    ("+SIMCARD", "NOT AVAILABLE"),
    ("+QSIMSTAT", "1,0"),
    ("^SIMST", "255"),
    ("#QSS", "0"),
)


@dataclass(frozen=True)
class ModemEvent:
    """Something that happened at time `at`.  "look": a context was lost and it was not said which, ask AT+CGACT?."""

    what: What
    at: float
    detail: str = ""
    cid: int | None = None


class ModemMachine:
    """`low_dbm`: the RSRP below which the signal is called low; None for never."""

    def __init__(self, low_dbm: float | None = None) -> None:
        self.present = True
        self.service: Service = "unregistered"
        self.rsrp_dbm: float | None = None
        self.active: set[int] = set()  # contexts
        self._low_dbm, self._is_low = low_dbm, False
        self._domains: dict[str, Service] = {}
        self._leaving: set[int] = set()  # contexts that we are about to deactivate ourselves

    # What the modem says

    def line(self, line: str, now: float) -> list[ModemEvent]:
        """A line that nobody asked for; what it means is not our affair where it is in no table."""
        name = line.partition(":")[0].strip().upper()
        if line.strip() == "NO CARRIER" and self.active:
            return [ModemEvent("look", now, "NO CARRIER")]
        reader = self._READERS.get(name)
        try:
            return reader(self, line, now) if reader else []
        except ResponseError:  # a damaged line; the next answer to a question tells
            return []

    def registration(self, answer: Answer, now: float) -> list[ModemEvent]:
        """A registration line that was read."""
        self._domains[answer["prefix"]] = _SERVICE.get(answer["state"], "unregistered")
        packet = [state for domain, state in self._domains.items() if domain in _PACKET]
        known = packet or list(self._domains.values())
        return self._serve(min(known, key=_BEST.index), now)

    def signal(self, rsrp_dbm: float | None, now: float) -> list[ModemEvent]:
        """A measurement; None for one that found nothing."""
        if rsrp_dbm == self.rsrp_dbm:
            return []
        self.rsrp_dbm = rsrp_dbm
        detail = "none" if rsrp_dbm is None else f"{rsrp_dbm:g} dBm"
        return [ModemEvent("signal", now, detail), *self._threshold(rsrp_dbm, detail, now)]

    def contexts(self, answer: Answer, now: float) -> list[ModemEvent]:
        """The answer to AT+CGACT?."""
        active = {one["cid"] for one in answer["contexts"] if one["active"]}
        lost = [event for cid in sorted(self.active - active) for event in self._lost(cid, "no longer active", now)]
        return lost + [event for cid in sorted(active - self.active) for event in self.up(cid, now)]

    # What we do and what the port says

    def up(self, cid: int, now: float) -> list[ModemEvent]:
        """A context was activated."""
        self._leaving.discard(cid)
        if cid in self.active:
            return []
        self.active.add(cid)
        return [ModemEvent("context-up", now, cid=cid)]

    def leave(self, cid: int) -> None:
        """We are about to deactivate a context: that it ends is then no loss."""
        self._leaving.add(cid)

    def down(self, cid: int) -> None:
        """We have deactivated it."""
        self.active.discard(cid)
        self._leaving.discard(cid)

    def gone(self, now: float) -> list[ModemEvent]:
        """The port went away, and everything with it."""
        if not self.present:
            return []
        self.present, self.service, self.rsrp_dbm, self._is_low = False, "unregistered", None, False
        self.active.clear()
        self._leaving.clear()
        self._domains.clear()
        return [ModemEvent("gone", now)]

    def back(self, now: float) -> list[ModemEvent]:
        """The port is there again; what the modem is in then, it will say."""
        if self.present:
            return []
        self.present = True
        return [ModemEvent("back", now)]

    # How it changes

    def _serve(self, service: Service, now: float) -> list[ModemEvent]:
        if service == self.service:
            return []
        self.service = service
        return [ModemEvent(service, now)]

    def _threshold(self, rsrp_dbm: float | None, detail: str, now: float) -> list[ModemEvent]:
        if self._low_dbm is None:
            return []
        if not self._is_low and (rsrp_dbm is None or rsrp_dbm < self._low_dbm):
            self._is_low = True
            return [ModemEvent("signal-low", now, detail)]
        if self._is_low and rsrp_dbm is not None and rsrp_dbm >= self._low_dbm + HYSTERESIS_DB:
            self._is_low = False
            return [ModemEvent("signal-back", now, detail)]
        return []

    def _lost(self, cid: int, detail: str, now: float) -> list[ModemEvent]:
        if cid not in self.active:
            return []
        self.active.discard(cid)
        if cid in self._leaving:
            self._leaving.discard(cid)
            return []
        return [ModemEvent("context-lost", now, detail, cid)]

    def _all_lost(self, detail: str, now: float) -> list[ModemEvent]:
        return [event for cid in sorted(self.active) for event in self._lost(cid, detail, now)]

    # Result codes

    def _registration_line(self, line: str, now: float) -> list[ModemEvent]:
        return self.registration(read_registration(line, unsolicited=True), now)

    def _packet_event(self, line: str, now: float) -> list[ModemEvent]:
        answer = contexts.packet_event(line)
        who, _, what = answer["event"].partition("_")
        detail = _BY.get(who, "")
        if what == "DETACH":
            return self._all_lost(f"detached {detail}", now)
        if what in ("DEACT_PRIMARY", "DEACT_PDP"):
            if answer["cid"] is not None:
                return self._lost(answer["cid"], f"deactivated {detail}", now)
            return [ModemEvent("look", now, f"deactivated {detail}")] if self.active else []
        return []

    def _huawei_call(self, line: str, now: float) -> list[ModemEvent]:
        answer = huawei.data_call(line)
        return self._all_lost("the data call ended", now) if True not in answer.values() else []

    def _huawei_signal(self, line: str, now: float) -> list[ModemEvent]:
        return self.signal(huawei.levels(line).get("rsrp_dbm"), now)

    def _card(self, line: str, now: float) -> list[ModemEvent]:
        for name, beginning in _NO_CARD:
            if any(body.replace(" ", "").startswith(beginning.replace(" ", "")) for body in bodies(line, name)):
                return [ModemEvent("card-missing", now, line.strip())]
        return []

    _READERS: dict[str, Callable[[ModemMachine, str, float], list[ModemEvent]]] = {  # noqa: RUF012 - never changed
        "+CREG": _registration_line,
        "+CGREG": _registration_line,
        "+CEREG": _registration_line,
        "+C5GREG": _registration_line,
        "+CGEV": _packet_event,
        "^NDISSTAT": _huawei_call,
        "^HCSQ": _huawei_signal,
        **dict.fromkeys((name for name, _ in _NO_CARD), _card),
    }
