"""What a hook may raise, and what is made of everything else."""

from __future__ import annotations

import logging
from typing import Any

from . import _host
from ._types import Headers, pairs

#: The most bytes of a close frame's reason (RFC 6455, section 5.5).
_MAX_REASON = 123

_log = logging.getLogger("socklet")


class CloseError(Exception):
    """Ends the connection with this code and reason, which is cut to 123 bytes.

    A plugin may send 1000, 1001, 1003, 1007 to 1014 and 3000 to 4999.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"close {code} {reason}".rstrip())
        check_code(code)
        self.code = code
        self.reason = cut(reason)


class SendError(Exception):
    """Why nothing was queued: `kind` is unknown, not-open, full, invalid or other."""

    def __init__(self, kind: str, detail: str | None = None) -> None:
        super().__init__(f"nothing was sent: {detail or kind}")
        self.kind = kind


class Refusal(Exception):
    """An answer instead of the 101: status 200 to 599, a body, header fields."""

    def __init__(self, status: int, body: str | bytes = "", headers: Headers = ()) -> None:
        super().__init__(f"refused with {status}")
        if not 200 <= status <= 599:
            raise ValueError(f"a refusal's status is 200 to 599, not {status}")
        self.status = status
        self.headers = pairs(headers)
        self.body = body.encode() if isinstance(body, str) else bytes(body)
        if isinstance(body, str) and body and not any(name == "content-type" for name, _ in self.headers):
            self.headers.append(("content-type", "text/plain; charset=utf-8"))


def check_code(code: int) -> None:
    """Raises unless a plugin may send this close code."""
    if not (code in (1000, 1001, 1003) or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise ValueError(f"a plugin may close with 1000, 1001, 1003, 1007 to 1014 and 3000 to 4999, not with {code}")


def cut(reason: str) -> str:
    """A reason as far as it fits, cut between characters."""
    return reason.encode()[:_MAX_REASON].decode(errors="ignore")


def report(error: BaseException, hook: str) -> None:
    """Logs an error with its stack."""
    _log.error("%s failed: %s", hook, error, exc_info=error)


def close_frame(error: BaseException, hook: str) -> Any:
    """What the contract raises for an error of a hook: its own close frame, or 1011 with the error in the log."""
    if isinstance(error, CloseError):
        code, reason = error.code, error.reason
    else:
        report(error, hook)
        code, reason = 1011, "internal error"
    return _host.imports.Err(_host.imports.types.CloseFrame(code, reason))


def response(error: BaseException, hook: str) -> Any:
    """The response for an error of a hook: its own, or 500 with the error in the log."""
    types = _host.imports.types
    if isinstance(error, Refusal):
        return types.Response(error.status, [types.Field(name, value) for name, value in error.headers], error.body)
    report(error, hook)
    return types.Response(500, [], b"")


def text(error: Exception) -> Exception:
    """An error of the host whose value is a text."""
    if isinstance(error, _host.imports.Err):
        return ValueError(str(error.value))
    return error
