"""Who may connect. Every request is asked of a fresh instance."""

from socklet import Abstain, Authenticator, Deny, Grant, Request, Settings, Verdict, same


class Config(Settings):
    """`[plugin.{{name}}.settings]` of the host's configuration: users and their passwords."""

    users: dict[str, str]


class Users(Authenticator):
    def authenticate(self, request: Request) -> Verdict:
        basic = request.basic()
        if basic is None:
            return Abstain()
        user, given = basic
        # A password that is compared in any case, so that the time does not tell which users there are.
        password = Config.users.get(user, "")
        if not same(password, given) or not password:
            return Deny(401, "who are you?", {"www-authenticate": 'Basic realm="socklet", charset="UTF-8"'})
        return Grant(user, {"via": "basic"})
