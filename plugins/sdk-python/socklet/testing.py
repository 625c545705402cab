"""A host for a plugin's own tests: in memory, without WebAssembly and without sockets. Time stands still until it is advanced."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import Any

from . import _host, _serve
from ._authenticator import Authenticator
from ._behavior import Behavior
from ._types import Message


@dataclass(frozen=True)
class Err(Exception):
    """An error of the contract."""

    value: Any


def _record(name: str, *fields: str) -> type:
    def init(self: Any, *values: Any) -> None:
        self.__dict__.update(zip(fields, values, strict=True))

    return type(name, (), {"__init__": init, "__repr__": lambda self: f"{name}({vars(self)})"})


class Client:
    """A client that is connected."""

    def __init__(self, host: Host, id: int, principal: Any) -> None:
        self._host = host
        self.id = id
        self.principal = principal
        #: What it was sent.
        self.received: list[Message] = []
        #: Frames that were sent by themselves: opcode, fin, payload.
        self.frames: list[tuple[str, bool, bytes]] = []
        #: What it was closed with: code and reason.
        self.closed: tuple[int, str] | None = None
        #: What the 101 carried.
        self.accepted: Any = None
        self.attachment = b""
        self.is_open = False

    def send(self, message: Message) -> list[Message]:
        """Sends a message, and returns what came back since."""
        before = len(self.received)
        self._host._message(self, message)
        return self.received[before:]

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the connection."""
        self._host._leave(self, code, reason)


@dataclass
class Host:
    """Serves one behavior, or asks one authenticator. Settings are written as in the host's configuration."""

    plugin: type[Behavior] | type[Authenticator]
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        #: What was logged: level and message.
        self.log: list[tuple[str, str]] = []
        #: Seconds since the beginning.
        self.now = 0.0
        self._clients: dict[int, Client] = {}
        self._topics: dict[str, dict[int, None]] = {}
        self._timers: dict[str, int] = {}
        self._beat: list[Any] = [20, "heartbeat"]
        self._next = 1
        self._begin()

    def authenticate(self, url: str = "/", headers: dict[str, str] | None = None, **more: Any) -> Any:
        """Asks the authenticator: the result's `kind` is grant, abstain or deny, its `value` the principal or response."""
        verdict = self._exports.authenticate(self._request(url, headers, **more))
        kind = type(verdict).__name__.removeprefix("Verdict_").lower()
        return SimpleNamespace(kind=kind, value=getattr(verdict, "value", None))

    def connect(self, url: str = "/", headers: dict[str, str] | None = None, *, principal: Any = None, **more: Any) -> Client:
        """Connects; raises `Err` with the response where the plugin refuses."""
        record = self._request(url, headers, **more)
        client = self._clients[record.connection] = Client(self, record.connection, principal)
        try:
            client.accepted = self._exports.on_upgrade(record, principal)
        except Err:
            del self._clients[client.id]
            raise
        client.is_open = True
        self._call(client, self._exports.on_open)
        return client

    def vanish(self, url: str = "/", headers: dict[str, str] | None = None, **more: Any) -> None:
        """Asks to connect, and is gone before it is answered."""
        record = self._request(url, headers, **more)
        self._clients[record.connection] = Client(self, record.connection, None)
        try:
            self._exports.on_upgrade(record, None)
        finally:
            del self._clients[record.connection]

    def advance(self, seconds: float) -> None:
        """Lets time pass, and timers come due."""
        end = self.now + seconds
        while due := sorted((at, name) for name, at in self._timers.items() if at <= end * 1000):
            at, name = due[0]
            del self._timers[name]
            self.now = max(self.now, at / 1000)
            self._exports.on_timer(name)
            self._end()
        self.now = end

    def hibernate(self) -> None:
        """Saves, and goes on with what a fresh instance loads. Variables of modules stay as they are, unlike on a real host."""
        saved = self._exports.save()
        self._begin()
        self._exports.load(saved)

    def _begin(self) -> None:
        _host.bind(self._imports())
        _serve.install_logging()
        if issubclass(self.plugin, Behavior):
            own = [name for name, hooks in _serve._OPTIONAL.items() if any(_serve._is_own(self.plugin, hook) for hook in hooks)]
            self._exports: Any = _serve.BehaviorExports(self.plugin, sorted({*own, "state"}))
        else:
            self._exports = _serve.AuthenticatorExports(self.plugin)

    def _message(self, client: Client, message: Message) -> None:
        self._call(client, lambda id: self._exports.on_message(id, SimpleNamespace(value=message)))

    def _leave(self, client: Client, code: int, reason: str) -> None:
        client.closed = client.closed or (code, reason)
        self._end(cause="Cause_Client")

    def _call(self, client: Client, hook: Any) -> None:
        try:
            hook(client.id)
        except Err as error:
            client.closed = client.closed or (error.value.code, error.value.reason)
        self._end()

    def _end(self, cause: str = "Cause_Plugin") -> None:
        """Tells the plugin of connections that were closed."""
        for client in list(self._clients.values()):
            if client.closed is None or not client.is_open:
                continue
            client.is_open = False
            for members in self._topics.values():
                members.pop(client.id, None)
            code, reason = client.closed
            ending = SimpleNamespace(
                close=SimpleNamespace(code=code, reason=reason),
                cause=_record(cause)(),
                clean=True,
                duration_ms=round(self.now * 1000),
                messages_received=0,
                messages_sent=len(client.received),
            )
            self._exports.on_close(client.id, ending)
            self._clients.pop(client.id, None)

    def _request(
        self,
        url: str,
        headers: dict[str, str] | None,
        captures: dict[str, str] | None = None,
        attributes: dict[str, str] | None = None,
    ) -> Any:
        path, question, query = url.partition("?")
        self._next += 1
        return SimpleNamespace(
            connection=self._next,
            listener="test",
            method="GET",
            secure=False,
            authority="localhost",
            path=path,
            query=query if question else None,
            headers=[SimpleNamespace(name=name.lower(), value=value) for name, value in (headers or {}).items()],
            captures=list((captures or {}).items()),
            client_ip="127.0.0.1",
            client_port=1,
            attributes=list({"tenant": "default", "route": "default", **(attributes or {})}.items()),
        )

    def _find(self, id: int) -> Client:
        if id not in self._clients:
            raise Err(_record("SendError_Unknown")())
        return self._clients[id]

    def _send(self, id: int, message: Any) -> None:
        client = self._find(id)
        if client.closed is not None:
            raise Err(_record("SendError_Unknown")())
        if not client.is_open:
            raise Err(_record("SendError_NotOpen")())
        client.received.append(message.value)

    def _send_to(self, ids: list[int], message: Any, but: int | None) -> int:
        to = [id for id in ids if id != but]
        for id in to:
            self._send(id, message)
        return len(to)

    def _open(self) -> list[int]:
        return [client.id for client in self._clients.values() if client.is_open and client.closed is None]

    def _close(self, id: int, frame: Any) -> None:
        client = self._find(id)
        client.closed = client.closed or (frame.code, frame.reason)

    def _subscribe(self, id: int, topic: str) -> None:
        self._find(id)
        self._topics.setdefault(topic, {})[id] = None

    def _imports(self) -> Any:
        clients, members = self._clients, lambda topic: list(self._topics.get(topic, ()))
        opcodes = Enum("Opcode", ["CONTINUATION", "TEXT", "BINARY", "CLOSE", "PING", "PONG"])
        texts = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in self.settings.items()]
        return SimpleNamespace(
            Err=Err,
            types=SimpleNamespace(
                CloseFrame=_record("CloseFrame", "code", "reason"),
                Field=_record("Field", "name", "value"),
                Message_Binary=_record("Message_Binary", "value"),
                Message_Text=_record("Message_Text", "value"),
                Principal=_record("Principal", "subject", "attributes", "expires_at"),
                Response=_record("Response", "status", "headers", "body"),
            ),
            behavior=SimpleNamespace(Acceptance=_record("Acceptance", "subprotocol", "headers")),
            authenticator=SimpleNamespace(
                Verdict_Abstain=_record("Verdict_Abstain"),
                Verdict_Deny=_record("Verdict_Deny", "value"),
                Verdict_Grant=_record("Verdict_Grant", "value"),
            ),
            frames=SimpleNamespace(Opcode=opcodes, Disposition=Enum("Disposition", ["PROCESS", "SKIP", "STOP"])),
            connections=SimpleNamespace(
                ids=self._open,
                count=lambda: len(self._open()),
                send=self._send,
                send_all=lambda message, but: self._send_to(self._open(), message, but),
                send_frame=lambda id, opcode, fin, payload: self._find(id).frames.append((opcode.name.lower(), fin, payload)),
                flush=self._find,
                queued=lambda id: 0,
                close=self._close,
                principal_of=lambda id: clients[id].principal if id in clients else None,
                attachment=lambda id: clients[id].attachment if id in clients else b"",
                set_attachment=lambda id, value: setattr(self._find(id), "attachment", value),
            ),
            topics=SimpleNamespace(
                subscribe=self._subscribe,
                unsubscribe=lambda id, topic: self._topics.get(topic, {}).pop(id, None),
                publish=lambda topic, message, but: self._send_to(members(topic), message, but),
                subscribers=members,
            ),
            heartbeat=SimpleNamespace(
                interval_seconds=lambda: self._beat[0],
                set_interval_seconds=lambda seconds: self._beat.__setitem__(0, seconds),
                payload=lambda: self._beat[1],
                set_payload=lambda payload: self._beat.__setitem__(1, payload),
            ),
            timers=SimpleNamespace(
                set=lambda name, after: self._timers.__setitem__(name, round(self.now * 1000) + after),
                cancel=lambda name: self._timers.pop(name, None),
            ),
            logging=SimpleNamespace(
                Level=Enum("Level", ["DEBUG", "INFO", "WARN", "ERROR"]),
                log=lambda level, message: self.log.append((level.name.lower(), message)),
            ),
            store=SimpleNamespace(get_all=lambda: texts),
        )
