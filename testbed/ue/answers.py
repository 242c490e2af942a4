"""Final responses as the controller is told of them, and the failure that a refusal is."""

from __future__ import annotations

from typing import Any

from testbed.errors import ProductFailure
from testbed.ims.message import Response


class Refused(ProductFailure):
    """A request of ours got a final response of 300 or more."""

    def __init__(self, response: Response, what: str, *, where: str, mend: str | None = None, detail: str = "") -> None:
        super().__init__(f"{what}: {response.status} {response.reason}{detail}", where=where, mend=mend)
        self.response = response


class AccessLost(ProductFailure):
    """The access, or the TCP stream, went before a request of ours was answered."""


def told(response: Response | None) -> dict[str, Any]:
    """A final response in plain values; None is nobody's answer."""
    if response is None:
        return {"status": None, "reason": None, "headers": {}}
    headers: dict[str, str] = {}
    for name, value in response.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return {"status": response.status, "reason": response.reason, "headers": headers}
