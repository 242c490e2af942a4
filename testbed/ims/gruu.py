"""GRUUs that a registrar has given (RFC 5627): URIs that reach one instance of a UE, wherever it is bound.

The public one tells the identity and stays as long as the instance; temporary ones do not tell it, and each
registration brings another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from testbed.ims.headers import NameAddr
from testbed.ims.uri import Uri, parse_uri


@dataclass(frozen=True, slots=True)
class Gruus:
    """Those of one identity over one binding; None where the registrar gave none."""

    public: str | None = None
    temporary: str | None = None

    @classmethod
    def of(cls, contact: NameAddr) -> Gruus:
        """What a Contact in the 200 to a REGISTER says (5.2)."""
        return cls(contact.params.unquoted("pub-gruu"), contact.params.unquoted("temp-gruu"))

    def uri(self, *, temporary: bool = False) -> Uri | None:
        """The one to put into the Contact of a request (4.4); None where there is none."""
        text = self.temporary if temporary else self.public
        return parse_uri(text) if text else None


def own_binding(contacts: Iterable[NameAddr], uri: Uri) -> NameAddr | None:
    """Our own among the bindings that a 200 lists, told by its URI (RFC 3261 10.2.4)."""
    return next((contact for contact in contacts if contact.uri.matches(uri)), None)
