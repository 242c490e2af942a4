"""Session descriptions (RFC 8866) and their offer/answer exchange (RFC 3264) for one G.711 mu-law stream.

Reading is lenient: line ends may be bare, lines and attributes nobody needs are kept and written again.  What cannot be
a session description raises ParseError; a description that is one but cannot be used here raises it with status 488.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import ip_address
from itertools import pairwise

from testbed.ims.errors import ParseError

CONTENT_TYPE = "application/sdp"
PCMU = "0"  # RFC 3551 6: the static payload type of G.711 mu-law at 8000 Hz
PTIME_MS = 20
_MAX_OCTETS = 64 * 1024
_SESSION_ORDER = "iuepcbtrzka"  # RFC 8866 5, behind v=, o= and s=
_MEDIA_ORDER = "icbka"

Attribute = tuple[str, str | None]
Line = tuple[str, str]


class Direction(Enum):
    """Which way media may flow, as its writer sees it (RFC 8866 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"  # as an offer: the other end is put on hold
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> Direction:
        """The direction that sends and receives so."""
        return next(each for each in cls if (each.sends, each.receives) == (sends, receives))

    def answering(self, offered: Direction) -> Direction:
        """What to answer an offer with: this much of what is wanted here (RFC 3264 6.1)."""
        return Direction.of(sends=self.sends and offered.receives, receives=self.receives and offered.sends)


@dataclass(frozen=True, slots=True)
class Origin:
    """The o= line; `version` grows with every change (RFC 3264 8)."""

    session_id: str
    version: int
    address: str
    username: str = "-"

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} {_connection(self.address)}"


@dataclass(frozen=True, slots=True)
class Media:
    """One m= section.  Port 0 means that the stream is refused or ended; `address` None that the session's holds."""

    kind: str
    port: int
    protocol: str = "RTP/AVP"
    formats: tuple[str, ...] = (PCMU,)
    address: str | None = None
    attributes: tuple[Attribute, ...] = ()
    others: tuple[Line, ...] = ()

    def attribute(self, name: str) -> str | None:
        """The first attribute's value: empty for one without, None when it is not there."""
        return next((value or "" for known, value in self.attributes if known.lower() == name), None)

    @property
    def pcmu(self) -> str | None:
        """The payload type that stands for PCMU at 8000 Hz here; None when it is not among the formats."""
        mapped = dict(_rtpmap(value) for name, value in self.attributes if name.lower() == "rtpmap" and value)
        for payload_type in self.formats:
            if mapped.get(payload_type, "pcmu/8000" if payload_type == PCMU else "") in ("pcmu/8000", "pcmu/8000/1"):
                return payload_type
        return None

    @property
    def direction(self) -> Direction | None:
        """What this section says of its direction; None when it says nothing."""
        return _direction(self.attributes)

    def lines(self) -> list[Line]:
        first = ("m", f"{self.kind} {self.port} {self.protocol} {' '.join(self.formats)}")
        return [first, *_ordered(_MEDIA_ORDER, self.address, self.others, self.attributes)]


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description.  `others` keeps the lines that are not looked into, `t=` among them."""

    origin: Origin
    address: str | None = None
    media: tuple[Media, ...] = ()
    name: str = "-"
    attributes: tuple[Attribute, ...] = ()
    others: tuple[Line, ...] = (("t", "0 0"),)

    @classmethod
    def parse(cls, body: bytes) -> SessionDescription:
        """Read a description.  Raises ParseError and nothing else."""
        lines = _lines(body)
        if not lines or lines[0][0] != "v":
            raise ParseError("it does not begin with v=", where="SDP")
        bounds = [*(place for place, (letter, _) in enumerate(lines) if letter == "m"), len(lines)]
        head, sections = lines[1 : bounds[0]], [lines[start:end] for start, end in pairwise(bounds)]
        origin = next((value for letter, value in head if letter == "o"), None)
        if origin is None:
            raise ParseError("there is no o= line", where="SDP")
        others = [(letter, value) for letter, value in head if letter not in "osca"]
        if not any(letter == "t" for letter, _ in others):
            others.append(("t", "0 0"))
        return cls(
            origin=_parse_origin(origin),
            address=_address(head),
            media=tuple(_parse_media(section) for section in sections),
            name=next((value for letter, value in head if letter == "s"), "-") or "-",
            attributes=_attributes(head),
            others=_sorted(_SESSION_ORDER, others),
        )

    def encode(self) -> bytes:
        """The description as it goes into a body, in the order that RFC 8866 5 wants."""
        lines: list[Line] = [("v", "0"), ("o", str(self.origin)), ("s", self.name)]
        lines += _ordered(_SESSION_ORDER, self.address, self.others, self.attributes)
        for section in self.media:
            lines += section.lines()
        return "".join(f"{letter}={value}\r\n" for letter, value in lines).encode("utf-8", "surrogateescape")

    @property
    def audio(self) -> Media | None:
        """The first audio stream that is in use and can be PCMU."""
        return next((media for media in self.media if _usable(media)), None)

    @property
    def direction(self) -> Direction:
        """Of the audio stream; an unspecified address also says "send me nothing" (RFC 3264 8.4)."""
        audio = self.audio
        if audio is None:
            return Direction.INACTIVE
        said = audio.direction or _direction(self.attributes) or Direction.SENDRECV
        if (audio.address or self.address) in ("0.0.0.0", "::"):
            return Direction.of(sends=said.sends, receives=False)
        return said

    def audio_destination(self) -> tuple[str, int]:
        """Address and port that audio for the writer of this description goes to.  Raises ParseError (status 488).

        Whether to send there at all, `direction` says: the address may be the unspecified one of a hold.
        """
        audio = self.audio
        if audio is None:
            raise ParseError("no stream of PCMU audio", where="SDP", status=488)
        address = audio.address or self.address
        if address is None:
            raise ParseError("no c= line for the audio stream", where="SDP", status=488)
        try:
            parsed = ip_address(address)
        except ValueError as wrong:
            raise ParseError(f"{address[:60]!r} is no IP address", where="SDP", status=488) from wrong
        if parsed.is_multicast or "%" in address:
            raise ParseError(f"{address[:60]} is no unicast address for all to reach", where="SDP", status=488)
        return str(parsed), audio.port

    def with_direction(self, direction: Direction) -> SessionDescription:
        """The same with the direction of every stream set: hold is SENDONLY or INACTIVE."""
        media = tuple(replace(each, attributes=_directed(each.attributes, direction)) for each in self.media)
        return replace(self, media=media, attributes=_directed(self.attributes, None))

    def after(self, previous: SessionDescription | None) -> SessionDescription:
        """This as the next description of a session: its origin, the version raised by one if anything differs.

        RFC 3264 8: user name and session id stay, and an unchanged description keeps its version.
        """
        if previous is None:
            return self
        same = replace(self, origin=previous.origin)
        if same == previous and self.origin.address == previous.origin.address:
            return same
        return replace(
            self, origin=replace(previous.origin, address=self.origin.address, version=previous.origin.version + 1)
        )


def audio_offer(
    address: str, port: int, session_id: int, version: int = 1, direction: Direction = Direction.SENDRECV
) -> SessionDescription:
    """An offer of one PCMU stream at `address` (IPv4 or IPv6, no brackets) and UDP `port`."""
    attributes = (("rtpmap", f"{PCMU} PCMU/8000"), ("ptime", str(PTIME_MS)), (direction.value, None))
    return SessionDescription(
        origin=Origin(str(session_id), version, address),
        address=address,
        media=(Media("audio", port, attributes=attributes),),
    )


def answer(
    offer: SessionDescription,
    address: str,
    port: int,
    *,
    session_id: int = 1,
    version: int = 1,
    direction: Direction = Direction.SENDRECV,
) -> SessionDescription:
    """The answer: the offer's first stream of PCMU audio taken, every other refused, in the offer's order (RFC 3264 6).

    `direction` is what is wanted here; the answer says as much of it as the offer allows.  Raises ParseError with
    status 488 when the offer has no PCMU.
    """
    taken = offer.audio
    if taken is None or taken.pcmu is None:
        raise ParseError("no stream of PCMU audio", where="SDP", status=488)
    said = direction.answering(offer.direction)
    attributes = (("rtpmap", f"{taken.pcmu} PCMU/8000"), ("ptime", str(PTIME_MS)), (said.value, None))
    media = tuple(
        Media("audio", port, each.protocol, (taken.pcmu,), attributes=attributes)
        if each is taken
        else Media(each.kind, 0, each.protocol, each.formats)
        for each in offer.media
    )
    return SessionDescription(Origin(str(session_id), version, address), address, media)


def _lines(body: bytes) -> list[Line]:
    if len(body) > _MAX_OCTETS:
        raise ParseError(f"{len(body)} octets are too many", where="SDP", status=513)
    lines: list[Line] = []
    for line in re.split(r"\r\n|\n|\r", body.decode("utf-8", "surrogateescape")):
        if not line.strip():
            continue
        letter, equals, value = line.partition("=")
        if not equals or len(letter) != 1 or not (letter.isascii() and letter.isalpha()) or "\0" in value:
            raise ParseError(f"{line[:60]!r} is no line of the form x=value", where="SDP")
        lines.append((letter.lower(), value.strip(" \t")))
    return lines


def _parse_origin(text: str) -> Origin:
    words = text.split()
    if len(words) != 6 or not _number(words[2], 20):
        raise ParseError(f"{text[:60]!r} is no origin", where="SDP o=")
    return Origin(words[1], int(words[2]), words[5], words[0])


def _parse_media(section: list[Line]) -> Media:
    words = section[0][1].split()
    if len(words) < 4:
        raise ParseError(f"{section[0][1][:60]!r} lacks port, protocol or format", where="SDP m=")
    port = words[1].partition("/")[0]  # RFC 8866 5.14: a count of ports may follow; one is used
    if not _number(port, 5) or int(port) > 65535:
        raise ParseError(f"{words[1][:20]!r} is no port", where="SDP m=")
    rest = section[1:]
    others = [(letter, value) for letter, value in rest if letter not in "ca"]
    return Media(
        kind=words[0].lower(),
        port=int(port),
        protocol=words[2],
        formats=tuple(words[3:]),
        address=_address(rest),
        attributes=_attributes(rest),
        others=_sorted(_MEDIA_ORDER, others),
    )


def _number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits


def _address(lines: list[Line]) -> str | None:
    value = next((value for letter, value in lines if letter == "c"), None)
    if value is None:
        return None
    words = value.split()
    if len(words) != 3 or words[0].upper() != "IN":
        raise ParseError(f"{value[:60]!r} is no connection", where="SDP c=")
    return words[2].partition("/")[0] or None  # a multicast address has its TTL behind a slash


def _attributes(lines: list[Line]) -> tuple[Attribute, ...]:
    found: list[Attribute] = []
    for letter, value in lines:
        if letter == "a" and value:
            name, colon, text = value.partition(":")
            found.append((name.strip(), text.strip() if colon else None))
    return tuple(found)


def _rtpmap(value: str) -> tuple[str, str]:
    payload_type, _, encoding = value.partition(" ")
    return payload_type, encoding.strip().lower()


def _usable(media: Media) -> bool:
    return (
        media.kind == "audio"
        and media.port > 0
        and media.protocol.upper() in ("RTP/AVP", "RTP/AVPF")
        and media.pcmu is not None
    )


_DIRECTIONS = {direction.value: direction for direction in Direction}


def _direction(attributes: tuple[Attribute, ...]) -> Direction | None:
    found = (_DIRECTIONS.get(name.lower()) for name, value in attributes if value is None)
    return next((direction for direction in found if direction is not None), None)


def _directed(attributes: tuple[Attribute, ...], direction: Direction | None) -> tuple[Attribute, ...]:
    kept = tuple(each for each in attributes if each[0].lower() not in _DIRECTIONS)
    return kept if direction is None else (*kept, (direction.value, None))


def _sorted(order: str, lines: list[Line]) -> tuple[Line, ...]:
    # t=, r= and z= belong together and keep their order among each other; letters unknown here go last but a=.
    rank = {letter: place for place, letter in enumerate(order)} | ({"r": order.index("t")} if "t" in order else {})
    return tuple(sorted(lines, key=lambda line: rank.get(line[0], len(order) - 1)))


def _ordered(
    order: str, address: str | None, others: tuple[Line, ...], attributes: tuple[Attribute, ...]
) -> tuple[Line, ...]:
    lines = [*others, *([("c", _connection(address))] if address else [])]
    lines += [("a", name if value is None else f"{name}:{value}") for name, value in attributes]
    return _sorted(order, lines)


def _connection(address: str) -> str:
    return f"IN IP{6 if ':' in address else 4} {address}"
