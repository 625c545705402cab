"""A connection of the route, as a handle, and all of them together."""

from __future__ import annotations

import json
import re
from typing import Any

from . import _host
from ._errors import SendError, check_code, cut, text
from ._types import Message, Opcode, Principal


def wire(message: Message) -> Any:
    """A text or bytes as the host takes a message."""
    types = _host.imports.types
    if isinstance(message, str):
        return types.Message_Text(message)
    if isinstance(message, (bytes, bytearray, memoryview)):
        return types.Message_Binary(bytes(message))
    raise TypeError(f"a message is str or bytes, not {type(message).__name__}; send_json takes the rest")


def principal(record: Any) -> Principal | None:
    """The host's principal."""
    return None if record is None else Principal(record.subject, list(record.attributes), record.expires_at)


def dumps(value: Any) -> str:
    """JSON without spaces, and with characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class Connection:
    """One connection. Copies are fine: it is its id."""

    __slots__ = ("id",)

    #: Opaque, unique in the cluster, below 2^53.
    id: int

    def send(self, message: Message) -> None:
        """Queues a message; raises SendError. Never waits: it is queued, not delivered."""
        try:
            _host.imports.connections.send(self.id, wire(message))
        except _host.imports.Err as error:
            raise _send_error(error) from None

    def send_json(self, value: Any) -> None:
        """Queues a value as JSON in a text message."""
        self.send(dumps(value))

    def send_frame(self, opcode: Opcode, fin: bool, payload: bytes) -> None:
        """Queues one frame: a fragment, a ping of one's own."""
        kind = _host.imports.frames.Opcode[opcode.upper()]
        try:
            _host.imports.connections.send_frame(self.id, kind, fin, bytes(payload))
        except _host.imports.Err as error:
            raise _send_error(error) from None

    def flush(self) -> None:
        """Waits until everything queued was written to the socket."""
        try:
            _host.imports.connections.flush(self.id)
        except _host.imports.Err as error:
            raise _send_error(error) from None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Starts the closing handshake, after what is queued already. The first close frame wins."""
        check_code(code)
        try:
            _host.imports.connections.close(self.id, _host.imports.types.CloseFrame(code, cut(reason)))
        except _host.imports.Err as error:
            raise _send_error(error) from None

    @property
    def queued(self) -> int:
        """Bytes queued and not yet written."""
        return _host.imports.connections.queued(self.id)

    @property
    def principal(self) -> Principal | None:
        """Who it belongs to; None on routes without authenticators."""
        return principal(_host.imports.connections.principal_of(self.id))

    @property
    def attachment(self) -> bytes:
        """Up to 16 KiB that the host keeps with it, whatever becomes of the instance."""
        return _host.imports.connections.attachment(self.id)

    @attachment.setter
    def attachment(self, value: bytes) -> None:
        try:
            _host.imports.connections.set_attachment(self.id, bytes(value))
        except _host.imports.Err as error:
            raise _send_error(error) from None

    @property
    def attached(self) -> Any:
        """The attachment as JSON; None when there is none."""
        value = self.attachment
        return json.loads(value) if value else None

    @attached.setter
    def attached(self, value: Any) -> None:
        self.attachment = b"" if value is None else dumps(value).encode()

    def subscribe(self, topic: str) -> None:
        """Adds it to a topic, which it leaves by itself when it closes."""
        try:
            _host.imports.topics.subscribe(self.id, topic)
        except _host.imports.Err as error:
            raise text(error) from None

    def unsubscribe(self, topic: str) -> None:
        """Takes it out of a topic."""
        _host.imports.topics.unsubscribe(self.id, topic)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Connection) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


class connections:
    """The connections of this route."""

    @staticmethod
    def ids() -> list[int]:
        """The ids of all that are open."""
        return _host.imports.connections.ids()

    @staticmethod
    def count() -> int:
        """How many there are."""
        return _host.imports.connections.count()

    @staticmethod
    def handle(id: int) -> Connection:
        """The one of this id: nothing checks that there is one."""
        connection = Connection()
        connection.id = id
        return connection

    @staticmethod
    def send_all(message: Message, but: Connection | None = None) -> int:
        """Queues a message for all but one; returns how many on this node accepted it."""
        return _host.imports.connections.send_all(wire(message), None if but is None else but.id)


class topics:
    """Named groups of connections, inside this route."""

    @staticmethod
    def publish(topic: str, message: Message, but: Connection | None = None) -> int:
        """Queues a message for every subscriber but one; returns how many on this node accepted it."""
        return _host.imports.topics.publish(topic, wire(message), None if but is None else but.id)

    @staticmethod
    def subscribers(topic: str) -> list[int]:
        """The ids of the subscribers."""
        return _host.imports.topics.subscribers(topic)


class heartbeat:
    """The route's ping to connections that were idle. Changes apply to every live connection of the route."""

    @staticmethod
    def interval() -> int:
        """Seconds of idleness before a ping."""
        return _host.imports.heartbeat.interval_seconds()

    @staticmethod
    def set_interval(seconds: int) -> None:
        """Sets the interval: 1 to 86,400 seconds."""
        try:
            _host.imports.heartbeat.set_interval_seconds(seconds)
        except _host.imports.Err as error:
            raise text(error) from None

    @staticmethod
    def payload() -> str:
        """What the ping carries."""
        return _host.imports.heartbeat.payload()

    @staticmethod
    def set_payload(payload: str) -> None:
        """Sets what the ping carries: at most 125 bytes."""
        try:
            _host.imports.heartbeat.set_payload(payload)
        except _host.imports.Err as error:
            raise text(error) from None


class timers:
    """Timers of the instance; those of a connection are its `set_timer`."""

    @staticmethod
    def set(name: str, seconds: float) -> None:
        """Has `on_instance_timer(name)` called once, after some seconds, in whole milliseconds."""
        if of_connection(name):
            raise ValueError("names that begin with @ and a number are taken")
        set_timer(name, seconds)

    @staticmethod
    def cancel(name: str) -> None:
        """Forgets a timer."""
        _host.imports.timers.cancel(name)


def set_timer(name: str, seconds: float) -> None:
    """Sets a timer by the host's name of it."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1:
        raise ValueError(f"a timer is due after 1 ms or more, not {seconds} s")
    try:
        _host.imports.timers.set(name, milliseconds)
    except _host.imports.Err as error:
        raise text(error) from None


def of_connection(name: str) -> tuple[int, str] | None:
    """A connection and a name out of the host's name of a timer; None for a timer of the instance."""
    found = re.match(r"@(\d+) ", name)
    return (int(found[1]), name[found.end() :]) if found else None


def _send_error(error: Any) -> SendError:
    # `SendError_NotOpen` is the case `not-open`.
    case = type(error.value).__name__.partition("_")[2]
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", case).lower()
    return SendError(kind, getattr(error.value, "value", None))
