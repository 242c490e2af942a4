"""SIP requests and responses (RFC 3261 7): bytes in, messages out, and back.

A message is framed and its lines are split at once; typed values are read when they are asked for, so that a header
nobody needs costs nothing and cannot fail.  :func:`parse` reads what a transaction needs (Via, From, To, Call-ID, CSeq)
to say early that a message is useless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from testbed.ims.errors import ParseError
from testbed.ims.headers import CSeq, Headers, NameAddr, Via
from testbed.ims.uri import Uri, parse_uri

VERSION = "SIP/2.0"
MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_STATUS_LINE = re.compile(r"SIP/(\d+\.\d+) (\d{3})(?: (.*))?", re.IGNORECASE | re.ASCII)
_REQUEST_LINE = re.compile(r"(\S+) (\S.*?) SIP/(\d+\.\d+)", re.IGNORECASE | re.ASCII)
_LINE_ENDS = re.compile(rb"(?:\r\n)+")
REASONS = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    494: "Security Agreement Required",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    603: "Decline",
}


class _Message:
    """What requests and responses have in common."""

    __slots__ = ("body", "headers")

    def __init__(self, headers: Headers | None, body: bytes) -> None:
        self.headers = headers if headers is not None else Headers()
        self.body = body

    @property
    def start_line(self) -> str:
        raise NotImplementedError

    @property
    def vias(self) -> list[Via]:
        return [Via.parse(value) for value in self.headers.values("Via")]

    @property
    def via(self) -> Via:
        """The topmost Via."""
        for value in self.headers.get_all("Via"):
            return Via.parse(next(iter(_first(value))))
        raise ParseError("there is none", where="Via")

    @property
    def from_(self) -> NameAddr:
        return NameAddr.parse(self._required("From"), "From")

    @property
    def to(self) -> NameAddr:
        return NameAddr.parse(self._required("To"), "To")

    @property
    def cseq(self) -> CSeq:
        return CSeq.parse(self._required("CSeq"))

    @property
    def call_id(self) -> str:
        return self._required("Call-ID").strip()

    @property
    def contact_star(self) -> bool:
        """Whether Contact is `*` (RFC 3261 10.2.2)."""
        return self.headers.values("Contact") == ["*"]

    @property
    def contacts(self) -> list[NameAddr]:
        """All contacts; none for the `*` form."""
        return [] if self.contact_star else self._addresses("Contact")

    @property
    def routes(self) -> list[NameAddr]:
        return self._addresses("Route")

    @property
    def record_routes(self) -> list[NameAddr]:
        return self._addresses("Record-Route")

    @property
    def service_routes(self) -> list[NameAddr]:
        return self._addresses("Service-Route")

    @property
    def paths(self) -> list[NameAddr]:
        return self._addresses("Path")

    @property
    def expires(self) -> int | None:
        """Seconds; None when absent or no number."""
        value = (self.headers.get("Expires") or "").strip()
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 10 else None

    def option_tags(self, name: str) -> set[str]:
        """The option tags of Require, Proxy-Require, Supported or Unsupported, all fields of that name together."""
        return {tag.lower() for tag in self.headers.values(name)}

    def encode(self) -> bytes:
        """The message as it goes on the wire; Content-Length is always right."""
        self.headers.set("Content-Length", str(len(self.body)))
        lines = [self.start_line, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body

    def _required(self, name: str) -> str:
        value = self.headers.get(name)
        if value is None:
            raise ParseError("there is none", where=name)
        return value

    def _addresses(self, name: str) -> list[NameAddr]:
        return [NameAddr.parse(value, name) for value in self.headers.values(name)]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.encode() == self.encode()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self.start_line} {self.headers.get('CSeq', '')} {self.headers.get('Call-ID', '')}>"


class Request(_Message):
    """A SIP request.  Methods are compared as written: they are case-sensitive."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: Uri | str, headers: Headers | None = None, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri = parse_uri(uri) if isinstance(uri, str) else uri

    @property
    def start_line(self) -> str:
        return f"{self.method} {self.uri} {VERSION}"

    def copy(self) -> Request:
        return Request(self.method, self.uri, self.headers.copy(), self.body)

    def response(self, status: int, reason: str | None = None, to_tag: str | None = None) -> Response:
        """A response to this request (RFC 3261 8.2.6.2); dialog-forming ones repeat Record-Route (12.1.1)."""
        headers = Headers()
        for name in ("Via", "Record-Route"):
            if name == "Record-Route" and not (100 < status < 300):
                continue
            for value in self.headers.get_all(name):
                headers.add(name, value)
        headers.add("From", self._required("From"))
        to = self._required("To")
        if to_tag is not None and status > 100 and self.to.tag is None:
            to = f"{to.rstrip('; ')};tag={to_tag}"
        headers.add("To", to)
        headers.add("Call-ID", self._required("Call-ID"))
        headers.add("CSeq", self._required("CSeq"))
        return Response(status, reason, headers)


class Response(_Message):
    """A SIP response."""

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: str | None = None, headers: Headers | None = None, body: bytes = b""
    ) -> None:
        super().__init__(headers, body)
        self.status = status
        self.reason = reason if reason is not None else REASONS.get(status, "Unknown")

    @property
    def start_line(self) -> str:
        return f"{VERSION} {self.status} {self.reason}"


def _first(value: str) -> Iterator[str]:
    # The top Via of a folded list: quotes in a Via are rare, commas outside them separate.
    if '"' not in value:
        yield value.split(",", 1)[0]
    else:
        from testbed.ims.headers import split_list

        yield from split_list(value)


def parse(datagram: bytes) -> Request | Response:
    """Read one message from a datagram (RFC 3261 18.3): octets after Content-Length are ignored, too few are an error.

    Raises ParseError and nothing else.
    """
    head, separator, body = datagram.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = datagram.lstrip(b"\r\n").partition(b"\n\n")
    if not separator:
        raise ParseError("the headers never end", where="message")
    message = _parse_head(head)
    length = content_length(message)
    if length is None:
        length = len(body)
    if length > len(body):
        raise ParseError(f"Content-Length says {length} octets, there are {len(body)}", where="Content-Length")
    message.body = body[:length]
    return message


def content_length(message: Request | Response) -> int | None:
    """The Content-Length field as a number; None when absent.  Raises ParseError when it is no number or says two."""
    values = {value.strip() for value in message.headers.get_all("Content-Length")}
    if not values:
        return None
    value = values.pop()
    if values or not (value.isascii() and value.isdigit() and len(value) <= 10):
        raise ParseError(f"{value[:40]!r} is no length", where="Content-Length")
    return int(value)


def _parse_head(head: bytes) -> Request | Response:
    if len(head) > MAX_HEADER_BYTES:
        raise ParseError(f"more than {MAX_HEADER_BYTES} octets of headers", where="message", status=513)
    text = head.decode("utf-8", "surrogateescape")
    start, *lines = text.split("\r\n") if "\r\n" in text else text.split("\n")
    headers = Headers(_fields(lines))
    message: Request | Response
    if match := _STATUS_LINE.fullmatch(start):
        version, status, reason = match[1], int(match[2]), match[3] or ""
        if not 100 <= status <= 699:
            raise ParseError(f"{status} is no status", where="status line")
        message = Response(status, reason, headers)
    elif match := _REQUEST_LINE.fullmatch(start):
        version = match[3]
        if not _TOKEN.fullmatch(match[1]):
            raise ParseError(f"{match[1][:40]!r} is no method", where="request line")
        if match[2] != match[2].strip() or match[2].startswith("<"):
            raise ParseError(f"{match[2][:60]!r} is no Request-URI", where="request line")
        message = Request(match[1], match[2], headers)
    else:
        raise ParseError(f"{start[:60]!r} is neither a request nor a status line", where="message")
    if version != "2.0":
        raise ParseError(f"SIP version {version}", where="message", status=505)
    _check(message)
    return message


def _fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Unfold (RFC 3261 7.3.1) and split the lines.

    A continuation may be separated from its header by an empty line in documents, never on the wire: an empty line ends
    the headers before this function sees it.
    """
    name, value = "", ""
    for line in lines:
        if line[:1] in (" ", "\t"):
            if not name:
                raise ParseError("the first header begins with a blank", where="message")
            value = f"{value} {line.strip()}"
            continue
        if name:
            yield name, _whole(name, value)
        name, colon, value = line.partition(":")
        name = name.rstrip(" \t")
        if not colon or not _TOKEN.fullmatch(name):
            raise ParseError(f"{line[:60]!r} is no header", where="message")
    if name:
        yield name, _whole(name, value)


def _whole(name: str, value: str) -> str:
    # A line end inside would let whoever repeats the value write a header of the sender's choice.
    if "\r" in value or "\n" in value:
        raise ParseError("a bare CR or LF in the value", where=name)
    return value.strip()


def _check(message: Request | Response) -> None:
    """What every later layer relies on (RFC 3261 8.1.1): the five fields can be read, CSeq agrees with the method."""
    cseq = message.cseq
    message.via, message.from_, message.to, message.call_id  # noqa: B018 - each raises ParseError when it is wrong
    if not message.call_id:
        raise ParseError("it is empty", where="Call-ID")
    for name in ("From", "To", "Call-ID", "CSeq"):
        if len(message.headers.get_all(name)) > 1:
            raise ParseError("stands twice", where=name)
    if isinstance(message, Request) and cseq.method != message.method:
        raise ParseError(f"CSeq says {cseq.method}, the request line {message.method}", where="CSeq")


class StreamParser:
    """Messages out of a TCP stream, framed by Content-Length (RFC 3261 18.3).

    Empty lines between messages are keep-alives (RFC 5626 3.5.1): `pings` counts double ones, each to be answered with
    one CRLF.  After a ParseError the stream cannot be trusted any more and should be closed.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: tuple[Request | Response, int] | None = None
        self._line_ends = 0  # since the last message
        self.pings = 0

    def feed(self, data: bytes) -> list[Request | Response]:
        """Take octets, return the messages that are complete.  Raises ParseError."""
        self._buffer += data
        done: list[Request | Response] = []
        while (message := self._next()) is not None:
            done.append(message)
        return done

    def _next(self) -> Request | Response | None:
        if self._waiting is None and not self._read_head():
            return None
        assert self._waiting is not None
        message, length = self._waiting
        if len(self._buffer) < length:
            return None
        message.body, self._buffer = self._buffer[:length], self._buffer[length:]
        self._waiting, self._line_ends = None, 0
        return message

    def _read_head(self) -> bool:
        if empty := _LINE_ENDS.match(self._buffer):
            seen = self._line_ends + empty.end() // 2
            self.pings += seen // 2 - self._line_ends // 2
            self._line_ends, self._buffer = seen, self._buffer[empty.end() :]
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            if len(self._buffer) > MAX_HEADER_BYTES:
                raise ParseError("the headers never end", where="stream")
            return False
        message = _parse_head(head)
        length = content_length(message)
        if length is None:
            raise ParseError("there is none, and a stream cannot be framed without", where="Content-Length")
        if length > MAX_BODY_BYTES:
            raise ParseError(f"{length} octets are too many", where="Content-Length", status=513)
        self._waiting, self._buffer = (message, length), rest
        return True
