"""Session timers (RFC 4028): a session that nobody refreshes in time is over, so that no end keeps a dead one for ever.

Each 2xx to an INVITE or UPDATE says anew how long the session lives (Session-Expires) and who refreshes it; what is
read here is what that 2xx and its request said.  Times are seconds; who asks passes the clock in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from testbed.ims.errors import ParseError
from testbed.ims.message import Request, Response
from testbed.ims.params import Params

INTERVAL_S = 1800  # what 4.1 recommends
MIN_SE_S = 90  # the least that 5 allows
OPTION = "timer"
Refresher = Literal["uac", "uas"]


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The value of Session-Expires (4); `refresher` is a part in the transaction that carries it."""

    interval_s: int
    refresher: Refresher | None = None

    @classmethod
    def parse(cls, text: str) -> SessionExpires:
        """Read it.  Raises ParseError."""
        number, _, rest = text.partition(";")
        refresher = (Params.parse(rest, "Session-Expires").get("refresher") or "").lower()
        if refresher not in ("", "uac", "uas"):
            raise ParseError(f"refresher {refresher[:20]!r} is neither uac nor uas", where="Session-Expires")
        return cls(_seconds(number, "Session-Expires"), "uac" if refresher == "uac" else "uas" if refresher else None)

    def __str__(self) -> str:
        return f"{self.interval_s}" + (f";refresher={self.refresher}" if self.refresher else "")


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """What was agreed: the session ends `interval_s` after the last refresh, and whether the refresh is ours."""

    interval_s: int = INTERVAL_S
    ours: bool | None = None  # None: nothing has been agreed

    @property
    def agreed(self) -> bool:
        return self.ours is not None

    @property
    def wakes_after_s(self) -> float:
        """When to refresh (at half, 10), or to give the session up if the other end has not (a third before, 10)."""
        return self.interval_s / 2 if self.ours else self.interval_s - min(32, self.interval_s / 3)

    def request_headers(self) -> tuple[tuple[str, str], ...]:
        """For an INVITE or UPDATE of ours: the interval, and who refreshes stays who it is (7.4)."""
        refresher: Refresher | None = None if self.ours is None else "uac" if self.ours else "uas"
        return ("Session-Expires", str(SessionExpires(self.interval_s, refresher))), ("Min-SE", str(MIN_SE_S))

    def longer(self, refusal: Response) -> SessionTimer:
        """What to ask for after a 422: at least its Min-SE (7.3).  Raises ParseError when it says none."""
        least = _seconds(refusal.headers.get("Min-SE") or "", "Min-SE")
        if least <= self.interval_s:
            raise ParseError(f"a 422 with a Min-SE of {least} to an interval of {self.interval_s}", where="Min-SE")
        return SessionTimer(least, self.ours)

    def after_answer(self, response: Response) -> SessionTimer:
        """What a 2xx to a request of ours agrees on: no Session-Expires, and the session has no timer (7.2)."""
        value = response.headers.get("Session-Expires")
        if value is None:
            return SessionTimer(self.interval_s)
        said = SessionExpires.parse(value)
        return SessionTimer(said.interval_s, said.refresher != "uas")


def too_brief(request: Request) -> bool:
    """Whether a request asks for less than we bear: then it is answered with 422 and our Min-SE (9)."""
    value = request.headers.get("Session-Expires")
    if value is None or OPTION not in request.option_tags("Supported"):
        return False
    return SessionExpires.parse(value).interval_s < MIN_SE_S


def answer(request: Request) -> tuple[SessionTimer, tuple[tuple[str, str], ...]]:
    """What a request of the other end comes to, and the headers of our 2xx (9, table 2).  Raises ParseError.

    Who does not know session timers cannot refresh: then we do, if a proxy asked for it.
    """
    value = request.headers.get("Session-Expires")
    if value is None:
        return SessionTimer(), ()
    asked = SessionExpires.parse(value)
    knows = OPTION in request.option_tags("Supported")
    refresher: Refresher = (asked.refresher or "uac") if knows else "uas"
    headers = [("Session-Expires", str(SessionExpires(asked.interval_s, refresher)))]
    if refresher == "uac":
        headers.append(("Require", OPTION))
    return SessionTimer(asked.interval_s, refresher == "uas"), tuple(headers)


def _seconds(text: str, where: str) -> int:
    text = text.partition(";")[0].strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ParseError(f"{text[:20]!r} is no number of seconds", where=where)
    return int(text)
