"""SIP URIs (RFC 3261 19.1), kept verbatim so that what was read is what is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import unquote_to_bytes

from testbed.ims.errors import ParseError
from testbed.ims.params import URI_NAME, Params

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-_]*)")
_FORBIDDEN = re.compile(r"[\s<>\"\x00-\x1f\x7f]")
# Parameters that make two URIs differ when only one of them has it (19.1.4).
_TELLING = (b"user", b"ttl", b"method", b"maddr", b"transport")


@dataclass(frozen=True, slots=True)
class SipUri:
    """A sip: or sips: URI.  `host` of an IPv6 address has its brackets; `user` may hold a password after a colon."""

    user: str | None
    host: str
    port: int | None = None
    params: Params = field(default_factory=Params)
    headers: str = ""
    scheme: str = "sip"

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Read a sip: or sips: URI; raises ParseError (status 416 for another scheme)."""
        uri = parse_uri(text)
        if not isinstance(uri, SipUri):
            raise ParseError(f"scheme of {text[:60]!r} is not sip", where="URI", status=416)
        return uri

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user is not None else ""
        port = f":{self.port}" if self.port is not None else ""
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host}{port}{self.params}{headers}"

    @property
    def address(self) -> str:
        """The host without the brackets of an IPv6 reference."""
        return self.host.strip("[]")

    def with_param(self, name: str, value: str | None = None) -> SipUri:
        return replace(self, params=self.params.with_param(name, value))

    def matches(self, other: object) -> bool:
        """Whether both name the same resource (19.1.4)."""
        if not isinstance(other, SipUri) or self.scheme != other.scheme or self.port != other.port:
            return False
        if _plain(self.user) != _plain(other.user) or _host_key(self.host) != _host_key(other.host):
            return False
        ours, theirs = _fold(self.params), _fold(other.params)
        if any((name in ours) != (name in theirs) for name in _TELLING):
            return False
        if any(ours[name] != theirs[name] for name in ours.keys() & theirs.keys()):
            return False
        return _headers(self.headers) == _headers(other.headers)


@dataclass(frozen=True, slots=True)
class OpaqueUri:
    """A URI of another scheme (tel:, urn:, https:): not looked into."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"

    def matches(self, other: object) -> bool:
        return isinstance(other, OpaqueUri) and self == other


Uri = SipUri | OpaqueUri


def parse_uri(text: str) -> Uri:
    """Read any URI.  Raises ParseError."""
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme) or not rest or _FORBIDDEN.search(rest):
        raise ParseError(f"{text[:60]!r} is no URI", where="URI")
    if scheme.lower() not in ("sip", "sips"):
        return OpaqueUri(scheme, rest)
    user, at, after = rest.rpartition("@")
    if at and not user:
        raise ParseError(f"{text[:60]!r} has an @ but no user", where="URI")
    address, question, headers = after.partition("?")
    hostport, semicolon, params = address.partition(";")
    host, port = parse_hostport(hostport)
    return SipUri(
        user if at else None,
        host,
        port,
        Params.parse(params, "URI", URI_NAME) if semicolon else Params(),
        headers if question else "",
        scheme.lower(),
    )


def parse_hostport(text: str) -> tuple[str, int | None]:
    """`host[:port]`; an IPv6 address in brackets.  Raises ParseError."""
    text = text.strip()
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        # RFC 3261's own grammar yields three colons before an IPv4 tail, and RFC 5118 4.10 wants them borne.
        host, rest = host.replace(":::", "::") + bracket, rest.strip()
        try:
            address = IPv6Address(host[1:-1])
        except AddressValueError as wrong:
            raise ParseError(f"{text[:60]!r} is no IPv6 reference", where="host") from wrong
        if not bracket or address.scope_id is not None:
            raise ParseError(f"{text[:60]!r} is no IPv6 reference", where="host")
        if rest and not rest.startswith(":"):
            raise ParseError(f"{text[:60]!r} has something between address and port", where="host")
        port_text = rest[1:].strip() if rest else None
    else:
        host, colon, after = text.partition(":")
        host, port_text = host.strip(), after.strip() if colon else None
        if not _HOST.fullmatch(host):
            raise ParseError(f"{host[:60]!r} is no host", where="host")
    if port_text is None:
        return host, None
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and int(port_text) <= 65535):
        raise ParseError(f"{port_text[:20]!r} is no port", where="host")
    return host, int(port_text)


def _plain(text: str | None) -> bytes | None:
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")) if text is not None else None


def _headers(text: str) -> list[tuple[bytes | None, bytes | None]]:
    fields = (field.partition("=") for field in text.split("&"))
    return sorted(((_plain(name.lower()), _plain(value)) for name, _, value in fields), key=repr)


def _host_key(host: str) -> object:
    try:
        return IPv6Address(host[1:-1]) if host.startswith("[") else host.lower()
    except AddressValueError:
        return host


def _fold(params: Params) -> dict[bytes, bytes | None]:
    folded: dict[bytes, bytes | None] = {}
    for name, value in params.items():
        plain = _plain(value)
        folded[unquote_to_bytes(name).lower()] = plain.lower() if plain is not None else None
    return folded
