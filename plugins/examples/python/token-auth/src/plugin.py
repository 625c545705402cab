"""Lets in who has a token, in `Authorization: Bearer` or in the query."""

import time

from socklet import Abstain, Authenticator, Deny, Grant, Request, Settings, Verdict, same


class Config(Settings):
    #: Whose token it is.
    tokens: dict[str, str]
    #: Seconds after which the connection is closed.
    ttl: int | None = None


class Tokens(Authenticator):
    def authenticate(self, request: Request) -> Verdict:
        bearer = request.bearer()
        token = bearer if bearer is not None else request.query_value("token")
        if token is None:
            return Abstain()
        # All are compared, so that the time does not tell which one was nearly right.
        subjects = [subject for known, subject in Config.tokens.items() if same(known, token)]
        if not subjects:
            return Deny(401, "unknown token", {"www-authenticate": 'Bearer realm="socklet"'})
        expires = None if Config.ttl is None else time.time() + Config.ttl
        return Grant(subjects[0], {"via": "query" if bearer is None else "bearer"}, expires)
