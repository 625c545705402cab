"""The HTTP request that asks for a WebSocket."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import Any


class Request:
    """The request, and ways to find things in it."""

    def __init__(self, record: Any) -> None:
        #: The id of the connection that this becomes when it is accepted.
        self.connection: int = record.connection
        self.listener: str = record.listener
        self.method: str = record.method
        #: Whether the client reached the host over TLS.
        self.secure: bool = record.secure
        #: Host and port as the client named them.
        self.authority: str = record.authority
        #: Percent-decoded; it starts with a slash.
        self.path: str = record.path
        #: Not decoded, without its question mark.
        self.query: str | None = record.query
        #: Names are in lower case. A behavior sees credentials only where the operator granted them.
        self.headers: list[tuple[str, str]] = [(field.name, field.value) for field in record.headers]
        self.captures: list[tuple[str, str]] = list(record.captures)
        #: Empty on a UNIX socket.
        self.client_ip: str = record.client_ip
        self.client_port: int = record.client_port
        self.attributes: list[tuple[str, str]] = list(record.attributes)

    def header(self, name: str) -> str | None:
        """The first header field of this name."""
        return _find(self.headers, name.lower())

    def capture(self, name: str) -> str | None:
        """What the route's path captured under this name."""
        return _find(self.captures, name)

    def attribute(self, name: str) -> str | None:
        """What else the host knows: `tenant`, `route`, `tls.version` and more."""
        return _find(self.attributes, name)

    def query_value(self, name: str) -> str | None:
        """The first value of this name in the query, decoded; empty for a name without an equals sign."""
        for pair in (self.query or "").split("&"):
            found, _, value = pair.partition("=")
            if pair and percent_decode(found.replace("+", " ")) == name:
                return percent_decode(value.replace("+", " "))
        return None

    def cookie(self, name: str) -> str | None:
        """The value of a cookie."""
        for field, value in self.headers:
            for pair in value.split(";") if field == "cookie" else ():
                found, equals, content = pair.partition("=")
                if equals and found.strip() == name:
                    content = content.strip()
                    return content[1:-1] if len(content) > 1 and content[0] == content[-1] == '"' else content
        return None

    def bearer(self) -> str | None:
        """The token of `Authorization: Bearer` (RFC 6750)."""
        return self._credentials("bearer")

    def basic(self) -> tuple[str, str] | None:
        """The name and password of `Authorization: Basic` (RFC 7617)."""
        given = self._credentials("basic")
        if given is None:
            return None
        try:
            user, colon, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return (user, password) if colon else None

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that the client offered, in its order."""
        offered = [value for name, value in self.headers if name == "sec-websocket-protocol"]
        return [name.strip() for value in offered for name in value.split(",") if name.strip()]

    def _credentials(self, scheme: str) -> str | None:
        words = (self.header("authorization") or "").split()
        return words[1] if len(words) == 2 and words[0].lower() == scheme else None


def percent_decode(text: str) -> str:
    """Decodes `%41` to `A`. What is no escape stays as it is; bytes that are not UTF-8 become U+FFFD."""

    def decode(escapes: re.Match[str]) -> str:
        return bytes.fromhex(escapes[0].replace("%", "")).decode(errors="replace")

    return re.sub(r"(?:%[0-9A-Fa-f]{2})+", decode, text)


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _find(pairs: list[tuple[str, str]], name: str) -> str | None:
    return next((value for found, value in pairs if found == name), None)
