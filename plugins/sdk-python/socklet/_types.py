"""The words of the contract, as Python has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Union

#: A text message, or a binary one.
Message = Union[str, bytes]

#: Header fields: a mapping, or pairs where a name comes more than once.
Headers = Union[Mapping[str, str], Iterable[tuple[str, str]]]

#: The opcodes of RFC 6455, section 5.2.
Opcode = Literal["continuation", "text", "binary", "close", "ping", "pong"]

#: What the host does with a frame next.
Disposition = Literal["process", "skip", "stop"]


@dataclass(frozen=True)
class Frame:
    """One frame, unmasked."""

    opcode: Opcode
    #: Whether it is the last frame of its message.
    fin: bool
    payload: bytes


@dataclass(frozen=True)
class Principal:
    """Who a connection belongs to."""

    subject: str
    attributes: list[tuple[str, str]] = field(default_factory=list)
    #: Unix seconds after which the host closes the connection with 1008.
    expires_at: int | None = None

    def attribute(self, name: str) -> str | None:
        """The first attribute of this name."""
        return next((value for found, value in self.attributes if found == name), None)


@dataclass(frozen=True)
class Acceptance:
    """What the 101 carries beside its fixed fields."""

    #: One of the subprotocols that the client offered.
    subprotocol: str | None = None
    headers: Headers = ()


@dataclass(frozen=True)
class Ending:
    """How a connection ended."""

    #: 1005 where the client's close frame was empty, 1006 where it went away without one.
    code: int
    reason: str
    #: `client`, `plugin`, `operator`, `disconnected`, `heartbeat`, `protocol`, `limit`, `slow-consumer`, `expired`, `plugin-failed`, ...
    cause: str
    #: Both sides completed the closing handshake.
    clean: bool
    duration_ms: int
    messages_received: int
    messages_sent: int


def pairs(headers: Headers) -> list[tuple[str, str]]:
    """Header fields as pairs, their names in lower case."""
    # Not `isinstance(headers, Mapping)`: to ask that for the first time takes 300 KiB of an instance.
    given = headers.items() if hasattr(headers, "items") else headers
    return [(str(name).lower(), str(value)) for name, value in given]
