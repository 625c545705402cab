"""From a plugin's class to what the component exports: the hooks of the contract."""

from __future__ import annotations

import logging
import random
import traceback
from collections.abc import Callable
from datetime import datetime
from typing import Any

from . import _host, _settings
from ._authenticator import Abstain, Authenticator, Grant
from ._behavior import Behavior
from ._connections import of_connection
from ._errors import Refusal, close_frame, report, response
from ._peers import Peers
from ._request import Request
from ._types import Acceptance, Ending, Frame, pairs

#: How many records are kept until there is a host.
_MOST_EARLY = 16

_DISPOSITIONS = ("process", "skip", "stop")

#: The hooks that belong to an optional export.
_OPTIONAL = {
    "frames": ("on_frame",),
    "timer-events": ("on_timer", "on_instance_timer"),
    "state": ("save", "load", "save_instance", "load_instance"),
}


def find(module: Any, base: type) -> Any:
    """The one class of a module that derives from this one."""
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, base) and each is not base and each.__module__ == module.__name__
    ]
    if len(found) != 1:
        names = ", ".join(each.__name__ for each in found) or "none"
        raise TypeError(f"{module.__name__}.py must have one class that derives from socklet.{base.__name__}; it has {names}")
    return found[0]


class BehaviorExports:
    """The exports of a behavior, the optional ones included."""

    def __init__(self, cls: type[Behavior], exports: list[str]) -> None:
        for export, hooks in _OPTIONAL.items():
            own = [hook for hook in hooks if _is_own(cls, hook)]
            if own and export not in exports:
                raise TypeError(f'{cls.__name__}.{own[0]} is never called: add "{export}" to exports in plugin.toml')
            if not own and export in exports and export != "state":
                raise TypeError(f"plugin.toml exports {export}, and {cls.__name__} has no {hooks[0]}")
        self._class = cls
        self._peers = Peers(cls)
        self._ready = _starter(cls.start)

    def on_upgrade(self, record: Any, _principal: Any) -> Any:
        try:
            self._ready()
            peer = self._peers.ask(record.connection)
            accepted = _acceptance(peer.on_upgrade(Request(record)))
            self._peers.accept(peer)
        except Exception as error:
            raise _host.imports.Err(response(error, "on_upgrade")) from None
        return accepted

    def on_open(self, id: int) -> None:
        try:
            self._ready()
            self._peers.get(id).on_open()
        except Exception as error:
            raise close_frame(error, "on_open") from None

    def on_message(self, id: int, message: Any) -> None:
        try:
            self._ready()
            self._peers.get(id).on_message(message.value)
        except Exception as error:
            raise close_frame(error, "on_message") from None

    def on_close(self, id: int, ending: Any) -> None:
        try:
            self._ready()
            self._peers.get(id).on_close(_ending(ending))
        except Exception as error:
            report(error, "on_close")
        self._peers.drop(id)

    def on_frame(self, id: int, frame: Any) -> Any:
        dispositions = _host.imports.frames.Disposition
        try:
            self._ready()
            opcode = frame.opcode.name.lower()
            asked = self._peers.get(id).on_frame(Frame(opcode, frame.fin, frame.payload))
            if asked not in _DISPOSITIONS:
                raise ValueError(f"on_frame returns one of {', '.join(_DISPOSITIONS)}, not {asked!r}")
            return dispositions[asked.upper()]
        except Exception as error:
            report(error, "on_frame")
            return dispositions.STOP

    def on_timer(self, name: str) -> None:
        try:
            self._ready()
            connection = of_connection(name)
            if connection is None:
                self._class.on_instance_timer(name)
                return
            peer = self._peers.find(connection[0])
            if peer is None:
                return
            peer._timers.discard(connection[1])
            try:
                peer.on_timer(connection[1])
            except Exception as error:
                # A timer of a connection fails for that connection.
                frame = close_frame(error, "on_timer").value
                peer.close(frame.code, frame.reason)
        except Exception as error:
            report(error, "on_timer")

    def save(self) -> bytes:
        try:
            self._ready()
            return self._peers.save()
        except Exception as error:
            raise _host.imports.Err(f"{type(error).__name__}: {error}") from None

    def load(self, state: bytes) -> None:
        try:
            self._ready()
            self._peers.load(state)
        except Exception as error:
            raise _host.imports.Err(f"{type(error).__name__}: {error}") from None


class AuthenticatorExports:
    """The export of an authenticator."""

    def __init__(self, cls: type[Authenticator]) -> None:
        self._plugin: Authenticator | None = None

        def start() -> None:
            self._plugin = cls()

        self._ready = _starter(start)

    def authenticate(self, record: Any) -> Any:
        exports = _host.imports.authenticator
        try:
            self._ready()
            assert self._plugin is not None, "a plugin that is ready is there"
            verdict = self._plugin.authenticate(Request(record))
            if isinstance(verdict, Grant):
                return exports.Verdict_Grant(_granted(verdict))
            if isinstance(verdict, Abstain):
                return exports.Verdict_Abstain()
            if isinstance(verdict, Refusal):
                raise verdict
            raise TypeError(f"authenticate returns Grant, Abstain or Deny, not {verdict!r}")
        except Exception as error:
            return exports.Verdict_Deny(response(error, "authenticate"))


class _HostHandler(logging.Handler):
    """Has what Python's `logging` writes in the host's log."""

    #: Records from before there was a host: modules are imported when a plugin is built.
    early: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not _host.live:
            self.early.append(record)
            del self.early[_MOST_EARLY:]
            return
        while self.early:
            self.emit(self.early.pop(0))
        line = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            stack = traceback.format_exception(record.exc_info[1])
            line = " ".join([line, *(part.strip() for entry in stack for part in entry.splitlines())])
        levels = _host.imports.logging.Level
        level = (
            levels.ERROR
            if record.levelno >= logging.ERROR
            else levels.WARN
            if record.levelno >= logging.WARNING
            else levels.INFO
            if record.levelno >= logging.INFO
            else levels.DEBUG
        )
        _host.imports.logging.log(level, line if record.name in ("root", "socklet") else f"{record.name}: {line}")


def install_logging() -> None:
    """Has Python's `logging` write to the host, which decides what is kept."""
    root = logging.getLogger()
    if not any(isinstance(handler, _HostHandler) for handler in root.handlers):
        root.addHandler(_HostHandler())
    root.setLevel(logging.DEBUG)


def _starter(start: Callable[[], None]) -> Callable[[], None]:
    """Returns what starts the plugin, once; when that fails, every later call fails alike."""
    state: dict[str, Exception | None] = {}

    def ready() -> None:
        if "failed" not in state:
            _host.begin()
            # Seeded when the plugin was built, it would say the same in every instance.
            random.seed()
            try:
                _settings.read()
                start()
                state["failed"] = None
            except Exception as error:
                state["failed"] = error
        if state["failed"] is not None:
            raise RuntimeError("the plugin could not start") from state["failed"]

    return ready


def _is_own(cls: type, hook: str) -> bool:
    return getattr(getattr(cls, hook), "__func__", getattr(cls, hook)) is not getattr(
        getattr(Behavior, hook), "__func__", getattr(Behavior, hook)
    )


def _acceptance(returned: Acceptance | None) -> Any:
    if returned is None:
        returned = Acceptance()
    if not isinstance(returned, Acceptance):
        raise TypeError(f"on_upgrade returns an Acceptance or None, not {returned!r}; a Refusal is raised")
    fields = [_host.imports.types.Field(name, value) for name, value in pairs(returned.headers)]
    return _host.imports.behavior.Acceptance(returned.subprotocol, fields)


def _granted(grant: Grant) -> Any:
    expires = grant.expires_at.timestamp() if isinstance(grant.expires_at, datetime) else grant.expires_at
    given = grant.attributes.items() if hasattr(grant.attributes, "items") else grant.attributes
    attributes = [(str(name), str(value)) for name, value in given]
    return _host.imports.types.Principal(grant.subject, attributes, None if expires is None else int(expires))


def _ending(ending: Any) -> Ending:
    case = type(ending.cause).__name__.partition("_")[2]
    words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in case).lstrip("-")
    cause = ending.cause.value if words == "other" else words
    close, received, sent = ending.close, ending.messages_received, ending.messages_sent
    return Ending(close.code, close.reason, cause, ending.clean, ending.duration_ms, received, sent)
