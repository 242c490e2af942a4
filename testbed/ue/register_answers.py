"""What the network answers to a REGISTER: a challenge, a longer interval, a refusal (TS 24.229 5.1.1.2, 5.1.1.4)."""

from __future__ import annotations

from testbed.errors import ProductFailure
from testbed.ims.digest import Challenge
from testbed.ims.errors import PeerFault
from testbed.ims.message import Response
from testbed.ue.answers import Refused
from testbed.ue.connection import ImsConnection

# What a refusal of a REGISTER usually means on a bench.
MENDS = {
    401: "the core challenged again and again: look at the S-CSCF's log",
    403: "compare the subscriber's identities and keys with the HSS (`testbed subscriber list`)",
    404: "the HSS does not know this identity: `testbed subscriber add`",
    420: "the core lacks an extension that was required: see Unsupported",
    423: "the registrar wants longer registrations: its Min-Expires names no longer time than was asked for",
    480: "the HSS or the S-CSCF is not reachable: look at their logs in the run's folder",
    500: "the HSS or the S-CSCF is not reachable: look at their logs in the run's folder",
    503: "the HSS or the S-CSCF is not reachable: look at their logs in the run's folder",
    504: "the HSS or the S-CSCF is not reachable: look at their logs in the run's folder",
}


def challenge(response: Response, where: str) -> Challenge:
    """The challenge in a 401.  Raises ProductFailure when there is none."""
    try:
        return Challenge.parse(response.headers.get("WWW-Authenticate") or "")
    except PeerFault as fault:
        raise ProductFailure(f"the 401 cannot be answered: {fault.what}", where=where) from fault


def longer_s(response: Response, asked_s: int) -> int | None:
    """For how many seconds to ask after a 423 (RFC 3261 10.2.8); None for what is none, or names no longer time."""
    least = (response.headers.get("Min-Expires") or "").strip()
    if response.status != 423 or not (least.isascii() and least.isdigit() and len(least) <= 10):
        return None
    return int(least) if int(least) > asked_s else None


def refused(connection: ImsConnection, response: Response) -> Refused:
    """The failure that a final response of 300 or more is."""
    unsupported = ", ".join(response.headers.get_all("Unsupported"))
    detail = f" (Unsupported: {unsupported})" if unsupported else ""
    where = f"UE {connection.config.name} over {connection.name}"
    return Refused(response, "registration refused", where=where, mend=MENDS.get(response.status), detail=detail)
