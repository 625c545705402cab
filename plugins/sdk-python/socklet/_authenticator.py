"""Who may connect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Union

from ._errors import Refusal
from ._request import Request
from ._types import Headers


@dataclass(frozen=True)
class Grant:
    """Lets the connection in as this subject, of 1 to 255 bytes."""

    subject: str
    attributes: Headers = ()
    #: A time, or Unix seconds, after which the host closes the connection with 1008.
    expires_at: datetime | float | None = None


@dataclass(frozen=True)
class Abstain:
    """No opinion: the next authenticator is asked; when all abstain, the answer is 401."""


class Deny(Refusal):
    """Refuses with this response: status 400 to 599. May be returned, and raised."""

    def __init__(self, status: int, body: str | bytes = "", headers: Headers = ()) -> None:
        super().__init__(status, body, headers)
        if status < 400:
            raise ValueError(f"a denial's status is 400 to 599, not {status}")


#: What an authenticator says.
Verdict = Union[Grant, Abstain, Deny]


class Authenticator:
    """Decides who may connect: the one subclass of this in `plugin.py` is the plugin.

    Every request is asked of a fresh instance. `__init__` is called when the settings were read.
    """

    def authenticate(self, request: Request) -> Verdict:
        """Judges one request. Unlike a behavior it sees `authorization` and `cookie`."""
        raise NotImplementedError
