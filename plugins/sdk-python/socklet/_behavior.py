"""What a connection does."""

from __future__ import annotations

from typing import Any

from . import _host
from ._connections import Connection, set_timer
from ._request import Request
from ._types import Acceptance, Disposition, Ending, Frame, Message


class Behavior(Connection):
    """One connection, and what it does: the one subclass of this in `plugin.py` is the plugin.

    Every connection has an object of its own, whoever shares the instance: `__init__` is called without arguments before the first
    hook, and the object is dropped after `on_close`. No hook may wait. What a hook raises is logged and closes the connection with
    1011, except for a `CloseError`.
    """

    __slots__ = ("__dict__", "__weakref__", "_timers")

    _timers: set[str]

    @classmethod
    def start(cls) -> None:
        """Called once for each instance, before the first hook, when the settings were read."""

    def on_upgrade(self, request: Request) -> Acceptance | None:
        """The last word before the 101; a `Refusal` is raised. Sends are refused here."""

    def on_open(self) -> None:
        """The connection can be sent to."""

    def on_message(self, message: Message) -> None:
        """One complete message from the client."""

    def on_close(self, ending: Ending) -> None:
        """The connection has ended."""

    def on_frame(self, frame: Frame) -> Disposition:
        """One frame, before anything is done with it. Needs the export `frames`."""
        return "process"

    def on_timer(self, name: str) -> None:
        """A timer of this connection is due. Needs the export `timer-events`."""

    @classmethod
    def on_instance_timer(cls, name: str) -> None:
        """A timer of the instance is due. Needs the export `timer-events`."""

    def save(self) -> Any:
        """What must survive while the instance sleeps, as JSON: all attributes, unless this is overridden. Needs the export `state`."""
        return dict(vars(self))

    def load(self, saved: Any) -> None:
        """Takes back what `save` returned, maybe in an older version of the plugin; `__init__` was called before."""
        vars(self).update(saved)

    @classmethod
    def save_instance(cls) -> Any:
        """What belongs to no connection and must survive, as JSON. Needs the export `state`."""
        return None

    @classmethod
    def load_instance(cls, saved: Any) -> None:
        """Takes back what `save_instance` returned."""

    def set_timer(self, name: str, seconds: float) -> None:
        """Has `on_timer(name)` called once, after some seconds, in whole milliseconds. It goes with the connection."""
        set_timer(f"@{self.id} {name}", seconds)
        self._timers.add(name)

    def cancel_timer(self, name: str) -> None:
        """Forgets a timer."""
        _host.imports.timers.cancel(f"@{self.id} {name}")
        self._timers.discard(name)
