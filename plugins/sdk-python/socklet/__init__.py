"""Socklet plugins in Python: a behavior says what a connection does, an authenticator who may connect."""

from ._authenticator import Abstain, Authenticator, Deny, Grant, Verdict
from ._behavior import Behavior
from ._connections import Connection, connections, heartbeat, timers, topics
from ._errors import CloseError, Refusal, SendError
from ._request import Request, percent_decode, same
from ._settings import Settings
from ._types import Acceptance, Disposition, Ending, Frame, Message, Opcode, Principal

__all__ = [
    "Abstain",
    "Acceptance",
    "Authenticator",
    "Behavior",
    "CloseError",
    "Connection",
    "Deny",
    "Disposition",
    "Ending",
    "Frame",
    "Grant",
    "Message",
    "Opcode",
    "Principal",
    "Refusal",
    "Request",
    "SendError",
    "Settings",
    "Verdict",
    "connections",
    "heartbeat",
    "percent_decode",
    "same",
    "timers",
    "topics",
]
