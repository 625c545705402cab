"""The connections that this instance serves, each an object of the plugin's class, and how they are saved."""

from __future__ import annotations

import json
from typing import Any, Generic, TypeVar

from . import _host
from ._behavior import Behavior
from ._connections import dumps

#: More connections that were accepted and are not open yet are looked after: some never will be.
_MANY = 16

#: What saved states begin with.
_VERSION = 1

B = TypeVar("B", bound=Behavior)


class Peers(Generic[B]):
    """The objects, by the ids of their connections."""

    def __init__(self, cls: type[B]) -> None:
        self._class = cls
        self._open: dict[int, B] = {}
        #: Between `on_upgrade` and `on_open`, the oldest first.
        self._accepted: dict[int, B] = {}

    def ask(self, id: int) -> B:
        """A connection that asks to be accepted. It is kept once it is."""
        peer = self._class.__new__(self._class)
        # Before its `__init__`, which may want to know them and need not call that of its base.
        peer.id = id
        peer._timers = set()
        peer.__init__()  # type: ignore[misc]
        return peer

    def accept(self, peer: B) -> None:
        """Keeps a connection that was accepted."""
        # A client that goes away before its connection is open is never heard of again.
        if len(self._accepted) >= _MANY:
            for id in list(self._accepted)[:2]:
                oldest = self._accepted.pop(id)
                if _is_there(id):
                    self._accepted[id] = oldest
        self._accepted[peer.id] = peer

    def get(self, id: int) -> B:
        """A connection that is open; a fresh object where an instance before this one served it."""
        peer = self._open.get(id)
        if peer is None:
            peer = self._accepted.pop(id, None)
            # Not by truth, which is the plugin's to define.
            peer = self.ask(id) if peer is None else peer
            self._open[id] = peer
        return peer

    def find(self, id: int) -> B | None:
        """The connection of a timer; None when it is not there any more."""
        return self._open.get(id, self._accepted.get(id))

    def drop(self, id: int) -> None:
        """Forgets a connection, and its timers."""
        peer = self._open.pop(id, None)
        if peer is not None:
            for name in list(peer._timers):
                peer.cancel_timer(name)

    def save(self) -> bytes:
        """All of them and the instance's own state."""

        def entries(peers: dict[int, B]) -> list[Any]:
            return [[peer.id, _plain(peer.save()), sorted(peer._timers)] for peer in peers.values()]

        instance = _plain(self._class.save_instance())
        state = {"version": _VERSION, "open": entries(self._open), "accepted": entries(self._accepted), "instance": instance}
        return dumps(state).encode()

    def load(self, state: bytes) -> None:
        """Takes back what `save` returned."""
        saved = json.loads(state)
        if not isinstance(saved, dict) or saved.get("version") != _VERSION:
            raise ValueError(f"this is not a state that version {_VERSION} of the SDK has saved")
        for peers, entries in ((self._open, saved["open"]), (self._accepted, saved["accepted"])):
            for id, data, timers in entries:
                peer = self.ask(id)
                peer.load(data)
                peer._timers = set(timers)
                peers[id] = peer
        self._class.load_instance(saved["instance"])


def _plain(value: Any, where: str = "save") -> Any:
    """Refuses what JSON would lose without a word, or does not have."""
    if isinstance(value, dict):
        for key, each in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where}: the key {key!r} is not a text, as JSON has it; override save and load")
            _plain(each, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for each in value:
            _plain(each, where)
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        raise TypeError(f"{where} is a {type(value).__name__}, which JSON does not have; override save and load")
    return value


def _is_there(id: int) -> bool:
    try:
        connections = _host.imports.connections
        connections.set_attachment(id, connections.attachment(id))
    except _host.imports.Err as error:
        return not type(error.value).__name__.endswith("Unknown")
    return True
