"""Registration information (RFC 3680) with GRUUs (RFC 5628): what a NOTIFY of the reg event says of each identity.

A document is read into plain values; :class:`RegInfoState` puts full and partial documents together (RFC 3680 5.2).
Only UTF-8 is read, and no document with a document type: there is nothing in it that reg-info needs, and entities are
declared there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal
from xml.etree import ElementTree

from testbed.ims.errors import ParseError

CONTENT_TYPE = "application/reginfo+xml"
_REGINFO = "{urn:ietf:params:xml:ns:reginfo}"
_GRUUINFO = "{urn:ietf:params:xml:ns:gruuinfo}"
_MAX_OCTETS = 256 * 1024


class RegistrationState(Enum):
    """Of an address of record (RFC 3680 3.1)."""

    INIT = "init"
    ACTIVE = "active"
    TERMINATED = "terminated"


class ContactEvent(Enum):
    """Why a contact is in the state that it is in (RFC 3680 3.2)."""

    REGISTERED = "registered"
    CREATED = "created"  # implicitly, by the registration of another identity
    REFRESHED = "refreshed"
    SHORTENED = "shortened"
    EXPIRED = "expired"
    DEACTIVATED = "deactivated"  # the UE may register again at once
    PROBATION = "probation"
    UNREGISTERED = "unregistered"
    REJECTED = "rejected"  # the UE may not


@dataclass(frozen=True, slots=True)
class Contact:
    """One binding.  `expires` is in seconds from the document's writing."""

    id: str
    uri: str
    active: bool
    event: ContactEvent
    expires: int | None = None
    callid: str | None = None
    cseq: int | None = None
    pub_gruu: str | None = None
    temp_gruu: str | None = None
    params: tuple[tuple[str, str], ...] = ()  # of the Contact header, such as +sip.instance, as they stood there

    @property
    def state(self) -> str:
        return "active" if self.active else "terminated"


@dataclass(frozen=True, slots=True)
class Registration:
    """An address of record and its contacts."""

    id: str
    aor: str
    state: RegistrationState
    contacts: tuple[Contact, ...] = ()

    @property
    def active_contacts(self) -> tuple[Contact, ...]:
        return tuple(contact for contact in self.contacts if contact.active)


@dataclass(frozen=True, slots=True)
class RegInfo:
    """One document.  A partial one names only what changed."""

    version: int
    full: bool
    registrations: tuple[Registration, ...] = ()

    @classmethod
    def parse(cls, body: bytes) -> RegInfo:
        """Read a document.  Raises ParseError and nothing else."""
        root = _root(body)
        if root.tag != f"{_REGINFO}reginfo":
            raise ParseError(f"the root element is {root.tag[:60]!r}", where="reginfo")
        state = _attribute(root, "state")
        if state not in ("full", "partial"):
            raise ParseError(f"state {state[:20]!r} is neither full nor partial", where="reginfo")
        version = _number(root, "version")
        if version is None:
            raise ParseError("there is no version", where="reginfo")
        registrations = tuple(_registration(element) for element in root.iterfind(f"{_REGINFO}registration"))
        return cls(version, state == "full", registrations)


@dataclass(frozen=True, slots=True)
class Change:
    """What a document changed for one contact; `now` is None when a full document no longer names it."""

    aor: str
    kind: Literal["added", "changed", "removed"]
    before: Contact | None
    now: Contact | None

    @property
    def contact(self) -> Contact:
        contact = self.now or self.before
        assert contact is not None  # one of them is there: see _changes
        return contact


@dataclass
class RegInfoState:
    """What one subscription has told so far; a new subscription begins with a new one."""

    version: int | None = None
    stale: bool = False  # a document was missed: refresh the subscription to get a full one (RFC 3680 5.2)
    _table: dict[str, Registration] = field(default_factory=dict)  # by the registration's id

    @property
    def registrations(self) -> dict[str, Registration]:
        """By address of record, as written by the notifier."""
        return {registration.aor: registration for registration in self._table.values()}

    def contacts(self, aor: str) -> tuple[Contact, ...]:
        """The active contacts of an address of record; none when it is not known."""
        found = self.registrations.get(aor)
        return found.active_contacts if found is not None else ()

    def apply(self, document: RegInfo) -> list[Change]:
        """Take a document in; the changes, in its order.  A document older than the last one is passed over."""
        if self.version is not None and document.version < self.version:
            return []
        missed = not document.full and (self.version is None or document.version > self.version + 1)
        self.stale = not document.full and (self.stale or missed)
        self.version = document.version
        named = {registration.id: registration for registration in document.registrations}
        if document.full:
            table = named
        else:
            table = self._table | {id_: _merged(self._table.get(id_), new) for id_, new in named.items()}
        changes = list(_changes(self._table, table))
        self._table = {id_: _pruned(registration) for id_, registration in table.items()}
        return changes


def _merged(old: Registration | None, new: Registration) -> Registration:
    if old is None:
        return new
    contacts = {contact.id: contact for contact in (*old.contacts, *new.contacts)}
    return Registration(new.id, new.aor, new.state, tuple(contacts.values()))


def _pruned(registration: Registration) -> Registration:
    # RFC 3680 5.2: a terminated row may go at any time; it has been told of once.
    return Registration(registration.id, registration.aor, registration.state, registration.active_contacts)


def _changes(before: dict[str, Registration], after: dict[str, Registration]) -> Iterator[Change]:
    for id_ in dict.fromkeys((*after, *before)):
        was, now = before.get(id_), after.get(id_)
        aor = (now or before[id_]).aor
        old, new = _by_id(was.contacts if was else ()), _by_id(now.contacts if now else ())
        for contact_id in dict.fromkeys((*new, *old)):
            first, last = old.get(contact_id), new.get(contact_id)
            if first == last:
                continue
            if last is None or not last.active:
                yield Change(aor, "removed", first, last)
            else:
                yield Change(aor, "added" if first is None else "changed", first, last)


def _by_id(contacts: Iterable[Contact]) -> dict[str, Contact]:
    return {contact.id: contact for contact in contacts}


def _root(body: bytes) -> ElementTree.Element:
    if len(body) > _MAX_OCTETS:
        raise ParseError(f"{len(body)} octets are too many", where="reginfo", status=513)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise ParseError("it is not UTF-8", where="reginfo") from wrong
    # Fed with characters the parser disregards the encoding that the document declares: this sees what it sees.
    if "<!DOCTYPE" in text:
        raise ParseError("a document type is not read", where="reginfo")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as wrong:
        raise ParseError(f"no well-formed XML: {wrong}", where="reginfo") from wrong


def _registration(element: ElementTree.Element) -> Registration:
    try:
        state = RegistrationState(_attribute(element, "state"))
    except ValueError as wrong:
        raise ParseError(str(wrong), where="reginfo registration") from wrong
    contacts = tuple(_contact(each) for each in element.iterfind(f"{_REGINFO}contact"))
    return Registration(_attribute(element, "id"), _attribute(element, "aor"), state, contacts)


def _contact(element: ElementTree.Element) -> Contact:
    state = _attribute(element, "state")
    if state not in ("active", "terminated"):
        raise ParseError(f"state {state[:20]!r} is neither active nor terminated", where="reginfo contact")
    try:
        event = ContactEvent(_attribute(element, "event"))
    except ValueError as wrong:
        raise ParseError(str(wrong), where="reginfo contact") from wrong
    uri = (element.findtext(f"{_REGINFO}uri") or "").strip()
    if not uri:
        raise ParseError("there is no uri", where="reginfo contact")
    return Contact(
        id=_attribute(element, "id"),
        uri=uri,
        active=state == "active",
        event=event,
        expires=_number(element, "expires"),
        callid=element.get("callid"),
        cseq=_number(element, "cseq"),
        pub_gruu=_gruu(element, "pub-gruu"),
        temp_gruu=_gruu(element, "temp-gruu"),
        params=tuple(
            (each.get("name", ""), (each.text or "").strip()) for each in element.iterfind(f"{_REGINFO}unknown-param")
        ),
    )


def _gruu(element: ElementTree.Element, name: str) -> str | None:
    found = element.find(f"{_GRUUINFO}{name}")
    return found.get("uri") if found is not None else None


def _attribute(element: ElementTree.Element, name: str) -> str:
    value = element.get(name)
    if value is None:
        raise ParseError(f"there is no {name}", where=f"reginfo {element.tag.rpartition('}')[2][:40]}")
    return value.strip()


def _number(element: ElementTree.Element, name: str) -> int | None:
    value = element.get(name)
    if value is None:
        return None
    value = value.strip()
    if not (value.isascii() and value.isdigit() and len(value) <= 19):  # xs:unsignedLong
        raise ParseError(f"{name} {value[:20]!r} is no number", where=f"reginfo {element.tag.rpartition('}')[2][:40]}")
    return int(value)
